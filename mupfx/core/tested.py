"""What a check looked at, for the rule that asks whether it looked at anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from mupfx.core.evidence import RATE, Evidence, ParameterEvidence
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
    idle: frozenset[str] = frozenset()
    """Parameters that have no effect, such as a bias of keys: there is nothing to decide."""

    def compared(self) -> Iterator[tuple[str, str]]:
        """Parameters by axis of which some number was compared with one that was expected."""
        for axis, parameter in self._read():
            if any(number.deviation is not None for number in parameter.measures.values()):
                yield axis, parameter.name
        yield from self._measured()

    def undecided(self) -> Iterator[tuple[str, str]]:
        """Trained parameters by axis of which neither rates nor updates could be judged."""
        decided = {
            *((axis, p.name) for axis, p in self._read() if p.deviation(RATE) is not None),
            *self._measured(),
        }
        for found in self.evidence:
            unsaid = found.axis == "depth" and not found.depth_rule
            for name, parameter in found.parameters.items():
                trained = parameter.trained and parameter.in_optimizer and not unsaid
                trained = trained and name not in self.idle
                if trained and (found.axis, name) not in decided:
                    yield found.axis, name

    def _read(self) -> Iterator[tuple[str, ParameterEvidence]]:
        for found in self.evidence:
            for name, parameter in found.parameters.items():
                if name not in found.unjudged:
                    yield found.axis, parameter

    def _measured(self) -> Iterator[tuple[str, str]]:
        for slope in self.slopes:
            if slope.judged and slope.verdict is not Verdict.INCONCLUSIVE:
                yield from ((slope.axis, name) for name in slope.parameter.split(", "))
