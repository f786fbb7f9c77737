"""Base shape files of microsoft/mup (``.bsh``): YAML, one list of sizes a parameter.

::

    layers.0.weight:
    - 64        the base size of a width dimension
    - null      a finite dimension
"""

from pathlib import Path

from mupfx.errors import BaseError


def read_bsh(path: Path) -> dict[str, list[int | None]]:
    """Base sizes by parameter name; None for a finite dimension.

    Raises:
        BaseError: The file cannot be read as such a table.
    """
    shapes: dict[str, list[int | None]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.partition("#")[0].strip()
        if text.startswith("-") and shapes:
            shapes[next(reversed(shapes))].append(_size(path, number, text[1:]))
        elif text:
            name, rest = _entry(path, number, text)
            shapes[name] = [_size(path, number, item) for item in rest]
    return shapes


def _entry(path: Path, number: int, text: str) -> tuple[str, list[str]]:
    name, colon, rest = text.partition(":")
    rest = rest.strip()
    if colon and not rest:
        return name.strip("\"' "), []
    if colon and rest.startswith("[") and rest.endswith("]"):
        return name.strip("\"' "), [item for item in rest[1:-1].split(",") if item.strip()]
    raise _unreadable(path, number, text)


def _size(path: Path, number: int, text: str) -> int | None:
    word = text.strip()
    if word in ("null", "~", ""):
        return None
    if not word.isdecimal():
        raise _unreadable(path, number, text)
    return int(word)


def _unreadable(path: Path, number: int, text: str) -> BaseError:
    return BaseError(
        f"{path.name} is no base shape file",
        where=f"line {number}",
        expected="a parameter name, or a size or null in a list",
        found=text.strip(),
    )
