"""The options of ``observe``, as annotated types; no torch here."""

from pathlib import Path
from typing import Annotated

import typer

What = Annotated[
    str,
    typer.Option(
        "--what",
        metavar="NAME,NAME",
        help="Of coordinates, updates, output, ntk, feature_speed, diversity, richness, gamma.",
    ),
]
Steps = Annotated[
    str, typer.Option("--steps", metavar="N", help="Up to which step, doubling; or a list 0,1,10.")
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="How many.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the table: table.csv or table.parquet."),
]


def names(text: str) -> tuple[str, ...]:
    """A list as it is typed.

    >>> names("output, ntk")
    ('output', 'ntk')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())
