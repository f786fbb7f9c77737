"""The two streams of a command: results on stdout, progress and errors on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mupfx.render.document import Document
from mupfx.render.terminal import show


def write(document: Document) -> None:
    """Print a report: tables on a terminal, plain text into a pipe."""
    show(document, Console())


def write_text(text: str) -> None:
    """Print a text as it is."""
    sys.stdout.write(f"{text}\n")


def write_json(data: Any) -> None:
    """Print data and nothing else."""
    write_text(json.dumps(data, indent=2))


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show that something is going on."""
    with _bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as bar:
        bar.add_task(doing, total=None)
        yield


@contextmanager
def counter(doing: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how far something has come; the caller gets a function to call after each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _bar(*columns, TimeRemainingColumn()) as bar:
        yield partial(bar.advance, bar.add_task(doing, total=total))


@contextmanager
def meter(doing: str) -> Iterator[Callable[[str, float, float], None]]:
    """Show what something is at, and the time left; the caller gets a function to tell it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with _bar(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task(doing, total=None)

        def tell(now: str, done: float, total: float) -> None:
            bar.update(task, description=f"{doing}: {now}", completed=done, total=total)

        yield tell


def _bar(*columns: ProgressColumn) -> Progress:
    """Progress on stderr, where somebody watches; it leaves no trace."""
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
