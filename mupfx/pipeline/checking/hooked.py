"""Multipliers that mupfx keeps in hooks: read from the plan, and out of the way of capture.

A hook is there at sizes whose multiplier is not one, so that graphs with and without do not line
up; what it does is known without a graph.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn

from mupfx.passes.multipliers import installed, remove
from mupfx.pipeline.lowering import conversions


def multipliers(model: nn.Module) -> dict[str, float]:
    """By site, what hooks that are there multiply it by."""
    found: dict[str, float] = {}
    for module, conversion in conversions(model):
        present = {str(plan) for plan in installed(module)}
        for name, site in conversion.plan.sites.items():
            if site.lowering == "hook" and present.issuperset(site.target):
                found[name] = site.multiplier
    return found


def over(here: Mapping[str, float], there: Mapping[str, float], site: str) -> float:
    """A site's multiplier over the base's."""
    return here.get(site, 1.0) / there.get(site, 1.0)


@contextmanager
def unhooked(*models: nn.Module) -> Iterator[None]:
    """While open, models are without mupfx's hooks."""
    kept = [
        (hooks, dict(hooks))
        for model in models
        for module in model.modules()
        for hooks in (module._forward_pre_hooks, module._forward_hooks)
    ]
    for model in models:
        remove(model)
    try:
        yield
    finally:
        for hooks, before in kept:
            hooks.clear()
            hooks.update(before)
