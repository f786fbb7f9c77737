"""What a page may be made of: an analysis, a plan, or both; and results of later runs."""

from dataclasses import dataclass

from mupfx.core.analysis import Analysis
from mupfx.core.plan import Plan
from mupfx.core.report import Report


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of one model."""

    title: str
    analysis: Analysis | None = None
    plan: Plan | None = None
    check: Report | None = None
    every_layer: bool = False
    """Each layer its own row and box, not one of a kind."""
