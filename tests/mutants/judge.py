"""What a check said of a row, against what it had to say."""

import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import mupfx
from mupfx.core.finding import Finding, Level
from mupfx.core.report import Report, Verdict
from tests.mutants.rows import Row


@dataclass(frozen=True)
class Outcome:
    """One row, checked."""

    row: Row
    report: Report
    seconds: float

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.report.findings if f.level is Level.ERROR)

    def _at_fault(self, parameter: str | None) -> bool:
        patterns = self.row.tensors.split()
        return any(p == "*" or fnmatchcase(parameter or "", p) for p in patterns)

    @property
    def named(self) -> bool:
        """By a code of the fault's, at a tensor of the fault's."""
        codes = self.row.codes.split()
        return any(f.code in codes and self._at_fault(f.parameter) for f in self.errors)

    @property
    def noise(self) -> tuple[Finding, ...]:
        """Errors where nothing is wrong, or of another name."""
        return tuple(f for f in self.errors if not self._at_fault(f.parameter))

    @property
    def static(self) -> bool:
        """Found without a step of training, at the right tensor."""
        return any(not f.dynamic and self._at_fault(f.parameter) for f in self.errors)

    @property
    def dynamic(self) -> bool:
        """Seen in training: an error, or a slope outside what is expected."""
        seen = [f for f in self.errors if f.dynamic]
        return bool(seen) or any(s.verdict is Verdict.FAIL for s in self.report.slopes)

    @property
    def right(self) -> bool:
        """The verdict and all findings are as they have to be."""
        if self.row.codes:
            return self.report.verdict is Verdict.FAIL and self.named and not self.noise
        return self.report.verdict is Verdict.PASS and not self.errors

    def __str__(self) -> str:
        """The verdict and the errors, for a message."""
        found = [f"{f.code} {f.parameter} {f.message}" for f in self.errors]
        notes = [] if self.right else list(self.report.notes)
        wanted = f"{self.row.codes} at {self.row.tensors}" if self.row.codes else "a pass"
        lines = [f"{self.row.name}: {self.report.verdict}, wanted {wanted}", *found, *notes]
        return "\n  ".join(lines)


def judged(row: Row, **further: Any) -> Outcome:
    """Check a row."""
    start = time.perf_counter()
    report: Report = mupfx.check(row.factory, **{**row.settings, **further})
    return Outcome(row, report, time.perf_counter() - start)
