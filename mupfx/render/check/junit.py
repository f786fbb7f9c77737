"""A report as JUnit XML: a test case a finding, a quiet rule, and a statistic of training.

``<testcase classname="model.py:build" name="MUP003 head.weight"><failure message="..."/>``
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mupfx.core.finding import Finding, Level
from mupfx.core.report import Report, Slope, Verdict
from mupfx.core.rule import Rule
from mupfx.render.check.places import relative
from mupfx.render.check.words import comparison, mean, power

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML has no form for."""


def junit(report: Report, rules: Mapping[str, Rule], root: PurePath) -> str:
    """The text of an XML file; what stayed undecided is a skipped test."""
    cases = tuple(_cases(report, rules, root))
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": "0",
        "time": "0",
    }
    skipped = {"skipped": str(sum(case.find("skipped") is not None for case in cases))}
    suites = Element("testsuites", counts)
    name = {"name": _clean(f"mupfx {report.target}")}
    suite = SubElement(suites, "testsuite", name | counts | skipped)
    suite.extend(cases)
    indent(suites)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(suites, "unicode")}\n'


def _cases(report: Report, rules: Mapping[str, Rule], root: PurePath) -> Iterator[Element]:
    for code, rule in rules.items():
        found = [finding for finding in report.findings if finding.code == code]
        if not found:
            yield _case(report, f"{code} {rule.title}")
        yield from (_finding_case(report, finding, root) for finding in found)
    for finding in report.findings:
        if finding.code not in rules:
            yield _finding_case(report, finding, root)
    yield from (_slope_case(report, slope) for slope in report.slopes if slope.judged)


def _case(report: Report, name: str) -> Element:
    attributes = {"classname": _clean(report.target), "name": _clean(name), "time": "0"}
    return Element("testcase", attributes)


def _finding_case(report: Report, finding: Finding, root: PurePath) -> Element:
    axis = f"along {finding.axis}" if len(report.sizes) > 1 else ""
    words = (finding.code, finding.parameter, axis)
    case = _case(report, " ".join(word for word in words if word))
    place = finding.place
    if place is not None:
        case.set("file", _clean(relative(place.path, root)))
        case.set("line", str(place.line))
    body = "\n".join(part for part in (comparison(finding), finding.hint) if part)
    if finding.level is Level.ERROR:
        failure = SubElement(case, "failure", {"type": finding.code})
        failure.set("message", _clean(finding.message))
        failure.text = _clean(body)
    else:
        said = SubElement(case, "system-out")
        said.text = _clean(f"{finding.level}: {finding.message}\n{body}".strip())
    return case


def _slope_case(report: Report, slope: Slope) -> Element:
    name = f"{slope.statistic} of {slope.parameter} use {slope.use} along {slope.axis}"
    case = _case(report, name)
    low, high = slope.interval
    said = (
        f"grows as {power(mean(slope), slope.axis)} ({low:.2f} to {high:.2f}), "
        f"expected {power(slope.expected, slope.axis)}"
    )
    match slope.verdict:
        case Verdict.FAIL:
            SubElement(case, "failure", {"type": "slope", "message": _clean(said)})
        case Verdict.INCONCLUSIVE:
            SubElement(case, "skipped", {"message": _clean(f"inconclusive: {said}")})
        case Verdict.PASS:
            pass
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
