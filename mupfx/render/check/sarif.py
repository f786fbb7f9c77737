"""A report as SARIF 2.1.0, which code scanning reads: rules with their help, results with places.

Paths are relative to the repository's root; a fingerprint says which results of two runs are the
same, and depends on the rule, the target and the tensor, not on lines or numbers.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from mupfx.core.finding import Finding, Place
from mupfx.core.report import Report
from mupfx.core.rule import Rule
from mupfx.render.check.data import plain
from mupfx.render.check.places import uri
from mupfx.render.check.words import comparison

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"

Json = dict[str, Any]


def sarif(report: Report, rules: Mapping[str, Rule], root: PurePath, version: str) -> str:
    """The text of a file.

    Args:
        report: What was found.
        rules: All rules by code.
        root: The repository's folder, which paths are relative to.
        version: Of mupfx.
    """
    codes = tuple(rules) + tuple(
        dict.fromkeys(found.code for found in report.findings if found.code not in rules)
    )
    driver = {
        "name": "mupfx",
        "semanticVersion": version,
        "rules": [_rule(code, rules.get(code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"mupfx/{report.target}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "the root of the repository"}}},
        "invocations": [{"executionSuccessful": True}],
        "results": [_result(report, finding, codes, root) for finding in report.findings],
        "properties": {"verdict": str(report.verdict), "parametrization": report.parametrization},
    }
    return json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [run]}, indent=2)


def _rule(code: str, rule: Rule | None) -> Json:
    if rule is None:
        return {"id": code}
    text = "\n\n".join(f"{name}: {said}" for name, said in rule.sections.items())
    markdown = "\n\n".join(f"## {name}\n\n{said}" for name, said in rule.sections.items())
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.sections.get("What") or rule.title},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["scaling", "training"]},
    }


def _result(report: Report, finding: Finding, codes: Sequence[str], root: PurePath) -> Json:
    said = (finding.parameter and f"{finding.parameter}: ", finding.message)
    numbers = comparison(finding)
    text = "".join(part for part in said if part) + (f" ({numbers})" if numbers else "")
    found = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": str(finding.level),
        "message": {"text": text + (f". Hint: {finding.hint}" if finding.hint else "")},
        "partialFingerprints": {"mupfx/v1": _fingerprint(report, finding)},
        "properties": _numbers(finding),
    }
    where = _location(finding, root)
    return found | ({"locations": [where]} if where else {})


def _numbers(finding: Finding) -> Json:
    kept = ("parameter", "measured", "expected", "axis", "dynamic")
    return {name: plain(value) for name, value in finding.to_dict().items() if name in kept}


def _location(finding: Finding, root: PurePath) -> Json:
    found: Json = {}
    place = finding.place
    if place is not None:
        region: Json = {"startLine": place.line}
        if place.code:
            region["snippet"] = {"text": place.code}
        found["physicalLocation"] = {"artifactLocation": _file(place, root), "region": region}
    if finding.parameter is not None:
        name = {"fullyQualifiedName": finding.parameter, "kind": "variable"}
        found["logicalLocations"] = [name]
    return found


def _file(place: Place, root: PurePath) -> Json:
    where = uri(place.path, root)
    return {"uri": where} if ":" in where else {"uri": where, "uriBaseId": ROOT}


def _fingerprint(report: Report, finding: Finding) -> str:
    same = (report.target, finding.code, finding.parameter or "", finding.axis)
    return sha256("\0".join(same).encode()).hexdigest()[:32]
