"""The output at the start against width, as ``mupfx.observe`` sees it, in mean field.

With the initial function added, and without.

``pytest -m slow tests/measured/test_observed_start.py``. One hidden layer, leaky ReLU, widths 64 to
4096, 40 seeds. Exponents, predicted and as measured:

| table         | predicted | measured |
|---------------|-----------|----------|
| mean_field    | -1/2      | -0.50    |
| ic_mean_field | 0         |  0.00    |
"""

import pytest
from torch import nn

import mupfx
from mupfx import Observations
from tests.measured.nets import data, mlp

TOLERANCE = 0.1


def observed(table: str, widths: tuple[int, ...], seeds: int) -> Observations:
    def target(width: int) -> nn.Module:
        net = mlp(width, hidden=1, activation=lambda: nn.LeakyReLU(0.1))
        return mupfx.convert(
            net, data()[0], base=64, parametrization=table, init={"*": "lecun_normal"}
        )

    return mupfx.observe(target, widths=widths, seeds=seeds, inputs=data()[0], what="output",
                         steps=[0])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("table", "predicted"), [("mean_field", -0.5), ("ic_mean_field", 0.0)])
def test_output_at_the_start(table: str, predicted: float) -> None:
    found = observed(table, (64, 256, 1024, 4096), 40).slope("output")
    assert found.mean == pytest.approx(predicted, abs=TOLERANCE)


def test_the_initial_function_is_seen() -> None:
    with_it, without = (
        observed(table, (64, 1024), 6).slope("output").mean
        for table in ("ic_mean_field", "mean_field")
    )
    assert with_it > without + 0.3
