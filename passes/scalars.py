"""Scales: how every value's size depends on the weights' multipliers and on constants in the code.

Were each weight ``p`` of a model ``exp(a_p)`` times as large as it is stored, and every constant in
the code that differs from the base's gone, some values would be as they are, others not. A value's
*form* is the logarithm of what it is now over what it would be then, linear in the unknowns::

    x = wte[i]; x = x * sqrt(n)        form of x     -a(wte) + 1/2
    h = gelu(linear(x, w))             must be zero  -a(wte) + 1/2 - a(w)
    y = layer_norm(h, gain)            form of y     -a(gain): what went in is forgotten

Values of ``a`` for which all that must be zero is zero leave the function alone: gauges.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import cast

from torch import fx

from mupfx.core.ops import constant_factor, data_inputs, holds_floats, is_pick, packet
from mupfx.core.program import Program, shape_of
from mupfx.tables.linear_ops import (
    BILINEAR,
    DIFFERENCES,
    FUSED_ATTENTION,
    GATHERING,
    HOMOGENEOUS,
    JOINS,
    KEEPING,
    MASKING,
    NORMS,
    PARTIAL,
    POOLING,
    SCALING,
    SCATTERING,
    SUMS,
    ZEROS,
)
from mupfx.tables.powers import MADE, POWERS, RECURRENT

Form = dict[str, float]
"""Coefficients of unknowns; ``ONE``'s is a number."""
ONE = ""
SITE = "site:"
"""What an unknown that is a site's own begins with, before its name."""
FAULT = "constant:"
"""What an unknown begins with that says how wrong a constant is, before its node."""
TINY = 1e-2
"""A number that is added and is no larger is an epsilon."""
SAME = (0, float("inf"), float("-inf"))
SLIGHT = 1e-9
"""Of a logarithm: rounding."""


@dataclass(frozen=True, slots=True)
class Row:
    """A form that must be zero."""

    form: Form
    node: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant in the code that is another one at the base."""

    node: str
    here: float
    there: float

    @property
    def ratio(self) -> float:
        """Logarithm of one over the other."""
        return log(abs(self.here / self.there))


@dataclass(frozen=True, slots=True)
class Scales:
    """The forms of a program."""

    forms: Mapping[str, Form]
    """By node."""
    rows: tuple[Row, ...]
    constants: tuple[Constant, ...]
    free: frozenset[str]
    """Parameters that no row has."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What belongs at a site, whatever the code says."""

    name: str
    """Sites of one name are wrong by as much."""
    node: str
    ratio: float
    """Logarithm of the multiplier that belongs here over the base's."""
    operand: str | None = None
    """Of a branch: the operand of the add that it is on."""


def find_scales(
    program: Program, twins: Mapping[fx.Node, fx.Node], expected: Sequence[Expected]
) -> Scales:
    """The form of every value, and what must be zero."""
    base = next((twin.graph for node, twin in twins.items() if node.op == "placeholder"), None)
    walk = _Walk(program, twins, _by_node(expected), base)
    for node in program.graph.nodes:
        walk.visit(node)
    used = {name for row in walk.rows for name in row.form}
    free = frozenset(set(program.parameters.values()) - used)
    return Scales(walk.named(), tuple(walk.rows), tuple(walk.constants), free)


def _by_node(expected: Sequence[Expected]) -> dict[str, list[Expected]]:
    found: dict[str, list[Expected]] = {}
    for one in expected:
        found.setdefault(one.node, []).append(one)
    return found


def plus(*forms: Mapping[str, float]) -> Form:
    """The sum of forms, without what is zero."""
    total: Form = {}
    for form in forms:
        for name, value in form.items():
            total[name] = total.get(name, 0.0) + value
    return {name: value for name, value in total.items() if abs(value) > SLIGHT}


def times(form: Mapping[str, float], factor: float) -> Form:
    """A form times a number."""
    return {name: value * factor for name, value in form.items()}


