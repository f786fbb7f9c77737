"""What a command is about: a target with its arguments, inputs and base, as typed in the terminal.

``Subject("gpt.py:small", arguments=["width=256"], base=["64"])`` is ``small(width=256)`` beside
a base 64 wide. No torch here: the command line builds it before anything heavy is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Texts = Sequence[str] | None
"""An option that may be given several times."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and its base, not yet built."""

    target: str
    arguments: Texts = None
    inputs: Texts = None
    base: Texts = None
    base_arguments: Texts = None
    """Arguments with which the same target returns the base model."""
    overrides: Texts = None
    base_depth: Texts = None
    grow: str = "heads"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a conversion should do beyond its base."""

    parametrization: str = "mup"
    init: Texts = None
    """``pattern=law``."""
    strict: bool = True
    hooks: bool = True
    hyperparameters: Texts = None
    """``name=value``."""
