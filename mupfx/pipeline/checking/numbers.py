"""Numbers of one parameter as exponents: what was read, and what the table says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.evidence import DECAY, EPS, INIT, RATE
from mupfx.core.optimizer_family import OptimizerFamily
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.pipeline.checking.exponents import error, exponent
from mupfx.pipeline.checking.gauging import Pull
from mupfx.pipeline.checking.readings import Entry, number
from mupfx.pipeline.checking.subject import Subject

INIT_TOLERANCE = 0.1
"""How far a measured exponent may be from a simple one and be it."""
KEYS = {RATE: "lr", DECAY: "weight_decay", EPS: "eps"}


@dataclass(frozen=True)
class Numbers:
    """What was read of one parameter, and what the table says, all as exponents."""

    entry: Entry | None
    stored: Mapping[str, tuple[float | None, ...]]
    expected: Mapping[str, float | None]
    errors: Mapping[str, float]

    def written(self, subject: Subject, quantity: str) -> float | None:
        """The exponent of a number as it was read."""
        return exponent(subject.ratios, self.stored.get(quantity, ()) or (None,) * 9)


def numbers_of(subject: Subject, name: str) -> Numbers:
    """Read one parameter of the largest size, and what it is at the others."""
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
    expected = _by_the_table(subject, names, entries, stored)
    if not subject.judged(name):
        expected = dict.fromkeys(expected)
    return Numbers(entries[-1], stored, expected, {INIT: found})


def _by_the_table(
    subject: Subject,
    names: Sequence[str | None],
    entries: Sequence[Entry | None],
    stored: Mapping[str, Sequence[float | None]],
) -> dict[str, float | None]:
    """What was meant: of ``width + 3`` all may count, or the width alone."""
    given = (subject, names, entries)
    found = {q: exponent(subject.ratios, _expected(*given, q)) for q in stored}
    if all(a.wide is a.rows for a in subject.found):
        return found
    wide = {q: exponent(subject.ratios, _expected(*given, q, wide=True)) for q in stored}
    meant = {
        q: _is_nearer(exponent(subject.ratios, stored[q]), wide[q], found[q]) for q in (INIT, RATE)
    }
    return {q: wide[q] if meant[INIT if q == INIT else RATE] else found[q] for q in stored}


def _is_nearer(written: float | None, one: float | None, other: float | None) -> bool:
    """Whether a number is nearer to one exponent than to another, but for a gauge or a fault."""
    if written is None or one is None or other is None:
        return False
    off = [abs(2 * (written - each) - round(2 * (written - each))) for each in (one, other)]
    return off[0] < off[1]


def _expected(
    subject: Subject,
    names: Sequence[str | None],
    entries: Sequence[Entry | None],
    quantity: str,
    *,
    wide: bool = False,
) -> list[float | None]:
    """What the table makes of a number at every size, in the canonical gauge."""
    found: list[float | None] = [1.0]
    for analysed, name, entry in zip(subject.found, names[1:], entries[1:], strict=True):
        row = (analysed.wide if wide else analysed.rows).get(name or "")
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


def pull_of(subject: Subject, name: str, found: Numbers) -> Pull:
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


def moved(quantity: str, family: OptimizerFamily | None) -> float:
    """The power of a growing multiplier that a stored number follows."""
    if quantity == INIT:
        return -1.0
    key = KEYS[quantity]
    known = family is not None and (key in ("lr", "weight_decay") or key in family.others)
    return float(family.moved(key)) if family is not None and known else 0.0
