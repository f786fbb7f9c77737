"""Every planted fault is found and named at its tensor; every correct port passes."""

import pytest

from tests.mutants.correct import CORRECT
from tests.mutants.faults import FAULTS
from tests.mutants.judge import judged
from tests.mutants.rows import Row, name_of

FAST = frozenset(
    {
        "Table 9, Adam",
        "no names, torch's biases",
        "width_mult in forward",
        "Llama, grouped queries",
        "MoE, SGD",
        "converted, gauge unit",
        "MLP: hidden std falls as fan_in^-1",
        "MLP, Adam: a rate forgotten",
        "MLP: width_mult twice",
        "MLP, SGD: a bias' rate as a matrix's",
        "GPT: attention 1/sqrt(d), wider heads",
        "GPT: a warm-up at one rate",
        "MoE, SGD: experts as vectors",
        "adapters: down at the rate of up",
        "converted to its own width",
    }
)
ROWS = (*CORRECT, *FAULTS)
SLOW = tuple(row for row in ROWS if row.name not in FAST)


def _check(row: Row) -> None:
    if row.needs:
        pytest.importorskip(row.needs)
    outcome = judged(row)
    assert outcome.right, str(outcome)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in FAST], ids=name_of)
def test_told_right_from_wrong(row: Row) -> None:
    _check(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", SLOW, ids=name_of)
def test_told_right_from_wrong_in_the_whole_kit(row: Row) -> None:
    _check(row)


def test_the_kit_is_as_large_as_it_says() -> None:
    assert len(FAULTS) >= 40
    assert len(CORRECT) >= 20
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.name for row in ROWS} >= FAST
    assert all(bool(row.codes) == bool(row.tensors) for row in ROWS)