@dataclass(slots=True)
class _Walk:
    """One pass over the graph."""

    program: Program
    twins: Mapping[fx.Node, fx.Node]
    expected: Mapping[str, Sequence[Expected]]
    base: fx.Graph | None
    """Twins elsewhere stand in for ops that the base has not."""
    forms: dict[fx.Node, Form] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    moving: set[fx.Node] = field(default_factory=set)
    """Nodes that depend on parameters or inputs."""

    def named(self) -> dict[str, Form]:
        return {node.name: form for node, form in self.forms.items()}

    def visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._place(node)
        elif node.op == "output":
            self._output(node)
        elif not any(n in self.moving for n in node.all_input_nodes):
            self.forms[node] = {}
        else:
            self.moving.add(node)
            self.forms[node] = plus(self._form(node), self._of_site(node))

    def _place(self, node: fx.Node) -> None:
        name = self.program.parameters.get(node.name)
        self.forms[node] = {} if name is None else {name: -1.0}
        if name is not None or node.name in self.program.inputs:
            self.moving.add(node)

    def _output(self, node: fx.Node) -> None:
        """What leaves the model and goes nowhere else is as it must be."""
        last = [n for n in node.all_input_nodes if len(n.users) == 1 and holds_floats(n)]
        for made in last or [n for n in node.all_input_nodes if holds_floats(n)]:
            self._zero(self.forms[made], made)

    def _of_site(self, node: fx.Node) -> Form:
        """What a result lacks that belongs to a site; kernels that add to it see to it inside."""
        if packet(node) in FUSED_ATTENTION or packet(node) in BILINEAR:
            return {}
        return self._lacking(node)

    def _lacking(self, node: fx.Node) -> Form:
        sites = [s for s in self.expected.get(node.name, ()) if s.operand is None]
        return plus(*(_taken(site) for site in sites))

    def _zero(self, form: Form, node: fx.Node) -> None:
        if plus(form):
            self.rows.append(Row(plus(form), node.name))

    def _form(self, node: fx.Node) -> Form:
        constant = constant_factor(node)
        if constant is not None:
            return plus(self._first(node), self._ratio(node, constant, constant_factor))
        op = packet(node)
        for family, rule in _RULES:
            if op in family:
                return rule(self, node)
        if is_pick(node):
            return self._first(node)
        return self._power(node) if str(op).removesuffix("_") in POWERS else self._opaque(node)

    def _first(self, node: fx.Node) -> Form:
        sources = data_inputs(node)
        return self.forms[sources[0]] if sources else {}

    def _ratio(self, node: fx.Node, here: float, read: Callable[[fx.Node], float | None]) -> Form:
        """Logarithm of a constant over the base's; noted where they differ."""
        twin = self.twins.get(node)
        there = here
        if self.twins:  # an op that the base lacks multiplies by one there
            known = twin is not None and twin.graph is self.base
            there = (read(twin) if twin is not None and known else None) or 1.0
        if not here or not there or abs(log(abs(here / there))) < SLIGHT:
            return {}
        self.constants.append(Constant(node.name, here, there))
        return {ONE: self.constants[-1].ratio, f"{FAULT}{node.name}": -1.0}

    def _equal(self, node: fx.Node, terms: Sequence[Form]) -> Form:
        """The terms of a sum are all alike."""
        for term in terms[1:]:
            self._zero(plus(term, times(terms[0], -1)), node)
        return terms[0] if terms else {}

    def _keep(self, node: fx.Node) -> Form:
        return self._first(node)

    def _sum(self, node: fx.Node) -> Form:
        terms = [self._term(node, found, place) for place, found in enumerate(node.args[:2])]
        return self._equal(node, [term for term in terms if term is not None])

    def _term(self, node: fx.Node, found: object, place: int) -> Form | None:
        """One operand of a sum; None where it is too small to matter."""
        if not isinstance(found, fx.Node):
            small = not isinstance(found, int | float) or abs(found) <= TINY or found in SAME
            return None if small else {}
        if found not in self.moving:
            return None if self._is_number(found) else {}
        own: Form = {}
        if place == 1 and _alpha(node) is not None:
            own = self._ratio(node, _alpha(node) or 1.0, _alpha)
        sites = [s for s in self.expected.get(node.name, ()) if s.operand == found.name]
        return plus(self.forms[found], own, *(_taken(site) for site in sites))

    def _is_number(self, node: fx.Node) -> bool:
        """Whether an operand is an epsilon or a mask, as far as can be told."""
        shape = shape_of(node)
        return shape == () or not holds_floats(node) or _is_mask(node)

    def _join(self, node: fx.Node) -> Form:
        moving = [n for n in data_inputs(node) if n in self.moving]
        return self._equal(node, [self.forms[n] for n in moving])

    def _choice(self, node: fx.Node) -> Form:
        """``where`` and its like: of the two, those that are no constants."""
        return self._join(node)

    def _scatter(self, node: fx.Node) -> Form:
        places = next(found for op, found in SCATTERING.items() if op is packet(node))
        operands = [node.args[i] for i in places if i < len(node.args)]
        moving = [n for n in operands if isinstance(n, fx.Node) and n in self.moving]
        return self._equal(node, [self.forms[n] for n in moving])

    def _norm(self, node: fx.Node) -> Form:
        data = data_inputs(node)
        affine = [n for n in data[1:] if n in self.moving and n is not node.args[0]]
        return self._equal(node, [self.forms[n] for n in affine])

    def _product(self, node: fx.Node) -> Form:
        signs = (1, -1 if "div" in str(packet(node)) else 1)
        places = zip(node.args[:2], signs, strict=False)
        return plus(*(times(self.forms[n], s) for n, s in places if isinstance(n, fx.Node)))

    def _bilinear(self, node: fx.Node) -> Form:
        places, rest = next(found for op, found in BILINEAR.items() if op is packet(node))
        factors = [self.forms[n] for i in places for n in _operands(node, i)]
        product = plus(*factors, self._lacking(node))
        if rest and _alpha(node) is not None:
            product = plus(product, self._ratio(node, _alpha(node) or 1.0, _alpha))
        added = [self.forms[n] for i in rest for n in _operands(node, i) if n in self.moving]
        return self._equal(node, [product, *added])

    def _attention(self, node: fx.Node) -> Form:
        query, key, value = (cast("fx.Node", n) for n in node.args[:3])
        own = self._ratio(node, _own_scale(node), _own_scale)
        sites = [_taken(site) for site in self.expected.get(node.name, ())]
        self._zero(plus(self.forms[query], self.forms[key], own, *sites), node)
        return self.forms[value]

    def _recurrent(self, node: fx.Node) -> Form:
        """Gates are nonlinear, and what they make is as large as one."""
        weights = _weights(node)
        data = self.forms[cast("fx.Node", node.args[0])]
        for weight, first in weights:
            self._zero(plus(self.forms[weight], data if first else {}), node)
        return {}

    def _power(self, node: fx.Node) -> Form:
        exponent = POWERS[str(packet(node)).removesuffix("_")]
        if exponent is None:
            given = node.args[1] if len(node.args) > 1 else None
            if not isinstance(given, int | float):
                return self._opaque(node)
            exponent = float(given)
        return times(self._first(node), exponent)

    def _opaque(self, node: fx.Node) -> Form:
        """Nonlinear, or not known: nothing may be scaled."""
        if str(packet(node)) in MADE:
            return {}
        if holds_floats(node) or isinstance(node.meta.get("val"), tuple | list):
            for source in _every(node):
                if source in self.moving and holds_floats(source):
                    self._zero(self.forms[source], node)
        return {}


