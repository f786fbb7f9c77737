"""What is written in the boxes of the picture: names without what the box around says already.

In the box ``blocks.{0,1}``, the parameter ``blocks.{0,1}.mlp.0.weight`` is called ``mlp.0``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.analysis import Analysis
from mupfx.core.axes import Use
from mupfx.core.plan import Plan
from mupfx.core.vocabulary import Role
from mupfx.render.page.cells import Cell, Kind
from mupfx.render.page.classes import Chip, Classes
from mupfx.render.page.rows import Row
from mupfx.render.plan import number, std_factor

TIMES = "\N{MULTIPLICATION SIGN}"
_MOST = 34
"""Characters of a line."""
_DOT = re.compile(r"\.(?!\.)(?<!\.\.)")
_TITLES = {Kind.ADD: "+", Kind.START: "+", Kind.OUTPUT: "output"}
_WHOLE = {Kind.ADD: "residual add", Kind.START: "start of the residual stream"}
_ORDER = (Role.HIDDEN, Role.OUTPUT, Role.INPUT, Role.VECTOR, Role.SCALAR)
"""Of several parameters in a cell, the first kind is written out."""


@dataclass(frozen=True, slots=True)
class Line:
    """A word, and chips after it."""

    word: str
    chips: tuple[Chip, ...] = ()


@dataclass(frozen=True, slots=True)
class Caption:
    """The text of one cell."""

    title: str
    whole: str
    """The title in full, for a tooltip."""
    tag: str
    """The role, or what else it is."""
    style: str
    lines: tuple[Line, ...] = ()
    row: str = ""
    """The anchor of its main parameter in the table."""


@dataclass(frozen=True, slots=True)
class Captions:
    """Everything that captions are made of."""

    analysis: Analysis
    plan: Plan | None
    classes: Classes
    row_of: Mapping[str, Row]

    def cell(self, cell: Cell, around: str) -> Caption:
        """Caption of a cell in a box of a name."""
        if cell.kind is Kind.WEIGHTS:
            return self._weights(cell, around)
        if cell.kind is Kind.SITE:
            return self._site(cell)
        title = _TITLES.get(cell.kind, cell.node)
        whole = _WHOLE.get(cell.kind, title)
        return Caption(short(title), whole, "", "add" if title == "+" else "end")

    def box(self, names: Sequence[str], around: str) -> str:
        """Title of a box that holds parameters, inside another."""
        rows = [self.row_of[name].name for name in names]
        own = within(common(rows), around)
        if own:
            return short(own)
        heads = list(dict.fromkeys(dotted(within(name, around))[0] for name in rows))
        return short(", ".join(heads))

    def common(self, names: Sequence[str]) -> str:
        """The whole of what names of parameters have in common."""
        return common([self.row_of[name].name for name in names])

    def _weights(self, cell: Cell, around: str) -> Caption:
        uses = {name: self._use(name, cell.node) for name in cell.parameters}
        main = min(cell.parameters, key=lambda name: _ORDER.index(uses[name][0]))
        role, use = uses[main]
        axes = self.analysis.roles[main].axes
        whole = common([self.row_of[name].name for name in cell.parameters])
        if len(dotted(whole)) < len(dotted(common(cell.parameters))):  # not alike in every layer
            whole = common([self.row_of[main].name])
        title = within(whole, around) or dotted(whole)[-1]
        lines = [
            Line(word, tuple(c for dim in dims for c in self.classes.axis(axes[dim])))
            for word, dims in (("in", use.fan_in or use.index), ("out", use.fan_out))
            if dims
        ]
        if role in {Role.VECTOR, Role.SCALAR}:
            every = tuple(c for axis in axes for c in self.classes.axis(axis))
            lines = [Line("along", every)] if every else []
        others = [dotted(name)[-1] for name in cell.parameters if name != main]
        lines += [Line(text) for text in (self._factors(main), self._others(others)) if text]
        names = ", ".join(self.row_of[name].name for name in cell.parameters)
        row = self.row_of[main].key
        return Caption(short(title), names, str(role), str(role), tuple(lines), row)

    def _use(self, name: str, node: str) -> tuple[Role, Use]:
        """What a parameter is at one node: a tied one is an input here and an output there."""
        uses = self.analysis.roles[name].uses
        return next((role, use) for role, use in uses if use.node == node)

    def _factors(self, name: str) -> str:
        planned = None if self.plan is None else self.plan.parameters.get(name)
        adam = None if planned is None else planned.optimizers.get("adam")
        if planned is None or adam is None:
            return ""
        std = std_factor(planned)
        if std == adam.lr == 1:
            return ""
        return f"std {TIMES}{number(std)}, Adam lr {TIMES}{number(adam.lr)}"

    def _others(self, names: Sequence[str]) -> str:
        return short(f"+ {', '.join(names)}") if names else ""

    def _site(self, cell: Cell) -> Caption:
        site = cell.site
        assert site is not None
        over = Line("over", tuple(self.classes.chips[name] for name in site.classes))
        planned = None if self.plan is None else self.plan.sites.get(site.name)
        factor = (
            [] if planned is None else [Line(f"multiplier {TIMES}{number(planned.multiplier)}")]
        )
        lines = (*([over] if site.classes else []), *factor)
        return Caption(str(site.kind), site.where or site.name, "site", "site", lines)


def common(names: Iterable[str]) -> str:
    """The dotted parts that names begin with; a single one, but for ``.weight``.

    >>> common(["mlp.0.weight", "mlp.0.bias"]), common(["head.weight"]), common(["x.scale"])
    ('mlp.0', 'head', 'x.scale')
    """
    split = [dotted(name) for name in names]
    if len(split) == 1:
        return ".".join(split[0]).removesuffix(".weight")
    shared = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def dotted(name: str) -> list[str]:
    """The parts of a name; a range of layers is one.

    >>> dotted("blocks.{0..5}.weight")
    ['blocks', '{0..5}', 'weight']
    """
    return _DOT.split(name)


def within(name: str, around: str) -> str:
    """A name without what the box around it is called.

    >>> within("blocks.0.mlp", "blocks.0"), within("head", "blocks"), within("blocks", "blocks")
    ('mlp', 'head', '')
    """
    if name == around:
        return ""
    return name.removeprefix(f"{around}.") if around else name


def short(text: str) -> str:
    """A text that fits, with its middle left out.

    >>> short("encoder.layers.0.a_module_of_a_long_name.projection")
    'encoder.layers.0…_name.projection'
    """
    if len(text) <= _MOST:
        return text
    half = (_MOST - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
