"""Print how often the dynamic rule of ``mupfx check`` is right: false alarms and detections.

``python tools/power.py [--trials N] [--models N]``: the decision rule on slopes that are drawn, and
then whole checks of small models trained with seeds of their own; rates with Wilson's intervals.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from mupfx.core.statistics import wilson
from tests.power.simulated import CASES, HEADER, rates
from tests.power.trained import SUBJECTS, Subject, seen

POWERS = (0.5, 1.0)


def spelled(hits: int, of: int) -> str:
    """A share with its interval."""
    low, high = wilson(hits, of)
    return f"{hits}/{of} ({low:.3f}-{high:.3f})"


def simulate(trials: int) -> None:
    """The decision rule on drawn slopes."""
    print(HEADER)
    for case in CASES:
        print(rates(case, trials), flush=True)


def train(subject: Subject, trials: int) -> None:
    """A model as it is, and with one rate too large."""
    found = [seen(subject.factory, trial) for trial in range(trials)]
    uses, failed = sum(s.uses for s in found), sum(len(s.failed) for s in found)
    checks = sum(bool(s.failed) for s in found)
    line = f"{subject.name:14} false alarms {spelled(checks, trials)} of checks"
    print(f"{line}, {spelled(failed, uses)} of uses", end="", flush=True)
    print(f", undecided {sum(s.undecided for s in found)} uses", flush=True)
    for power in POWERS:
        wrong = [seen(subject.wrong(power), trial).failed for trial in range(trials)]
        hits = sum(subject.tensor in failed for failed in wrong)
        print(
            f"{'':14} a rate that grows as n^{power:g}: found {spelled(hits, trials)}", flush=True
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="of each simulated case")
    parser.add_argument("--models", type=int, default=5, help="checks of each model")
    given = parser.parse_args()
    simulate(given.trials)
    for subject in SUBJECTS if given.models else ():
        train(subject, given.models)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
