"""A report as JSON is read back as it was, and is JSON as other tools read it."""

import json
from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import pytest

from mupfx.core.report import Report
from mupfx.errors import TargetError
from mupfx.render.check.data import SCHEMA, read_report, report_dict, report_json
from tests.render.check.reports import BY_NAME, FAILS


def strict(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", BY_NAME)
def test_it_comes_back(name: str) -> None:
    report = BY_NAME[name]
    assert read_report(strict(report_json(report))) == report


def test_what_is_not_finite_comes_back() -> None:
    slope = replace(FAILS.slopes[0], values=((1.0, inf), (nan, -inf)), interval=(-inf, inf))
    report = replace(
        FAILS, slopes=(slope,), control=(), findings=(replace(FAILS.findings[0], measured=nan),)
    )
    back = read_report(strict(report_json(report)))
    assert back.slopes[0].interval == (-inf, inf)
    assert back.slopes[0].values[0] == (1.0, inf)
    assert isnan(back.slopes[0].values[1][0])
    assert back.findings[0].measured is not None
    assert isnan(back.findings[0].measured)


def test_settings_of_any_type_are_written() -> None:
    report = replace(FAILS, settings={"seeds": (0, 1), "device": object, "lr": inf})
    assert strict(report_json(report))["settings"]["seeds"] == [0, 1]


@pytest.mark.parametrize("change", [{"schema": SCHEMA + 1}, {"schema": None}])
def test_another_version_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="no report of a check"):
        read_report(report_dict(FAILS) | change)


def test_a_plan_is_no_report() -> None:
    with pytest.raises(TargetError, match="no report of a check"):
        read_report({"schema": SCHEMA, "parameters": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "good"},
        {"findings": [{}]},
        {"slopes": [{"interval": [1]}]},
        {"sizes": []},
        {"target": None, "notes": 3},
    ],
)
def test_a_damaged_one_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TargetError, match="is damaged"):
        read_report(report_dict(FAILS) | change)


def test_keys_are_those_of_the_first_version() -> None:
    empty = Report("t", FAILS.verdict, (), {}, "mup")
    assert sorted(report_dict(empty)) == [
        "control", "findings", "notes", "parametrization", "quantities", "schema", "settings",
        "sizes", "slopes", "target", "verdict",
    ]  # fmt: skip
