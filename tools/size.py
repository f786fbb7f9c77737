"""How long the files and functions are: a report that shows growth, not a gate.

::

    files      31   median   118   p90   240   max   397  mupfx/passes/axes.py
    functions 288   median     6   p95    31   max    40  mupfx/api.py:convert

``python tools/size.py --all`` lists every file, longest first.
"""

import argparse
import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Length(NamedTuple):
    """Lines of one file or function."""

    lines: int
    where: str


def sources() -> list[Path]:
    """Every file of the package, the link followed."""
    folders = ("mupfx", "passes")
    linked = ROOT / "mupfx" / "passes"
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if linked not in path.parents)


def functions(path: Path, text: str) -> Iterator[Length]:
    """Every function of a file, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            name = f"{path.relative_to(ROOT).as_posix()}:{node.name}"
            yield Length(last - node.lineno + 1, name)


def quantile(lengths: Sequence[Length], share: float) -> int:
    """The smallest length that ``share`` of them do not exceed."""
    ordered = sorted(length.lines for length in lengths)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def summary(kind: str, lengths: Sequence[Length], share: float) -> str:
    """One line of the report."""
    if not lengths:
        return f"{kind:9} {0:4}"
    longest = max(lengths)
    middle = median(length.lines for length in lengths)
    return (
        f"{kind:9} {len(lengths):4}   median {middle:5.0f}   p{share * 100:.0f} "
        f"{quantile(lengths, share):5}   max {longest.lines:5}  {longest.where}"
    )


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="tools/size.py", description="Lengths of the code.")
    parser.add_argument("--all", action="store_true", help="list every file, longest first")
    listed = parser.parse_args().all
    texts = {path: path.read_text() for path in sources()}
    files = [
        Length(text.count("\n"), path.relative_to(ROOT).as_posix()) for path, text in texts.items()
    ]
    if listed:
        print("\n".join(f"{lines:5}  {where}" for lines, where in sorted(files, reverse=True)))
    print(summary("files", files, 0.9))
    print(summary("functions", [f for p, t in texts.items() for f in functions(p, t)], 0.95))


if __name__ == "__main__":
    main()
