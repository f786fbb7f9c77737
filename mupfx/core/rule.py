"""A rule of a check, as people read it: ``MUP002``, what it is about, and a text a section."""

from collections.abc import Mapping
from dataclasses import dataclass

SECTIONS = ("What", "Why", "Example", "Fix", "Reference")
"""Every rule has these, in this order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    code: str
    """``MUP002``."""
    title: str
    """What it is about, in a few words."""
    sections: Mapping[str, str]
    """Text by the names in ``SECTIONS``."""
    module: str
    """Where it is written: ``mupfx.checks.mup002_hidden_learning_rate``."""

    @property
    def name(self) -> str:
        """The words of its module's name: ``hidden-learning-rate``."""
        return self.module.rsplit(".", 1)[-1].split("_", 1)[1].replace("_", "-")
