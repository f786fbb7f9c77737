"""How long a check looks: quick for every commit, longer before a release."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mode:
    """Sizes, seeds and steps, where the user does not say."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    """Where depth is varied at all."""
    seeds: int
    steps: int
    most_seeds: int
    """Seeds that are tried while something stays undecided."""
    wider: int
    """How often the largest size is doubled, while something still does."""
    control: bool
    """Whether a converted target is tried unconverted as well."""


MODES: Mapping[str, Mode] = {
    "fast": Mode((64, 128, 256, 512), (2, 4, 8), 3, 3, 6, 0, control=False),
    "normal": Mode((64, 128, 256, 512), (2, 4, 8), 3, 4, 12, 1, control=False),
    "full": Mode((64, 128, 256, 512, 1024), (2, 4, 8, 16), 5, 8, 20, 2, control=True),
}
