"""Where reports go: formats to standard output or to files.

``--format text --format sarif --out x.sarif`` prints text and writes a file; a file's suffix says
its format, where that was asked for or nothing was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mupfx.errors import TargetError

TEXT = "text"
SUFFIXES: Mapping[str, str] = {
    ".json": "json",
    ".xml": "junit",
    ".sarif": "sarif",
    ".html": "html",
    ".htm": "html",
    ".txt": TEXT,
    ".log": TEXT,
}
NAME = "{name}"
"""In a file's name: the check's."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Formats, each with its file; and the one that is printed."""

    files: tuple[tuple[str, str], ...]
    """Format and path."""
    printed: str
    """On standard output."""


def outputs(formats: Sequence[str], files: Sequence[str]) -> Outputs:
    """Give every file its format; what is left is printed, text if nothing is.

    >>> outputs(["text", "sarif"], ["x.sarif"])
    Outputs(files=(('sarif', 'x.sarif'),), printed='text')

    Raises:
        TargetError: A file has no format, or several formats have no file.
    """
    left = list(dict.fromkeys(formats))
    placed = []
    for file in files:
        placed.append((_format(file, left, formats), file))
        left = [each for each in left if each != placed[-1][0]]
    if len(left) > 1:
        raise TargetError(
            f"{' and '.join(left)} both go to standard output",
            hint="give each but one a file: --out report.sarif",
        )
    return Outputs(tuple(placed), left[0] if left else TEXT)


def _format(file: str, left: Sequence[str], formats: Sequence[str]) -> str:
    found = SUFFIXES.get(Path(file).suffix.lower())
    if found is not None and (found in left or not formats):
        return found
    if len(left) == 1:
        return left[0]
    raise TargetError(
        f"`{file}` has no format",
        expected="a --format for each --out, or one of the suffixes " + " ".join(SUFFIXES),
        found=", ".join(formats) or "no --format",
    )


def path_for(file: str, name: str, several: int) -> Path:
    """The file of one check.

    Raises:
        TargetError: Several checks would write the same one.
    """
    if several > 1 and NAME not in file:
        stem = Path(file)
        raise TargetError(
            f"{several} checks would all write `{file}`",
            hint=f"--out '{stem.with_name(f'{stem.stem}-{NAME}{stem.suffix}')}'",
        )
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    return Path(file.replace(NAME, safe))
