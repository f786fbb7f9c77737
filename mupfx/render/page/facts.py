"""What a page may be made of: an analysis, a plan, or both; and results of later runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mupfx.core.analysis import Analysis
from mupfx.core.observed import Exponent, Row
from mupfx.core.plan import Plan
from mupfx.core.report import Report
from mupfx.core.rule import Rule
from mupfx.core.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of one model."""

    title: str
    analysis: Analysis | None = None
    plan: Plan | None = None
    check: Report | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Of checks, by code."""
    transfer: Transfer | None = None
    observed: tuple[Row, ...] = ()
    exponents: tuple[Exponent, ...] = ()
    """Of what was observed."""
    every_layer: bool = False
    """Each layer its own row and box, not one of a kind."""