def _weights(node: fx.Node) -> list[tuple[fx.Node, bool]]:
    """What a recurrent kernel contracts or adds, and whether with what is put in."""
    lists = [
        [n for n in a if isinstance(n, fx.Node)] for a in node.args if isinstance(a, list | tuple)
    ]
    if not any(len(group) > 1 for group in lists):
        own = [n for n in node.args[2:] if isinstance(n, fx.Node)]
        return [(n, i == 0) for i, n in enumerate(own)]
    weights = lists[-1]
    flags = [a for a in node.args if isinstance(a, bool)]
    each = 4 if flags and flags[0] else 2
    directions = 2 if len(flags) > 2 and flags[2] else 1
    return [(n, i % each == 0 and i < each * directions) for i, n in enumerate(weights)]


def _taken(site: Expected) -> Form:
    return {ONE: -site.ratio, f"{SITE}{site.name}": -1.0}


def _every(node: fx.Node) -> Iterator[fx.Node]:
    """All operands, in order."""
    found: list[fx.Node] = []
    fx.map_arg((node.args, node.kwargs), found.append)
    yield from dict.fromkeys(found)


def _operands(node: fx.Node, place: int) -> list[fx.Node]:
    found = node.args[place] if place < len(node.args) else None
    every = found if isinstance(found, list | tuple) else [found]
    return [n for n in every if isinstance(n, fx.Node)]


def _is_mask(node: fx.Node) -> bool:
    """Whether a constant is made of comparisons: what is added to attention's logits."""
    seen, queue = {node}, [node]
    while queue:
        current = queue.pop()
        if not holds_floats(current):
            return True
        fresh = [n for n in current.all_input_nodes if n not in seen]
        seen.update(fresh)
        queue += fresh
    return False


def _alpha(node: fx.Node) -> float | None:
    given = node.kwargs.get("alpha")
    return float(given) if isinstance(given, int | float) else None


def _own_scale(node: fx.Node) -> float:
    given = node.kwargs.get("scale")
    if isinstance(given, int | float):
        return float(given)
    size = (shape_of(cast("fx.Node", node.args[0])) or (1,))[-1]
    return 1 / sqrt(size)


_RULES: tuple[tuple[Container[object], Callable[[_Walk, fx.Node], Form]], ...] = (
    (KEEPING | PARTIAL | POOLING | HOMOGENEOUS | GATHERING | ZEROS, _Walk._keep),
    (SUMS | DIFFERENCES, _Walk._sum),
    (JOINS, _Walk._join),
    (MASKING, _Walk._choice),
    (SCATTERING.keys(), _Walk._scatter),
    (NORMS, _Walk._norm),
    (SCALING, _Walk._product),
    (BILINEAR.keys(), _Walk._bilinear),
    (FUSED_ATTENTION, _Walk._attention),
    (RECURRENT, _Walk._recurrent),
)
