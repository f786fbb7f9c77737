"""The two streams of a command: results on stdout, progress and errors on stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mupfx.render.document import Document
from mupfx.render.text import show


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
    """Show that something is going on, where somebody watches; leaves no trace."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        bar.add_task(doing, total=None)
        yield
