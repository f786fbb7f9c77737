"""Size and power of the decision rule, by simulation; ``tools/dev.py power`` prints the table."""

import pytest

from mupfx.core.statistics import wilson
from mupfx.pipeline.checking.dynamic import LEVEL
from tests.power.simulated import CASES, Case, rates

RIGHT = [case for case in CASES if not case.slope and case.bias < 0.2]
WRONG = [case for case in CASES if case.slope]


def _check(case: Case, trials: int) -> None:
    found = rates(case, trials)
    if case in RIGHT:
        assert wilson(found.failed, trials, z=3.3)[0] <= 0.01
        assert wilson(found.passed, trials, z=3.3)[1] >= 0.95
    else:
        assert wilson(found.failed, trials, z=3.3)[1] >= 0.99
        assert wilson(found.named, trials, z=3.3)[1] >= 0.95


@pytest.mark.parametrize("case", [CASES[0], CASES[9]], ids=lambda case: case.name)
def test_right_is_told_from_wrong(case: Case) -> None:
    _check(case, 20)


@pytest.mark.slow
@pytest.mark.parametrize("case", RIGHT + WRONG, ids=lambda case: case.name)
def test_rates(case: Case) -> None:
    _check(case, 400)


@pytest.mark.slow
def test_slopes_at_the_margin_fail_as_rarely_as_they_should() -> None:
    """The largest false-alarm rate there is, over all uses of a check and all looks at it."""
    (edge,) = (case for case in CASES if case.bias == 0.25)
    assert wilson(rates(edge, 200).failed, 200)[0] <= LEVEL
