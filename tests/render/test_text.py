"""Plain text is stable and complete; a terminal gets the same cells."""

import io

from inline_snapshot import snapshot
from rich.console import Console

from mupfx.render.document import Column, Lines, Table
from mupfx.render.terminal import show
from mupfx.render.text import plain

DOCUMENT = (
    Table(
        "parameters",
        (Column("name"), Column("size", right=True), Column("why", wraps=True)),
        (("wte", "64", "looked up"), ("blocks.0.weight", "4096", "a [bold] sentence " * 8)),
    ),
    Lines("notes", ("one", "two")),
)


def test_plain() -> None:
    assert plain(DOCUMENT) == snapshot("""\
parameters
  name             size  why
  wte                64  looked up
  blocks.0.weight  4096  a [bold] sentence a [bold] sentence a [bold] sentence a [bold] sentence a [bold] sentence a [bold] sentence a [bold] sentence a [bold] sentence

notes
  one
  two\
""")


def test_a_pipe_gets_plain_text_of_any_width() -> None:
    stream = io.StringIO()
    show(DOCUMENT, Console(file=stream, width=20))
    assert stream.getvalue() == plain(DOCUMENT) + "\n"


def test_a_terminal_gets_every_cell_and_no_markup_is_read() -> None:
    stream = io.StringIO()
    show(DOCUMENT, Console(file=stream, width=60, force_terminal=True, color_system=None))
    text = stream.getvalue()
    assert text.count("[bold]") == 8
    assert all(word in text for word in ("blocks.0.weight", "4096", "notes", "two"))
    assert max(map(len, text.splitlines())) <= 60
