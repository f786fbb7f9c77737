"""All rules on what was seen in training; each knows what those before it found."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mupfx.checks import (
    mup013_schedule,
    mup014_clipping,
    mup015_untrained,
    mup017_updates,
    mup018_not_finite,
)
from mupfx.core.finding import Finding
from mupfx.core.trained import Trained

RULES: tuple[Callable[[Trained], Iterator[Finding]], ...] = (
    mup013_schedule.judge,
    mup014_clipping.judge,
    mup015_untrained.judge_training,
    mup018_not_finite.judge,
    mup017_updates.judge,
)


def standing(trained: Trained) -> tuple[Finding, ...]:
    """What was found before, without rates that an optimizer sets right in its steps."""
    right = frozenset(mup013_schedule.set_right(trained)) if trained.runs else frozenset()
    return tuple(
        f for f in trained.before if f.parameter not in right or "learning rate" not in f.message
    )


def dynamic_findings(trained: Trained) -> tuple[Finding, ...]:
    """What is wrong with how models train."""
    found: tuple[Finding, ...] = ()
    for rule in RULES if trained.runs else ():
        found += tuple(rule(replace(trained, before=trained.before + found)))
    return found
