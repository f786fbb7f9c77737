"""Runs with slopes that are known: no model is trained."""

import math
import random
from collections.abc import Mapping, Sequence

from mupfx.core.report import Size
from mupfx.core.run import Gradient, Run, Seen, Use

WIDTHS = (64, 128, 256, 512)
SEEDS = (0, 1, 2)


def run(  # noqa: PLR0913 - a run has this many sides
    width: int,
    seed: int = 0,
    updates: Mapping[str, Seen] | None = None,
    *,
    given: Mapping[str, float] | None = None,
    rates: Sequence[Mapping[str, float]] = (),
    scheduled: Sequence[Mapping[str, float]] | None = None,
    gradients: Sequence[Mapping[str, Gradient]] = (),
    not_finite: str = "",
    schedules: tuple[str, ...] = (),
    pinned: tuple[str, ...] = (),
    floors: tuple[float, ...] = (),
) -> Run:
    found = {Use(name, 0, "mm"): seen for name, seen in (updates or {}).items()}
    return Run(
        size=Size(width),
        seed=seed,
        losses=(),
        updates=found,
        starts={},
        given=given or {},
        rates=tuple(rates),
        scheduled=tuple(rates if scheduled is None else scheduled),
        gradients=tuple(gradients),
        not_finite=not_finite,
        schedules=schedules,
        pinned=pinned,
        floors=floors,
    )


def drawn(
    slopes: Mapping[str, float],
    noise: float = 0.02,
    *,
    draw: random.Random | None = None,
    widths: Sequence[int] = WIDTHS,
    seeds: Sequence[int] = SEEDS,
) -> list[Run]:
    """Updates that follow given powers of the width, with independent noise on each."""
    source = draw or random.Random(0)
    return [
        run(
            width,
            seed,
            {
                name: Seen(0.01 * (width / 64) ** slope * math.exp(source.gauss(0, noise)), 1)
                for name, slope in slopes.items()
            },
        )
        for seed in seeds
        for width in widths
    ]
