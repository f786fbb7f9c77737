"""The options of ``transfer``, as annotated types, and how its lists are read; no torch here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mupfx.errors import TargetError


class Decay(StrEnum):
    """How the rate falls in a training."""

    NONE = "none"
    LINEAR = "linear"
    COSINE = "cosine"


class EngineName(StrEnum):
    """Who trains."""

    LOCAL = "local"
    RAY = "ray"


Target = Annotated[
    str,
    typer.Argument(
        metavar="[TARGET]",
        help="package.module:callable or file.py:callable, called with a width; returns a dict with"
        " model, loss and batches. Else a small GPT on the text of Python's own library.",
    ),
]
Widths = Annotated[
    str, typer.Option("--widths", metavar="N,N,N", help="Widths to train.", show_default=True)
]
Depths = Annotated[str | None, typer.Option("--depths", metavar="N,N", help="With every width.")]
Rates = Annotated[
    str,
    typer.Option(
        "--rates",
        metavar="LOW:HIGH[:OCTAVES]",
        help="Learning rates: 2^-10:2^-3, with :0.5 in half octaves; or a list 0.001,0.003,0.01.",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", help="How many, for each of these.")]
Tables = Annotated[
    str,
    typer.Option(
        "--parametrization",
        metavar="NAME,NAME",
        help="Tables to convert to; sp: the target as written; own: as it converts itself.",
    ),
]
Width = Annotated[
    int | None,
    typer.Option("--base", metavar="WIDTH", help="Rates are relative to it; else the smallest."),
]
Depth = Annotated[
    int | None, typer.Option("--base-depth", metavar="DEPTH", help="Likewise of the depths.")
]
Steps = Annotated[int, typer.Option("--steps", metavar="N", help="Of each training.")]
OptimizerName = Annotated[
    str,
    typer.Option(
        "--optimizer", metavar="CLASS", help="Of torch.optim, where the target makes none."
    ),
]
OptimizerArguments = Annotated[
    list[str] | None,
    typer.Option("--optimizer-arg", metavar="NAME=VALUE", help="Of it: weight_decay=0.1."),
]
Warmup = Annotated[
    int, typer.Option("--warmup", metavar="N", help="Steps over which the rate rises.")
]
Fall = Annotated[Decay, typer.Option("--decay", help="How it falls after that.")]
Extend = Annotated[
    int, typer.Option("--extend", metavar="N", help="Times that the grid may grow at a best end.")
]
Refine = Annotated[
    int, typer.Option("--refine", metavar="N", help="Times that rates between are tried.")
]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance", metavar="OCTAVES", help="How far the best rate may move, first to last size."
    ),
]
Who = Annotated[EngineName, typer.Option("--engine", help="Local processes, or a Ray cluster.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", help="Trainings at a time; else one a core."),
]
Folder = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder for runs, as they come, and the outcome; the same goes on where it was.",
    ),
]
Plot = Annotated[
    list[Path] | None,
    typer.Option("--plot", metavar="FILE", help="Draw losses: .png, .svg or .pdf."),
]


def names(text: str) -> tuple[str, ...]:
    """Read ``mup,sp``; commas in parentheses belong to a name.

    >>> names("mup,sp"), names("meta(0.5)")
    (('mup', 'sp'), ('meta(0.5)',))
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def rates(text: str) -> tuple[float, ...]:
    """Read a list or a range of rates.

    >>> rates("2^-2:2^0"), rates("0.1, 0.2")
    ((0.25, 0.5, 1.0), (0.1, 0.2))

    Raises:
        TargetError: It is neither.
    """
    try:
        if ":" not in text:
            return tuple(map(number, text.split(",")))
        low, high, *step = map(number, text.split(":"))
        return _octaves(low, high, *step)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise TargetError(
            f"`{text}` gives no rates", expected="2^-10:2^-3, 2^-10:2^-3:0.5, or 0.001,0.003,0.01"
        ) from error


def number(text: str) -> float:
    """Read a number or a power of two.

    >>> number("2^-3"), number("1e-3")
    (0.125, 0.001)
    """
    base, power, exponent = text.partition("^")
    return float(base) ** float(exponent) if power else float(text)


def _octaves(low: float, high: float, step: float = 1.0) -> tuple[float, ...]:
    if not (0 < low < high and step > 0):
        raise ValueError(low, high, step)
    from mupfx.transferring import rates as between  # noqa: PLC0415 - torch

    return between(low, high, step)
