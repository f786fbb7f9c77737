"""A report as JSON, with a schema version, and read back; what is not finite is a string.

``{"schema": 1, "target": "model.py:build", "verdict": "fail", "findings": [...], ...}``
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from mupfx.core.finding import Finding, Level, Place
from mupfx.core.report import Quantity, Report, Size, Slope, Verdict
from mupfx.errors import TargetError

SCHEMA = 1


def report_json(report: Report) -> str:
    """The text of a file that ``read_report`` reads."""
    return json.dumps(report_dict(report), indent=2, allow_nan=False)


def report_dict(report: Report) -> dict[str, Any]:
    """Everything that a report holds, as numbers, texts, lists and mappings."""
    found = {
        "schema": SCHEMA,
        "target": report.target,
        "verdict": str(report.verdict),
        "parametrization": report.parametrization,
        "sizes": {axis: [asdict(size) for size in sizes] for axis, sizes in report.sizes.items()},
        "findings": [finding.to_dict() for finding in report.findings],
        "slopes": [asdict(slope) for slope in report.slopes],
        "control": [asdict(slope) for slope in report.control],
        "quantities": [asdict(quantity) for quantity in report.quantities],
        "settings": dict(report.settings),
        "notes": list(report.notes),
    }
    return {key: plain(value) for key, value in found.items()}


def read_report(data: Mapping[str, Any]) -> Report:
    """The report that a ``report_dict`` was made of.

    Raises:
        TargetError: It is not one, or one of another version.
    """
    schema = data.get("schema")
    if schema != SCHEMA or "verdict" not in data:
        raise TargetError(
            "this is no report of a check that can be read",
            expected=f"what `mupfx check --json` writes, schema {SCHEMA}",
            found=f"schema {schema}",
        )
    try:
        return _report(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetError(
            "a report of a check is damaged", found=f"{type(error).__name__}: {error}"
        ) from error


def _report(data: Mapping[str, Any]) -> Report:
    return Report(
        target=data["target"],
        verdict=Verdict(data["verdict"]),
        findings=tuple(map(_finding, data["findings"])),
        sizes={
            axis: tuple(Size(**size) for size in sizes) for axis, sizes in data["sizes"].items()
        },
        parametrization=data["parametrization"],
        quantities=tuple(map(_quantity, data["quantities"])),
        slopes=tuple(map(_slope, data["slopes"])),
        control=tuple(map(_slope, data["control"])),
        settings=data["settings"],
        notes=tuple(data["notes"]),
    )


def plain(value: Any) -> Any:
    """What JSON has a form for."""
    match value:
        case str():
            return str(value)
        case None | bool() | int():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Mapping():
            return {str(key): plain(entry) for key, entry in value.items()}
        case Sequence() | set() | frozenset():
            return [plain(entry) for entry in value]
    return str(value)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _finding(data: Mapping[str, Any]) -> Finding:
    place = data["place"]
    read = {
        "level": Level(data["level"]),
        "place": None if place is None else Place(**place),
        "measured": _optional(data["measured"]),
        "expected": _optional(data["expected"]),
    }
    return Finding(**{**data, **read})


def _quantity(data: Mapping[str, Any]) -> Quantity:
    read = {name: _optional(data[name]) for name in ("measured", "expected")}
    return Quantity(**{**data, **read, "values": _numbers(data["values"])})


def _slope(data: Mapping[str, Any]) -> Slope:
    low, high = _numbers(data["interval"])
    read = {
        "values": tuple(_numbers(row) for row in data["values"]),
        "slopes": _numbers(data["slopes"]),
        "expected": _optional(data["expected"]),
        "interval": (low, high),
        "verdict": Verdict(data["verdict"]),
    }
    return Slope(**{**data, **read})
