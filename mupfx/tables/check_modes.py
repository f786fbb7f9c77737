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
    read: int
    """Sizes whose models are captured and read: the smallest, the largest, those between."""
    starts: bool
    """Whether the first forward pass is recorded, too, to be shown."""
    most_seeds: int
    """Seeds that are tried while something stays undecided."""
    wider: int
    """How often the largest size is doubled, while something still does."""
    control: bool
    """Whether a converted target is tried unconverted as well."""


MODES: Mapping[str, Mode] = {
    "fast": Mode(
        widths=(64, 128, 256, 512), depths=(2, 4, 8), seeds=3, steps=3, read=2, starts=False,
        most_seeds=6, wider=0, control=False,
    ),
    "normal": Mode(
        widths=(64, 128, 256, 512), depths=(2, 4, 8), seeds=3, steps=4, read=3, starts=True,
        most_seeds=12, wider=1, control=False,
    ),
    "full": Mode(
        widths=(64, 128, 256, 512, 1024), depths=(2, 4, 8, 16), seeds=5, steps=8, read=3,
        starts=True, most_seeds=20, wider=2, control=True,
    ),
}  # fmt: skip
