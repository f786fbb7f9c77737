"""Where a finding is, as other tools name files: relative to a folder, with forward slashes.

Of ``/home/me/project/src/model.py`` in ``/home/me/project`` it is ``src/model.py``.
"""

from dataclasses import replace
from pathlib import Path, PurePath
from urllib.parse import quote

from mupfx.core.finding import Place
from mupfx.core.report import Report


def root_of(folder: Path) -> Path:
    """The repository that a folder is in; the folder itself where it is in none."""
    here = folder.resolve()
    return next((up for up in (here, *here.parents) if (up / ".git").exists()), here)


def relative(path: str, root: PurePath) -> str:
    """A path within a folder, relative to it; another one as it is.

    >>> from pathlib import PurePosixPath
    >>> relative("/home/me/model.py", PurePosixPath("/home/me"))
    'model.py'
    """
    pure = type(root)(path) if isinstance(root, Path) else PurePath(path)
    inside = pure.is_relative_to(root)
    return (pure.relative_to(root) if inside else pure).as_posix()


def uri(path: str, root: PurePath) -> str:
    """The same as a URI reference; absolute for a path outside.

    >>> from pathlib import PurePosixPath
    >>> uri("/home/me/a model.py", PurePosixPath("/home/me"))
    'a%20model.py'
    """
    found = relative(path, root)
    return PurePath(found).as_uri() if PurePath(found).is_absolute() else quote(found)


def placed(report: Report, folder: Path) -> Report:
    """Every finding at a file by its whole path: its own, else the top of the target's.

    Args:
        report: Whose paths may be relative.
        folder: What they are relative to: the current one.
    """
    path, _, name = report.target.rpartition(":")
    top = Place(path, 1) if name and path.endswith(".py") else None
    found = (replace(f, place=_whole(f.place or top, folder)) for f in report.findings)
    return replace(report, findings=tuple(found))


def near(report: Report, folder: Path) -> Report:
    """Every finding at a file by its path from a folder, where it is inside; for people."""
    here = folder.resolve()
    found = (
        f
        if f.place is None
        else replace(f, place=replace(f.place, path=relative(f.place.path, here)))
        for f in report.findings
    )
    return replace(report, findings=tuple(found))


def _whole(place: Place | None, folder: Path) -> Place | None:
    return None if place is None else replace(place, path=str((folder / place.path).resolve()))
