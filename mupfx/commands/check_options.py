"""The options of ``check`` and ``diff``, as annotated types; no torch here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mupfx.errors import TargetError


class ReportFormat(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    SARIF = "sarif"
    GITHUB = "github"
    HTML = "html"


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TARGET]...",
        help="package.module:callable or file.py:callable, called with a width; or the NAME of a"
        " \\[tool.mupfx.checks.NAME] in pyproject.toml; without any, all of these.",
    ),
]
Widths = Annotated[
    str | None, typer.Option("--widths", metavar="N,N,N", help="Widths to compare: 64,128,256.")
]
Depths = Annotated[
    str | None, typer.Option("--depths", metavar="N,N,N", help="Depths to compare: 2,4,8.")
]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="How many seeds.")]
Steps = Annotated[int | None, typer.Option("--steps", metavar="N", help="Steps of training.")]
Table = Annotated[
    str | None,
    typer.Option("--parametrization", metavar="NAME", help="What to follow; mup if not said."),
]
Margin = Annotated[
    float | None,
    typer.Option("--margin", metavar="X", help="How far a slope may be from its own; 0.25."),
]
Control = Annotated[
    bool | None,
    typer.Option(help="Check the same without its conversion as well, which must fail."),
]
ControlTarget = Annotated[
    str | None,
    typer.Option("--control-target", metavar="TARGET", help="What to check instead, as control."),
]
Fast = Annotated[bool, typer.Option("--fast", help="Widths 64 to 512, 3 seeds: for each commit.")]
Full = Annotated[bool, typer.Option("--full", help="More of each, and the control.")]
Static = Annotated[bool, typer.Option(help="Read init, multipliers and learning rates.")]
Dynamic = Annotated[bool, typer.Option(help="Train, and measure how updates grow.")]
WidthArgument = Annotated[
    str | None, typer.Option("--width-arg", metavar="NAME", help="What the target calls its width.")
]
DepthArgument = Annotated[
    str | None, typer.Option("--depth-arg", metavar="NAME", help="What the target calls its depth.")
]
SeedArgument = Annotated[
    str | None, typer.Option("--seed-arg", metavar="NAME", help="What the target calls its seed.")
]
Formats = Annotated[
    list[ReportFormat] | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(ReportFormat)}; several allowed, each but one with its --out.",
    ),
]
Files = Annotated[
    list[str] | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write a report; its suffix says the format. '{name}' in it is the check's name.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Instead of the nearest pyproject.toml."),
]
OldPlan = Annotated[Path, typer.Argument(metavar="OLD.json", help="A plan.json, before.")]
NewPlan = Annotated[Path, typer.Argument(metavar="NEW.json", help="The same after a change.")]


def numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Read ``64,128,256``.

    Raises:
        TargetError: It is no such list.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise TargetError(f"`{text}` is no list of whole numbers", expected=f"{option} 64,128,256")
    return tuple(map(int, parts))


def given(**settings: Any) -> dict[str, Any]:
    """Those that were typed."""
    return {key: value for key, value in settings.items() if value is not None}
