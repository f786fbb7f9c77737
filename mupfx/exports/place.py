"""Where an export is written until it is known to be right: beside its place, under another name.

Only what was run and found equal is moved there. A failure leaves what was there before.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from mupfx.errors import ExportError

DATA = ".data"
"""What torch's exporter adds to the name of an ONNX file for its weights."""


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A path of the same name in a folder of its own; what is there at the end moves to ``path``.

    Raises:
        ExportError: The place cannot be written, or is a folder that holds something.
    """
    _require_free(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise ExportError(f"cannot write `{path}`", found=str(error)) from error
    try:
        yield folder / path.name
        for made in sorted(folder.iterdir()):
            made.replace(path.parent / made.name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_free(path: Path) -> None:
    if path.is_dir() and any(path.iterdir()):
        raise ExportError(
            f"`{path}` is a folder that holds something",
            expected="a path that is free, or a file to replace",
            hint="remove it, or name another",
        )


def files_of(path: Path) -> tuple[Path, ...]:
    """The file and its data, or all files of the folder."""
    if path.is_dir():
        return tuple(sorted(p for p in path.rglob("*") if p.is_file()))
    data = path.with_name(f"{path.name}{DATA}")
    return (path, data) if data.is_file() else (path,)
