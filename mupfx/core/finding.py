"""What a check found: one thing that is wrong with one tensor, and what will happen.

``MUP002 blocks.0.mlp.0.weight: Adam's learning rate is the same at every width (n^0), and should
fall as n^-1; its update grows as n^1``
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """What a finding does to the verdict."""

    ERROR = "error"
    """It fails the check."""
    WARNING = "warning"
    """It harms in other circumstances than those tried; the verdict stays."""
    NOTE = "note"
    """What could not be judged, or was supplied."""


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the user's code."""

    path: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        """As messages show it: the file's name alone."""
        name = self.path.replace("\\", "/").rsplit("/", 1)[-1]
        return f"{name}:{self.line} {self.code}".strip()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    code: str
    """Of the rule: ``MUP002``."""
    parameter: str | None
    """The tensor, or the site (``attention:bmm``); None for the model as a whole."""
    message: str
    """What it is, what it should be, and what will happen, in one sentence."""
    measured: float | None = None
    """The exponent of ``axis`` that was found."""
    expected: float | None = None
    level: Level = Level.ERROR
    place: Place | None = None
    """Where the model uses the tensor."""
    hint: str = ""
    """What to change."""
    axis: str = "width"
    """``width`` or ``depth``: what was grown when it showed."""
    dynamic: bool = False
    """Seen in training; else read from the model and its optimizer."""

    def __str__(self) -> str:
        """One line: rule, tensor, message, place."""
        named = f"{self.code} {self.parameter}" if self.parameter else self.code
        where = "" if self.place is None else f" ({self.place})"
        return f"{self.level} {named}: {self.message}{where}"

    def to_dict(self) -> dict[str, Any]:
        """An entry of the report's JSON."""
        place = self.place
        return {
            "code": self.code,
            "parameter": self.parameter,
            "level": str(self.level),
            "message": self.message,
            "measured": self.measured,
            "expected": self.expected,
            "axis": self.axis,
            "dynamic": self.dynamic,
            "hint": self.hint,
            "place": None
            if place is None
            else {"path": place.path, "line": place.line, "code": place.code},
        }
