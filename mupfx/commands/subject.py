"""What a command is about: a target with its arguments, inputs and base, as typed in the terminal.

``Subject("gpt.py:small", arguments=("width=256",), base=("64",))`` is ``small(width=256)`` beside
a base 64 wide. No torch here: the command line builds it before anything heavy is loaded.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and its base, not yet built."""

    target: str
    arguments: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    base: tuple[str, ...] = ()
    base_arguments: tuple[str, ...] = ()
    """Arguments with which the same target returns the base model."""
    overrides: tuple[str, ...] = ()
    base_depth: int | None = None
    grow: str = "heads"
