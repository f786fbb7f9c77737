"""What the demo trains, and what it keeps of each training."""

from dataclasses import dataclass

SP, MUP = "sp", "mup"


@dataclass(frozen=True, slots=True)
class Settings:
    """What is trained."""

    widths: tuple[int, ...] = (64, 128, 256)
    base: int = 64
    lr: float = 0.01
    """Of 0.002, 0.005, 0.01 and 0.02 the best at the base width."""
    steps: int = 30
    measured_at: int = 5
    """Steps before updates are measured; the loss is measured after all of them."""
    seeds: int = 3
    batch: int = 8

    @property
    def all_steps(self) -> int:
        """Training steps of all runs together."""
        return 2 * len(self.widths) * self.seeds * self.steps


@dataclass(frozen=True, slots=True)
class Run:
    """One training and what came of it."""

    parametrization: str
    width: int
    updates: dict[str, float]
    loss: float
    """On text that was not trained on."""
