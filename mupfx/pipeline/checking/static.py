"""Static evidence: what a model and its optimizer say at several sizes, without a step of training.

The smallest size is the base. Every number is fitted to a power of the size and put into the
canonical gauge, where constants in the code are counted to the weights that they are multiplied
onto, in the way in which the fewest numbers are wrong.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.conversion import ATTRIBUTE
from mupfx.core.evidence import (
    DECAY,
    EPS,
    INIT,
    RATE,
    ConstantEvidence,
    Evidence,
    Measure,
    ParameterEvidence,
    SiteEvidence,
    UseEvidence,
    Values,
)
from mupfx.core.optimizer_family import Decay, OptimizerFamily
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.core.program import source_place
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.core.vocabulary import Status
from mupfx.errors import MupfxError
from mupfx.passes.scalars import FAULT, ONE, SITE
from mupfx.pipeline.analysis import Options
from mupfx.pipeline.checking.analysed import Analysed, analyse, chosen_sizes
from mupfx.pipeline.checking.exponents import error, exponent
from mupfx.pipeline.checking.gauging import Pull, find_gauge
from mupfx.pipeline.checking.gradients import gradients
from mupfx.pipeline.checking.readings import Entry, Reading, number, read

INIT_TOLERANCE = 0.1
RATE_TOLERANCE = 0.02
KEYS = {RATE: "lr", DECAY: "weight_decay", EPS: "eps"}


def static_evidence(
    setups: Mapping[Size, Sequence[Setup]],
    axis: str,
    table: Parametrization,
    options: Options | None = None,
) -> Evidence:
    """Read what there is to read along one axis; what analysis refuses is said, never raised.

    Args:
        setups: By size, one a seed; they are read and left as they are.
        axis: ``width`` or ``depth``: what these sizes differ in.
        table: The parametrization that they should follow.
        options: What the user says about growth.
    """
    ordered = sorted(setups, key=lambda size: size.along(axis))
    sizes = chosen_sizes(ordered)
    base = setups[sizes[0]][0]
    readings = [read(setups[size]) for size in sizes]
    try:
        found = [
            analyse(base, setups[size][0], axis, table, options or Options()) for size in sizes[1:]
        ]
    except MupfxError as refused:
        return _refused(axis, sizes, table, readings, refused)
    largest = setups[sizes[-1]][0]
    subject = _Subject(axis, sizes, table, tuple(readings), tuple(found))
    return _evidence(subject, gradients(largest), converted=_is_converted(largest))


def _refused(
    axis: str,
    sizes: tuple[Size, ...],
    table: Parametrization,
    readings: Sequence[Reading],
    refused: MupfxError,
) -> Evidence:
    return Evidence(
        axis, sizes, table.name, {}, optimizers=readings[-1].optimizers, refused=str(refused)
    )


def _is_converted(setup: Setup) -> bool:
    return any(ATTRIBUTE in module.__dict__ for module in setup.model.modules())


@dataclass(frozen=True)
class _Subject:
    """All sizes, read and analysed."""

    axis: str
    sizes: tuple[Size, ...]
    table: Parametrization
    readings: tuple[Reading, ...]
    found: tuple[Analysed, ...]

    @property
    def last(self) -> Analysed:
        return self.found[-1]

    @property
    def ratios(self) -> Values:
        return (1.0, *(a.ratio for a in self.found))

    def names(self, name: str) -> list[str | None]:
        """What every size calls a parameter of the largest."""
        base = self.last.base_names.get(name)
        return [base, *(_counterpart(a, name, base) for a in self.found)]

    def judged(self, name: str) -> bool:
        """Whether the table says anything of it along this axis."""
        inside = self.last.rows[name].branch is not None
        return self.axis == "width" or self.table.depth is not None or not inside


def _counterpart(found: Analysed, name: str, base: str | None) -> str | None:
    """The same parameter at another size; in another depth one with the same twin."""
    if name in found.rows:
        return name
    return next((mine for mine, theirs in found.base_names.items() if theirs == base), None)


def _evidence(subject: _Subject, taken: Mapping[str, float], *, converted: bool) -> Evidence:
    last = subject.last
    numbers = {name: _numbers(subject, name) for name in last.rows}
    pulls = [_pull(subject, name, found) for name, found in numbers.items() if subject.judged(name)]
    unsaid = frozenset(w.unknown for w in last.sites if w.expected is None)
    gauge = find_gauge(last.scales, pulls, unsaid, math.log(last.ratio))
    parameters = {
        name: _parameter(subject, name, found, gauge, taken) for name, found in numbers.items()
    }
    return Evidence(
        axis=subject.axis,
        sizes=subject.sizes,
        parametrization=subject.table.name,
        parameters=parameters,
        sites=tuple(_sites(subject, gauge)),
        constants=tuple(_constants(subject, gauge)),
        optimizers=subject.readings[-1].optimizers,
        depth_rule=subject.table.depth is not None,
        unreached=last.analysis.unreached,
        unjudged=dict(_unjudged(subject)),
        said=last.analysis.findings,
        converted=converted,
    )


def _unjudged(subject: _Subject) -> Iterator[tuple[str, str]]:
    uneven = {u.where: str(u) for a in subject.found for u in a.analysis.uneven}
    for name, role in subject.last.analysis.roles.items():
        if role.status is Status.UNKNOWN:
            yield name, "it is used in roles that ask for different numbers"
        elif name in uneven:
            yield name, uneven[name]
        elif None in subject.names(name):
            yield name, "the smallest size has no such parameter"
        elif not subject.judged(name):
            yield name, f"{subject.table.name!r} says nothing of depth inside residual branches"


@dataclass(frozen=True)
class _Numbers:
    """What was read of one parameter, and what the table says, all as exponents."""

    entry: Entry | None
    stored: Mapping[str, tuple[float | None, ...]]
    expected: Mapping[str, float | None]
    errors: Mapping[str, float]

    def written(self, subject: _Subject, quantity: str) -> float | None:
        return exponent(subject.ratios, self.stored.get(quantity, ()) or (None,) * 9)


def _numbers(subject: _Subject, name: str) -> _Numbers:
    names = subject.names(name)
    spreads = [
        r.spreads.get(n) if n else None for r, n in zip(subject.readings, names, strict=True)
    ]
    entries = [
        next(iter(r.entries.get(n, ())), None) if n else None
        for r, n in zip(subject.readings, names, strict=True)
    ]
    stored: dict[str, tuple[float | None, ...]] = {
        INIT: tuple(s.rms if s else None for s in spreads)
    }
    for quantity, key in KEYS.items():
        stored[quantity] = tuple(number(e.settings, key) if e else None for e in entries)
    found = error(subject.ratios, [s.error if s else 0.0 for s in spreads])
    expected = {q: exponent(subject.ratios, _expected(subject, names, entries, q)) for q in stored}
    if not subject.judged(name):
        expected = dict.fromkeys(expected)
    return _Numbers(entries[-1], stored, expected, {INIT: found})


def _expected(
    subject: _Subject, names: Sequence[str | None], entries: Sequence[Entry | None], quantity: str
) -> list[float | None]:
    """What the table makes of a number at every size, in the canonical gauge."""
    found: list[float | None] = [1.0]
    for analysed, name, entry in zip(subject.found, names[1:], entries[1:], strict=True):
        row = analysed.rows.get(name or "")
        found.append(None if row is None else _of_row(row, entry, quantity, subject.table))
    return found


def _of_row(
    row: ParameterPlan, entry: Entry | None, quantity: str, table: Parametrization
) -> float | None:
    if quantity == INIT:
        return None if table.own_init else row.init.power.value(row.symbols)
    if entry is None or entry.family is None:
        return None
    factor = entry.family.factors(row, entry.settings).get(KEYS[quantity])
    return None if factor is None else factor[0]


def _pull(subject: _Subject, name: str, found: _Numbers) -> Pull:
    """What the numbers of one parameter say of its multiplier."""
    role = subject.last.analysis.roles[name]
    init = _difference(found.expected[INIT], found.written(subject, INIT))
    bias = role.companion is not None
    if init is not None and bias and init > 0:
        init = None
    rate, family = found.written(subject, RATE), found.entry.family if found.entry else None
    speed = None
    if family is not None and family.lr.gauge and rate is not None:
        difference = _difference(rate, found.expected[RATE])
        speed = None if difference is None else difference / float(family.lr.gauge)
    if init is not None:
        init = _snapped(init, speed, max(INIT_TOLERANCE, 4 * found.errors[INIT]))
    return Pull(name, role.role, init, speed)


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _snapped(init: float, speed: float | None, tolerance: float) -> float:
    """A measured exponent as the one that the rate says, or a simple fraction, if it is near."""
    if speed is not None and abs(init - speed) <= tolerance:
        return speed
    fraction = round(init * 4) / 4
    return fraction if abs(init - fraction) <= tolerance else init


def _parameter(
    subject: _Subject,
    name: str,
    found: _Numbers,
    gauge: Mapping[str, float],
    taken: Mapping[str, float],
) -> ParameterEvidence:
    analysis, row = subject.last.analysis, subject.last.rows[name]
    role, power = analysis.roles[name], gauge.get(name, 0.0)
    family = found.entry.family if found.entry else None
    reading = subject.readings[-1]
    uses = tuple(_uses(subject, name, gauge))
    return ParameterEvidence(
        name=name,
        role=role.role,
        shape=role.shape,
        fan_in=_each(subject, name, "fan_in_ratio"),
        fan_out=_each(subject, name, "fan_out_ratio"),
        branch=row.branch,
        depth=_each(subject, name, "depth_ratio"),
        tied_to=role.tied_to,
        tied_readout=role.tied_readout,
        embedding=any(use.index for _, use in role.uses),
        companion=role.companion,
        place=next((use.place for use in uses if use.place), None),
        why=role.why,
        family=family.name if family else None,
        rate_gauge=_moved(RATE, family),
        adjusts=family is not None and family.adjusts is not None,
        coupled=family is not None and family.decay is Decay.COUPLED,
        trained=reading.trained.get(name, False),
        in_optimizer=len(reading.entries.get(name, ())),
        multiplier=tuple(r**power for r in subject.ratios),
        multiplier_exponent=power,
        constants=tuple(_constants_of(subject, name, power)),
        free=name in subject.last.scales.free,
        measures={q: _measure(subject, found, q, power, family) for q in found.stored},
        uses=uses,
        gradient=taken.get(name),
        expected_init=found.expected[INIT],
        default_decay=found.entry.default_decay if found.entry else None,
    )


def _each(subject: _Subject, name: str, ratio: str) -> Values:
    names = subject.names(name)[1:]
    rows = (a.rows.get(n or name) for a, n in zip(subject.found, names, strict=True))
    return (1.0, *(1.0 if row is None else float(getattr(row, ratio)) for row in rows))


def _measure(
    subject: _Subject,
    found: _Numbers,
    quantity: str,
    power: float,
    family: OptimizerFamily | None,
) -> Measure:
    stored = found.stored[quantity]
    moved = _moved(quantity, family)
    known = tuple(math.nan if v is None else v for v in stored)
    effective = tuple(v * r ** (-moved * power) for v, r in zip(known, subject.ratios, strict=True))
    written = exponent(subject.ratios, stored)
    return Measure(
        stored=known,
        effective=effective,
        measured=None if written is None else written - moved * power,
        expected=found.expected[quantity],
        written=written,
        error=found.errors.get(quantity, 0.0),
    )


def _moved(quantity: str, family: OptimizerFamily | None) -> float:
    """The power of a growing multiplier that a stored number follows."""
    if quantity == INIT:
        return -1.0
    key = KEYS[quantity]
    known = family is not None and (key in ("lr", "weight_decay") or key in family.others)
    return float(family.moved(key)) if family is not None and known else 0.0


def _uses(subject: _Subject, name: str, gauge: Mapping[str, float]) -> Iterator[UseEvidence]:
    last = subject.last
    role, row = last.analysis.roles[name], last.rows[name]
    nodes = {node.name: node for node in last.analysis.program.graph.nodes}
    order = {node: i for i, node in enumerate(nodes)}
    for kind, use in sorted(role.uses, key=lambda u: order.get(u[1].node, -1)):
        node = nodes.get(use.node)
        if node is None:
            continue
        ratios = last.analysis.ratios
        inside = ratios.of_axes(role.axes, use.fan_in) if ratios and use.fan_in else 1
        rate = row.scales.lr_adam.value(row.symbols) * float(inside)
        power = -_scale(last.scales.forms.get(use.node, {}), gauge, math.log(last.ratio))
        yield UseEvidence(
            node=use.node,
            role=kind,
            update=tuple(rate ** _part(r, last.ratio) for r in subject.ratios),
            after=tuple(r**power for r in subject.ratios),
            place=source_place(node),
        )


def _part(ratio: float, largest: float) -> float:
    return math.log(ratio) / math.log(largest)


def _scale(form: Mapping[str, float], gauge: Mapping[str, float], size: float) -> float:
    """The exponent of what a value is over what it is in the canonical gauge."""
    return sum(v / size if n == ONE else v * gauge.get(n, 0.0) for n, v in form.items())


def _constants_of(subject: _Subject, name: str, power: float) -> Iterator[str]:
    """Constants in the code near a weight with a multiplier."""
    if abs(power) < RATE_TOLERANCE:
        return
    scales = subject.last.scales
    nodes = {node.name: node for node in subject.last.analysis.program.graph.nodes}
    used = {use.node for _, use in subject.last.analysis.roles[name].uses}
    for constant in scales.constants:
        form = scales.forms.get(constant.node, {})
        reads = {user.name for user in nodes[constant.node].users}
        if name in form or reads & used:
            yield constant.node


def _sites(subject: _Subject, gauge: Mapping[str, float]) -> Iterator[SiteEvidence]:
    last = subject.last
    nodes = {node.name: node for node in last.analysis.program.graph.nodes}
    differing = {constant.node for constant in last.scales.constants}
    for wanted in last.sites:
        site = wanted.site
        over = gauge.get(f"{SITE}{wanted.unknown}", 0.0)
        expected = None if wanted.expected is None else _log(wanted.expected, last.ratio)
        found = _log(wanted.found * wanted.hook, last.ratio)
        mine = [n for n in (*site.constants, site.node) if n in differing]
        measured = found if expected is None else expected + over
        carried = expected is not None and abs(found - measured) > RATE_TOLERANCE
        yield SiteEvidence(
            name=site.name,
            kind=site.kind,
            node=site.node,
            place=source_place(nodes[mine[0] if len(mine) == 1 else site.node]),
            values=tuple(r**measured for r in subject.ratios),
            measured=measured,
            expected=expected,
            carried=tuple(_carriers(gauge, last, site.node)) if carried else (),
            parameter=site.parameter,
        )


def _carriers(gauge: Mapping[str, float], last: Analysed, node: str) -> Iterator[str]:
    form = last.scales.forms.get(node, {})
    names = {n for row in last.scales.rows if row.node == node for n in row.form} | set(form)
    for name in sorted(names & set(last.rows)):
        if abs(gauge.get(name, 0.0)) > RATE_TOLERANCE:
            yield name


def _log(value: float, ratio: float) -> float:
    return math.log(value) / math.log(ratio)


def _constants(subject: _Subject, gauge: Mapping[str, float]) -> Iterator[ConstantEvidence]:
    last = subject.last
    nodes = {node.name: node for node in last.analysis.program.graph.nodes}
    counted = {n for w in last.sites for n in w.site.constants}
    for constant in last.scales.constants:
        if constant.node in counted:
            continue
        power = constant.ratio / math.log(last.ratio)
        over = gauge.get(f"{FAULT}{constant.node}", 0.0)
        near = [
            name
            for name in last.rows
            if constant.node in _constants_of(subject, name, gauge.get(name, 0.0))
        ]
        yield ConstantEvidence(
            node=constant.node,
            place=source_place(nodes[constant.node]),
            values=tuple(r**power for r in subject.ratios),
            exponent=power,
            carried=tuple(near),
            vanishes=not near and abs(over) < RATE_TOLERANCE,
        )
