"""What a check saw in training along one axis, for the rules that judge it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mupfx.core.finding import Finding, Level, Place
from mupfx.core.report import Slope
from mupfx.core.run import Run


@dataclass(frozen=True, slots=True)
class Trained:
    """Runs of all sizes and seeds, and the slopes that they show."""

    axis: str
    runs: tuple[Run, ...]
    slopes: tuple[Slope, ...]
    before: tuple[Finding, ...] = ()
    """What was found without training, and by rules that come before."""
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where the model uses a parameter, by its name."""
    normalised: frozenset[str] = frozenset()
    """Parameters whose optimizer takes steps of one size, whatever the gradient's (Adam)."""

    due: Mapping[str, float] = field(default_factory=dict)
    """The exponent that a parameter's learning rate is to have as it stands in its group."""

    @property
    def explained(self) -> bool:
        """Something is wrong already, and may be why training is."""
        return any(finding.level is Level.ERROR for finding in self.before)

    @property
    def steps(self) -> int:
        """Updates that all runs have."""
        return min((len(run.rates) for run in self.runs), default=0)
