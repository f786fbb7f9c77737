"""Findings on a site: a multiplier that belongs to no single weight."""

from mupfx.checks.faults import goes, spelled
from mupfx.core.evidence import Evidence, SiteEvidence
from mupfx.core.finding import Finding


def site_finding(  # noqa: PLR0913, PLR0917 - the parts of a sentence
    evidence: Evidence, code: str, site: SiteEvidence, what: str, name: str, hint: str
) -> Finding:
    """What is multiplied by what, and what it should be."""
    measured, expected = site.measured or 0.0, site.expected or 0.0
    over = spelled(measured - expected)
    return Finding(
        code=code,
        parameter=name,
        message=(
            f"{what} by a factor that {goes(measured, evidence.axis)[0]}, and should "
            f"{goes(expected, evidence.axis)[1]}; it is off by n^{over}"
        ),
        measured=round(measured, 3) + 0.0,
        expected=round(expected, 3) + 0.0,
        place=site.place,
        hint=hint,
        axis=evidence.axis,
    )
