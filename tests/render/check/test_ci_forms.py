"""What CI systems read: JUnit XML, SARIF 2.1.0, annotations of GitHub Actions."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.checks import rules
from mupfx.core.finding import Finding, Level, Place
from mupfx.core.report import Report
from mupfx.core.rule import SECTIONS, Rule
from mupfx.render.check.formats import Surroundings, render
from mupfx.render.check.github import annotations
from mupfx.render.check.places import root_of
from tests.render.check.reports import BY_NAME, FAILS, PASSES, READOUT, UNDECIDED

ROOT = Path("/home/me/project")
RULE = Rule(
    "MUP003", "the readout", dict.fromkeys(SECTIONS, "A text."), "mupfx.checks.mup003_readout"
)
BESIDE = Surroundings(ROOT, ROOT, {"MUP003": RULE, "MUP004": replace(RULE, code="MUP004")}, "0.1.0")


def xml(report: Report) -> ET.Element:
    return ET.fromstring(render(report, "junit", BESIDE))


def log(report: Report, beside: Surroundings = BESIDE) -> Any:
    return json.loads(render(report, "sarif", beside))


# ------------------------------------------------------------------------------------------ JUnit
def test_a_finding_fails_its_case_and_a_quiet_rule_passes() -> None:
    cases = {case.attrib["name"]: case for case in xml(FAILS).iter("testcase")}
    failure = cases["MUP003 head.weight"].find("failure")
    assert failure is not None
    assert failure.attrib["message"] == READOUT.message
    assert cases["MUP003 head.weight"].attrib["line"] == "51"
    assert cases["MUP003 head.weight"].attrib["file"] == "src/model one.py"
    assert len(cases["MUP004 the readout"]) == 0


@pytest.mark.parametrize("name", BY_NAME)
def test_counts_are_those_of_the_cases(name: str) -> None:
    root = xml(BY_NAME[name])
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    assert suite.attrib["tests"] == root.attrib["tests"] == str(len(cases))
    assert suite.attrib["failures"] == str(sum(case.find("failure") is not None for case in cases))
    assert suite.attrib["skipped"] == str(sum(case.find("skipped") is not None for case in cases))
    names = [case.attrib["name"] for case in cases]
    assert len(set(names)) == len(names)


def test_verdicts_are_outcomes_of_cases() -> None:
    assert xml(PASSES).find(".//failure") is None
    assert xml(PASSES).find(".//skipped") is None
    (skipped,) = xml(UNDECIDED).iter("skipped")
    assert skipped.attrib["message"].startswith("inconclusive: grows as n^")


def test_a_warning_does_not_fail_its_case() -> None:
    (case,) = (c for c in xml(FAILS).iter("testcase") if c.attrib["name"] == "MUP008 head.weight")
    assert case.find("failure") is None
    assert "weight decay" in (case.findtext("system-out") or "")


@given(st.text())
def test_any_message_is_xml(message: str) -> None:
    root = xml(replace(FAILS, findings=(replace(READOUT, message=message, hint=message),)))
    assert root.find(".//failure") is not None


# ------------------------------------------------------------------------------------------ SARIF
def test_a_log_is_as_the_standard_demands() -> None:
    for report in BY_NAME.values():
        check_log(log(report))


def test_rules_have_the_texts_that_explain_prints() -> None:
    found = log(FAILS, replace(BESIDE, rules=rules()))
    check_log(found)
    by_id = {rule["id"]: rule for rule in found["runs"][0]["tool"]["driver"]["rules"]}
    assert set(rules()) <= set(by_id)
    for code, rule in rules().items():
        assert rule.sections["Fix"] in by_id[code]["help"]["markdown"]


def test_a_result_is_at_its_line() -> None:
    (result,) = (r for r in log(FAILS)["runs"][0]["results"] if r["ruleId"] == "MUP003")
    (location,) = result["locations"]
    place = location["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "src/model%20one.py", "uriBaseId": "%SRCROOT%"}
    assert place["region"]["startLine"] == 51
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "head.weight"
    assert result["level"] == "error"


def test_a_file_outside_the_repository_is_absolute() -> None:
    outside = replace(READOUT, place=Place("/opt/lib/layers.py", 7))
    (result,) = log(replace(FAILS, findings=(outside,)))["runs"][0]["results"]
    file = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert file == {"uri": "file:///opt/lib/layers.py"}


def test_fingerprints_outlive_lines_and_numbers() -> None:
    def prints(report: Report) -> list[str]:
        return [r["partialFingerprints"]["mupfx/v1"] for r in log(report)["runs"][0]["results"]]

    moved = replace(READOUT, place=Place("/elsewhere.py", 3), measured=-0.4, message="other words")
    other = replace(READOUT, parameter="tail.weight")
    first, second, third = (prints(replace(FAILS, findings=(f,))) for f in (READOUT, moved, other))
    assert first == second != third
    assert len(set(prints(FAILS))) == len(FAILS.findings)


Validator = Callable[[Any], None]


def check_log(data: Any) -> None:
    """The parts of the SARIF 2.1.0 schema that such logs touch: types, required keys, enums."""
    fields(data, {"version": equal("2.1.0"), "runs": each(check_run)}, {"$schema": of(str)})


def check_run(run: Any) -> None:
    known = {
        "results": each(check_result),
        "automationDetails": lambda d: fields(d, {}, {"id": of(str)}),
        "columnKind": among("utf16CodeUnits", "unicodeCodePoints"),
        "originalUriBaseIds": values(check_file),
        "invocations": each(lambda i: fields(i, {"executionSuccessful": of(bool)}, {})),
        "properties": of(dict),
    }
    fields(run, {"tool": lambda tool: fields(tool, {"driver": check_driver}, {})}, known)
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        for place in result.get("locations", ()):
            base = place.get("physicalLocation", {}).get("artifactLocation", {}).get("uriBaseId")
            assert base is None or base in run["originalUriBaseIds"]


def check_driver(driver: Any) -> None:
    semantic = matching(r"\d+\.\d+\.\d+.*")
    fields(driver, {"name": of(str)}, {"semanticVersion": semantic, "rules": each(check_rule)})


def check_rule(rule: Any) -> None:
    level = lambda d: fields(d, {}, {"level": among("none", "note", "warning", "error")})  # noqa: E731
    known = {
        "name": of(str),
        "shortDescription": check_text,
        "fullDescription": check_text,
        "help": check_text,
        "defaultConfiguration": level,
        "properties": lambda d: fields(d, {}, {"tags": each(of(str))}),
    }
    fields(rule, {"id": of(str)}, known)


def check_text(text: Any) -> None:
    fields(text, {"text": of(str)}, {"markdown": of(str)})


def check_result(result: Any) -> None:
    known = {
        "ruleId": of(str),
        "ruleIndex": of(int),
        "level": among("none", "note", "warning", "error"),
        "locations": each(check_location),
        "partialFingerprints": values(of(str)),
        "properties": of(dict),
    }
    fields(result, {"message": check_text}, known)


def check_location(location: Any) -> None:
    logical = {"fullyQualifiedName": of(str), "kind": of(str)}
    region = {"startLine": positive, "snippet": lambda s: fields(s, {}, {"text": of(str)})}
    physical = {"artifactLocation": check_file, "region": lambda r: fields(r, {}, region)}
    known = {
        "physicalLocation": lambda p: fields(p, {}, physical),
        "logicalLocations": each(lambda found: fields(found, {}, logical)),
    }
    fields(location, {}, known)


def check_file(file: Any) -> None:
    reference = matching(r"[A-Za-z0-9%._~:/@!$&'()*+,;=-]+")
    fields(file, {}, {"uri": reference, "uriBaseId": of(str), "description": check_text})


def fields(data: Any, required: dict[str, Validator], known: dict[str, Validator]) -> None:
    """An object has what it must, and nothing but what the standard knows."""
    assert isinstance(data, dict)
    assert set(required) <= set(data) <= set(required) | set(known)
    for name, value in data.items():
        (required | known)[name](value)


def of(kind: type) -> Validator:
    def check(value: Any) -> None:
        assert type(value) is kind

    return check


def equal(expected: object) -> Validator:
    return among(expected)


def among(*expected: object) -> Validator:
    def check(value: Any) -> None:
        assert value in expected

    return check


def positive(value: Any) -> None:
    assert type(value) is int
    assert value > 0


def matching(pattern: str) -> Validator:
    def check(value: Any) -> None:
        assert re.fullmatch(pattern, value)

    return check


def each(validator: Validator) -> Validator:
    def check(value: Any) -> None:
        assert isinstance(value, list)
        for entry in value:
            validator(entry)

    return check


def values(validator: Validator) -> Validator:
    def check(value: Any) -> None:
        assert isinstance(value, dict)
        for entry in value.values():
            validator(entry)

    return check


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("version"),
        lambda data: data["runs"][0].pop("tool"),
        lambda data: data["runs"][0]["results"][0].pop("message"),
        lambda data: data["runs"][0]["results"][0].update(level="fatal"),
        lambda data: data["runs"][0]["results"][0].update(ruleIndex=1),
        lambda data: data["runs"][0]["results"][0].update(line=3),
    ],
)
def test_the_validator_sees_what_is_wrong(spoil: Callable[[Any], object]) -> None:
    data = log(FAILS)
    spoil(data)
    with pytest.raises((AssertionError, KeyError)):
        check_log(data)


# ------------------------------------------------------------------------------------- annotations
def test_a_line_a_finding_at_its_place() -> None:
    lines = render(FAILS, "github", BESIDE).splitlines()
    assert lines[1].startswith(
        "::error file=src/model one.py,line=51,title=MUP003 head.weight::the readout's"
    )
    assert "%0Ahint%3A" not in lines[1]  # colons are escaped in properties alone
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]


def test_layers_share_an_annotation() -> None:
    (line,) = (line for line in render(FAILS, "github", BESIDE).splitlines() if "MUP002" in line)
    assert "title=MUP002 blocks.{0..2}.mlp.0.weight::" in line


def test_a_finding_without_a_place_is_at_the_target() -> None:
    beside = replace(BESIDE, folder=ROOT / "sub")
    line = render(FAILS, "github", beside).splitlines()[2]
    assert line.startswith("::warning file=sub/src/model one.py,line=1,title=MUP008")
    module = replace(FAILS, target="package.model:build")
    assert render(module, "github", beside).splitlines()[2].startswith("::warning title=MUP008")


def test_undecided_is_said() -> None:
    assert render(PASSES, "github", BESIDE) == ""
    assert render(UNDECIDED, "github", BESIDE).startswith(
        "::warning title=mupfx check is inconclusive::"
    )


@given(st.text(), st.text(min_size=1), st.sampled_from(Level))
def test_an_annotation_is_one_line_and_can_be_read_back(
    message: str, path: str, level: Level
) -> None:
    finding = Finding("MUP003", None, message, level=level, place=Place(path, 3))
    line, second = annotations(replace(FAILS, findings=(finding, READOUT)), ROOT).split("\n")
    assert second.startswith("::error file=src/")
    found = re.fullmatch(r"::(\w+) ([^:\r]*)::([^\r]*)", line)
    assert found is not None
    properties = dict(pair.split("=", 1) for pair in found[2].split(","))
    assert set(properties) == {"file", "line", "title"}
    assert unescaped(found[3]) == message


def unescaped(text: str) -> str:
    for code, letter in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, letter)
    return text


def test_the_root_is_the_repository(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert root_of(inner) == inner
    (tmp_path / ".git").mkdir()
    assert root_of(inner) == tmp_path
