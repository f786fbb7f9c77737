"""What a check looked at, for the rule that asks whether it looked at anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from mupfx.core.evidence import Evidence
from mupfx.core.report import Slope, Verdict


@dataclass(frozen=True, slots=True)
class Tested:
    """Everything that was read and measured."""

    evidence: tuple[Evidence, ...]
    """One an axis."""
    slopes: tuple[Slope, ...] = ()
    alike: tuple[str, ...] = ()
    """Axes along which every parameter has the same shape at the smallest and largest size."""
    control_errors: int | None = None
    """What a control found; None where there was none."""

    def compared(self) -> Iterator[tuple[str, str]]:
        """Parameters by axis of which some number was compared with one that was expected."""
        for found in self.evidence:
            for name, parameter in found.parameters.items():
                numbers = parameter.measures.values()
                if any(number.deviation is not None for number in numbers):
                    yield found.axis, name
        for slope in self.slopes:
            if slope.expected is not None and slope.verdict is not Verdict.INCONCLUSIVE:
                yield slope.axis, slope.parameter
