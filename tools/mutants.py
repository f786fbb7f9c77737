"""Print what ``mupfx.check`` finds in a kit of ports with one fault each, and in correct ones.

``python tools/mutants.py [--only WORD] [--fast] [--json FILE]``; fails where a fault is missed or
named at another tensor, or where a correct port does not pass. ``mean |x|`` is how coordinate
checks are usually read, a module's mean output that grows or shrinks beyond width^(1/4); ``grows``
leaves out those that shrink, as the outputs of correct models do at the start.
"""

import argparse
import json
import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.mutants.correct import CORRECT
from tests.mutants.faults import FAULTS
from tests.mutants.judge import Outcome, judged
from tests.mutants.mean_abs import flagged
from tests.mutants.rows import WIDTHS, Row

Line = dict[str, object]
COLUMNS = ("static", "dynamic", "both", "mean |x|", "grows")


def interval(count: int, of: int) -> str:
    """A share with Wilson's interval of 95%."""
    if not of:
        return "none"
    z, share = 1.96, count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return f"{count}/{of} ({max(0.0, middle - half):.1%} to {min(1.0, middle + half):.1%})"


def line(row: Row) -> Line:
    """One row of the table."""
    try:
        outcome = judged(row)
    except Exception as error:  # noqa: BLE001 - a row that cannot be checked is a row of the table
        return {"row": row.name, "right": False, "note": f"{type(error).__name__}: {error}"}
    return {
        "row": row.name,
        "right": outcome.right,
        "static": outcome.static if row.codes else any(not f.dynamic for f in outcome.errors),
        "dynamic": outcome.dynamic,
        "both": outcome.named if row.codes else bool(outcome.errors),
        **_mean_abs(row),
        "seconds": round(outcome.seconds, 1),
        "verdict": str(outcome.report.verdict),
        "note": _note(outcome),
    }


def _mean_abs(row: Row) -> Line:
    """Nothing for targets of depth, and for those without a loss."""
    if "depths" in row.check or "inputs" in row.check:
        return {}
    slopes = flagged(row.factory, WIDTHS).values()
    return {"mean |x|": bool(slopes), "grows": any(slope > 0 for slope in slopes)}


def _note(outcome: Outcome) -> str:
    if outcome.right:
        return " ".join(sorted({f"{f.code}" for f in outcome.errors}))
    return "; ".join(f"{f.code} {f.parameter}" for f in outcome.errors) or "nothing found"


def _shown(cell: object) -> str:
    return {True: "x", False: ".", None: " "}.get(cell, str(cell))  # type: ignore[call-overload, no-any-return]


def table(rows: Sequence[Row], out: list[Line]) -> int:
    """Print rows as they come; how many are wrong."""
    wrong = 0
    for row in rows:
        if row.needs and find_spec(row.needs) is None:
            continue
        found = line(row)
        out.append(found)
        wrong += not found["right"]
        cells = "".join(f"{_shown(found.get(column)):>9}" for column in COLUMNS)
        mark = "" if found["right"] else "WRONG "
        seconds = found.get("seconds", "")
        print(f"{row.name:52}{cells}{seconds:>8}  {mark}{found['note']}", flush=True)
    return wrong


def _asked(row: Row, given: argparse.Namespace) -> Row:
    """A row as it is to be checked."""
    return replace(row, check={"fast": True, **row.check}) if given.fast else row


def main(argv: Sequence[str]) -> int:
    """The tables; how many rows are wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name holds this word")
    parser.add_argument("--fast", action="store_true", help="as `mupfx check --fast` does")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    wrong, everything = 0, {}
    for title, rows in (("faults", FAULTS), ("correct ports", CORRECT)):
        lines: list[Line] = []
        print(f"{title:52}" + "".join(f"{column:>9}" for column in COLUMNS) + f"{'seconds':>8}")
        wrong += table([_asked(row, given) for row in rows if given.only in row.name], lines)
        for column in COLUMNS:
            judged_rows = [entry for entry in lines if entry.get(column) is not None]
            count = sum(bool(entry[column]) for entry in judged_rows)
            print(f"  {column}: {interval(count, len(judged_rows))}")
        everything[title] = lines
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1))
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
