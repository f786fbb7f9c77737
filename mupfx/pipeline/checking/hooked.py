"""Multipliers that mupfx keeps in hooks: read from the plan, and out of the way of capture.

A hook is there at sizes whose multiplier is not one, so that graphs with and without do not line
up; what it does is known without a graph.
"""

from collections.abc import Mapping

from torch import nn

from mupfx.passes.multipliers import installed
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
