"""Evidence on one parameter."""

import math
from collections.abc import Iterator, Mapping

from mupfx.core.evidence import (
    INIT,
    RATE,
    Measure,
    ParameterEvidence,
    UseEvidence,
    Values,
)
from mupfx.core.optimizer_family import Decay, OptimizerFamily
from mupfx.core.program import source_place
from mupfx.passes.scalars import ONE
from mupfx.pipeline.checking.exponents import exponent
from mupfx.pipeline.checking.numbers import Numbers, moved
from mupfx.pipeline.checking.subject import Subject

CLOSE = 0.02
"""An exponent that is no larger is none."""


def parameter_evidence(
    subject: Subject,
    name: str,
    found: Numbers,
    gauge: Mapping[str, float],
    taken: Mapping[str, float],
) -> ParameterEvidence:
    """All that rules ask of one parameter.

    Args:
        subject: All sizes.
        name: What the largest calls it.
        found: Its numbers.
        gauge: Exponents of all multipliers.
        taken: Rms of gradients at the largest size.
    """
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
        rate_gauge=moved(RATE, family),
        adjusts=family is not None and family.adjusts is not None,
        coupled=family is not None and family.decay is Decay.COUPLED,
        trained=reading.trained.get(name, False),
        in_optimizer=len(reading.entries.get(name, ())),
        multiplier=tuple(r**power for r in subject.ratios),
        multiplier_exponent=power,
        constants=tuple(constants_of(subject, name, power)),
        free=name in subject.last.scales.free,
        measures={q: _measure(subject, found, q, power, family) for q in found.stored},
        uses=uses,
        gradient=taken.get(name),
        expected_init=found.expected[INIT],
        default_decay=found.entry.default_decay if found.entry else None,
    )


def _each(subject: Subject, name: str, ratio: str) -> Values:
    names = subject.names(name)[1:]
    rows = (a.rows.get(n or name) for a, n in zip(subject.found, names, strict=True))
    return (1.0, *(1.0 if row is None else float(getattr(row, ratio)) for row in rows))


def _measure(
    subject: Subject,
    found: Numbers,
    quantity: str,
    power: float,
    family: OptimizerFamily | None,
) -> Measure:
    stored = found.stored[quantity]
    power *= moved(quantity, family)
    known = tuple(math.nan if v is None else v for v in stored)
    effective = tuple(v * r**-power for v, r in zip(known, subject.ratios, strict=True))
    written = exponent(subject.ratios, stored)
    return Measure(
        stored=known,
        effective=effective,
        measured=None if written is None else written - power,
        expected=found.expected[quantity],
        written=written,
        error=found.errors.get(quantity, 0.0),
    )


def _uses(subject: Subject, name: str, gauge: Mapping[str, float]) -> Iterator[UseEvidence]:
    last = subject.last
    role, row = last.analysis.roles[name], last.rows[name]
    for kind, use in sorted(role.uses, key=lambda u: subject.order.get(u[1].node, -1)):
        node = subject.nodes.get(use.node)
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


def constants_of(subject: Subject, name: str, power: float) -> Iterator[str]:
    """Constants in the code near a weight with a multiplier."""
    if abs(power) < CLOSE:
        return
    scales = subject.last.scales
    used = {use.node for _, use in subject.last.analysis.roles[name].uses}
    for constant in scales.constants:
        form = scales.forms.get(constant.node, {})
        reads = {user.name for user in subject.nodes[constant.node].users}
        if name in form or reads & used:
            yield constant.node
