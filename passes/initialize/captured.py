"""Laws that a factory was seen to ask for: what they are worth against those of its base.

``nn.Linear(64, 8)`` at the base and ``nn.Linear(256, 8)`` here were drawn from U(-1/8, 1/8) and
U(-1/16, 1/16): the std at the base is exactly twice the one here, whatever the law's name.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mupfx.core.drawn import Drawn, Shape
from mupfx.core.init_law import Distribution, Fan, Law
from mupfx.passes.initialize.fit import Fit
from mupfx.passes.initialize.sample import Sample
from mupfx.tables.init_laws import SHAPES

EXACT = 2**40
"""Elements whose moments leave nothing open."""
SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Captured:
    """The law of a parameter here, and at the base where that is known too."""

    here: Drawn
    base: Drawn | None = None


def captured_fit(captured: Captured) -> Fit | None:
    """The law with its exact growth; None where one factor does not lead from one to the other."""
    here, base = captured.here, captured.base
    if base is None or not (here.known and base.known) or len(here.parts) != len(base.parts):
        return None
    growths = list(_growths(here, base))
    if not all(math.isclose(growth, growths[0], rel_tol=SAME) for growth in growths):
        return None
    growth = growths[0] if growths else 1.0
    std = here.std or 0.0
    return Fit(Law(_name(here), _distribution(here), Fan.ONE, std), std, growth, 0.0, 0.0)


def clash(captured: Captured) -> str:
    """What the base has instead of the same law; empty where it is, or nobody knows."""
    here, base = captured.here, captured.base
    if base is None or not (here.known and base.known) or captured_fit(captured) is not None:
        return ""
    return f"{here} ({here.source}), but {base} at the base"


def sentence(captured: Captured) -> str:
    """The sentence for the plan."""
    here, base = captured.here, captured.base
    there = "" if base is None or str(base) == str(here) else f", {base} at the base"
    return f"init: {here}{there} (by {here.function or here.shape}, {here.source})"


def exact_sample(here: Drawn) -> Sample | None:
    """What measuring endless values of a law would give; None where shapes tell more."""
    if here.shape is Shape.CONSTANT and not here.parts:
        value = here.location
        return Sample(EXACT, value, 0.0, 1.0, abs(value), 0.0, fill=value)
    if not here.std or here.shape is Shape.DIRAC:
        return None
    if here.shape in {Shape.ORTHOGONAL, Shape.EYE}:
        return Sample(EXACT, 0.0, here.std, 3.0, math.inf, 0.0, orthogonal=True)
    if here.shape is Shape.SPARSE:  # by what is not zero
        here = replace(here, shape=Shape.NORMAL)
    shape = SHAPES.get(_distribution(here))
    if here.std is None or shape is None or here.mean:
        return Sample(EXACT, here.mean, here.std or 0.0, math.nan, math.inf, 0.0)
    peak = min(shape.edge, 6.0) * here.std
    return Sample(EXACT, 0.0, here.std, shape.kurtosis, peak, 0.0)


def _growths(here: Drawn, base: Drawn) -> Iterator[float]:
    """Every factor that would have to be the same; not a number where there is none."""
    if base.shape is not here.shape:
        yield math.nan
    elif here.std and base.std:
        growth = base.std / here.std
        yield growth if math.isclose(here.mean * growth, base.mean, abs_tol=SAME) else math.nan
    elif here.location or base.location:
        yield base.location / here.location if here.location else math.nan
    pairs = zip(here.parts, base.parts, strict=True)
    for (_, mine), (_, theirs) in pairs:
        yield from _growths(mine, theirs)


def _name(here: Drawn) -> str:
    if here.shape is not Shape.CONSTANT or here.parts:
        return here.function or str(here.shape)
    return "fill" if here.location else "zeros"


def _distribution(here: Drawn) -> Distribution:
    plain = {
        Shape.NORMAL: Distribution.NORMAL,
        Shape.UNIFORM: Distribution.UNIFORM,
        Shape.CONSTANT: Distribution.FILL,
        Shape.ORTHOGONAL: Distribution.ORTHOGONAL,
    }
    if here.shape is Shape.TRUNCATED:
        cuts = {(-2.0, 2.0): Distribution.TRUNCATED, (-3.0, 3.0): Distribution.TRUNCATED_3}
        return cuts.get((round(here.low, 6), round(here.high, 6)), Distribution.OTHER)
    return plain.get(here.shape, Distribution.OTHER)
