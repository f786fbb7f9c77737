"""Runs on disk: a folder a sweep, a line a run, written and synced as it comes.

The first line of ``runs.jsonl`` says how runs were made, and its digest; results of another recipe
are refused. A process that is killed leaves at most half a line, which is cut off by the next::

    {"mupfx transfer": 1, "digest": "5f1c...", "recipe": {"target": "gpt", "steps": 100, ...}}
    {"parametrization": "mup", "width": 64, "depth": null, "seed": 0, "lr": 0.0078125, ...}
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.errors import MupfxError

FILE = "runs.jsonl"
_FORMAT, _VERSION = "mupfx transfer", 1

Runs = dict[Trial, Run]


class Store:
    """The file of one sweep, open for writing; by one process at a time."""

    def __init__(self, path: Path, handle: int, runs: Runs) -> None:
        self.path = path
        self.runs = runs
        """What was there, and what was added."""
        self._handle = handle

    def add(self, run: Run) -> None:
        """Write one run; when this returns it is on disk.

        Raises:
            MupfxError: It cannot be written.
        """
        _write(self._handle, run.to_dict(), self.path)
        self.runs[run.trial] = run


@contextmanager
def opened(folder: Path, recipe: Recipe) -> Iterator[Store]:
    """Open the file of a sweep, or begin it.

    Raises:
        MupfxError: It is of another recipe, in use, or no such file.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise _no_place(path, error) from error
    try:
        _lock(handle, path)
        lines = _whole_lines(handle, path)
        if len(lines) == 1 and _is_header(lines[0]):  # nothing was trained: settings may change
            os.ftruncate(handle, 0)
            lines = []
        if not lines:
            _write(handle, header(recipe), path)
        yield Store(path, handle, _read(lines, path, recipe))
    finally:
        os.close(handle)


def header(recipe: Recipe) -> dict[str, Any]:
    """The first line."""
    settings = _settings(recipe)
    return {_FORMAT: _VERSION, "digest": _digest(settings), "recipe": settings}


def _is_header(line: str) -> bool:
    try:
        data = json.loads(line)
    except ValueError:
        return False
    return isinstance(data, dict) and data.get(_FORMAT) == _VERSION


def _settings(recipe: Recipe) -> dict[str, Any]:
    """As JSON gives it back."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(recipe), default=repr))
    return found


def _digest(settings: Mapping[str, Any]) -> str:
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _write(handle: int, data: Mapping[str, Any], path: Path) -> None:
    line = f"{json.dumps(data)}\n".encode()
    try:
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)
    except OSError as error:
        raise _no_place(path, error) from error


def _no_place(path: Path, error: OSError) -> MupfxError:
    return MupfxError("results cannot be written", where=str(path), found=str(error))


def _whole_lines(handle: int, path: Path) -> list[str]:
    """All lines; what a killed process left of one is cut off."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        os.ftruncate(handle, len(whole))
    return whole.decode().splitlines()


def _read(lines: list[str], path: Path, recipe: Recipe) -> Runs:
    runs: Runs = {}
    for number, line in enumerate(lines, start=1):
        data = _parsed(line, path, number)
        if number == 1:
            _require_same(data, path, recipe)
            continue
        try:
            run = Run.from_dict(data)
        except (KeyError, TypeError, ValueError) as error:
            raise _no_run(path, number) from error
        runs[run.trial] = run
    return runs


def _parsed(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise _no_run(path, number) from error


def _no_run(path: Path, number: int) -> MupfxError:
    return MupfxError(
        "results cannot be read",
        where=f"{path}, line {number}",
        expected="what mupfx transfer wrote",
        hint="give another folder, or take this line out",
    )


def _require_same(data: Any, path: Path, recipe: Recipe) -> None:
    """Refuse to mix results.

    Raises:
        MupfxError: These are of another recipe.
    """
    if not isinstance(data, dict) or data.get(_FORMAT) != _VERSION:
        raise _no_run(path, 1)
    here = header(recipe)
    if data.get("digest") == here["digest"]:
        return
    theirs, ours = data.get("recipe", {}), here["recipe"]
    changed = [key for key in ours if theirs.get(key) != ours[key]]
    raise MupfxError(
        "the results in this folder were made with other settings, and are not mixed with new ones",
        where=str(path.parent),
        expected=_shown(theirs, changed),
        found=_shown(ours, changed),
        hint="give another folder; sizes, rates, seeds and parametrizations may grow in the same",
    )


def _shown(settings: Mapping[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key}={settings.get(key)!r}" for key in keys)


def _lock(handle: int, path: Path) -> None:
    """Two writers would train the same twice; a killed one holds no lock."""
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise MupfxError(
            "another sweep is writing to this folder",
            where=str(path.parent),
            hint="wait for it, or give another folder",
        ) from error
