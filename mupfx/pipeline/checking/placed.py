"""Evidence on sites, and on constants in the code outside them."""

import math
from collections.abc import Iterator, Mapping

from mupfx.core.evidence import ConstantEvidence, SiteEvidence
from mupfx.core.program import source_place
from mupfx.passes.scalars import FAULT, SITE
from mupfx.pipeline.checking.analysed import Analysed
from mupfx.pipeline.checking.parameters import CLOSE, constants_of
from mupfx.pipeline.checking.subject import Subject


def site_evidence(subject: Subject, gauge: Mapping[str, float]) -> Iterator[SiteEvidence]:
    """Every site, with what is off once weights that make up for it are counted."""
    last = subject.last
    differing = {constant.node for constant in last.scales.constants}
    for wanted in last.sites:
        site = wanted.site
        over = gauge.get(f"{SITE}{wanted.unknown}", 0.0)
        expected = None if wanted.expected is None else _log(wanted.expected, last.ratio)
        found = _log(wanted.found * wanted.hook, last.ratio)
        mine = [n for n in (*site.constants, site.node) if n in differing]
        measured = found if expected is None else expected + over
        carried = abs(over) < CLOSE < abs(found - measured)
        yield SiteEvidence(
            name=site.name,
            kind=site.kind,
            node=site.node,
            place=source_place(subject.nodes[mine[0] if len(mine) == 1 else site.node]),
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
        if abs(gauge.get(name, 0.0)) > CLOSE:
            yield name


def _log(value: float, ratio: float) -> float:
    return math.log(value) / math.log(ratio)


def constant_evidence(subject: Subject, gauge: Mapping[str, float]) -> Iterator[ConstantEvidence]:
    """Every constant that differs between sizes and that no site counts."""
    last = subject.last
    counted = {n for w in last.sites for n in (*w.site.constants, w.site.node)}
    moved = {name: gauge.get(name, 0.0) for name in last.rows}
    carried = {n: set(constants_of(subject, n, power)) for n, power in moved.items() if power}
    for constant in last.scales.constants:
        if constant.node in counted:
            continue
        power = constant.ratio / math.log(last.ratio)
        over = gauge.get(f"{FAULT}{constant.node}", 0.0)
        near = [name for name, nodes in carried.items() if constant.node in nodes]
        yield ConstantEvidence(
            node=constant.node,
            place=source_place(subject.nodes[constant.node]),
            values=tuple(r**power for r in subject.ratios),
            exponent=power,
            carried=tuple(near),
            vanishes=not near and abs(over) < CLOSE,
            over=over,
        )
