"""What a check found, as the page shows it: verdict, findings, slopes, numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from mupfx.core.report import Report
from mupfx.core.rule import Rule
from mupfx.render.check import html
from mupfx.render.page.coordinates import Overview, overviews


@dataclass(frozen=True, slots=True)
class Checked:
    """One check."""

    report: Report
    contents: html.Contents
    """What the check's own page holds."""
    overviews: tuple[Overview, ...]
    marks: Mapping[str, str]
    """By parameter: codes of what was found, or ``pass``."""


def checked(report: Report, rules: Mapping[str, Rule], roles: Mapping[str, str]) -> Checked:
    """Work out what the template writes."""
    return Checked(report, html.contents(report, rules), overviews(report, roles), _marks(report))


def _marks(report: Report) -> dict[str, str]:
    judged = [quantity.parameter for quantity in report.quantities]
    judged += [slope.parameter for slope in report.slopes]
    marks = dict.fromkeys(judged, "pass")
    for finding in report.findings:
        if finding.parameter is not None:
            known = marks.get(finding.parameter, "pass")
            codes = {finding.code} if known == "pass" else {finding.code, *known.split()}
            marks[finding.parameter] = " ".join(sorted(codes))
    return marks
