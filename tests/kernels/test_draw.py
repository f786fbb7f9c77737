"""Laws: what their numbers are, where they end, and what is refused."""

import math
from decimal import Decimal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from mupfx.errors import InitError
from mupfx.kernels import Draw, constant, normal, truncated, uniform
from mupfx.kernels.draw import LARGEST_X, Kind
from mupfx.kernels.eager import apply
from mupfx.kernels.normal import central

SINGLES = st.floats(-1e6, 1e6, width=32)


def ends(draw: Draw) -> tuple[float, float]:
    """The values at the two outermost numbers."""
    low, high = apply(draw, torch.tensor([-LARGEST_X, LARGEST_X])).tolist()
    return low, high


@given(st.floats(-8.4, 8.4))
def test_probabilities_are_those_of_libm(z: float) -> None:
    assert float(central(Decimal(z))) == pytest.approx(math.erf(z / math.sqrt(2)), rel=1e-14)


def test_far_probabilities_are_one() -> None:
    assert central(Decimal(9)) == 1
    assert central(Decimal(-1000)) == -1


@given(SINGLES, SINGLES)
def test_a_uniform_law_stays_within_its_bounds(a: float, b: float) -> None:
    low, high = sorted((a, b))
    draw = uniform(low, high)
    if draw.kind is Kind.CONSTANT:
        assert low <= draw.shift <= high
        return
    assert low <= ends(draw)[0] < ends(draw)[1] <= high
    assert ends(draw)[1] - ends(draw)[0] > 0.99 * (high - low) - 1e-6 * max(abs(low), abs(high))


@given(st.floats(0.125, 10, width=32), SINGLES, st.floats(-2, 1), st.floats(0.1, 4))
def test_a_cut_law_reaches_its_bounds_and_no_further(
    std: float, mean: float, start: float, width: float
) -> None:
    low, high = mean + start * std, mean + (start + width) * std
    draw = truncated(std, mean, low, high)
    if draw.kind is Kind.CONSTANT:
        return
    slack = 2e-3 * std + 1e-6 * abs(mean)
    for end, bound in zip(ends(draw), (low, high), strict=True):
        assert end == pytest.approx(bound, abs=slack)
    assert draw.low <= ends(draw)[0] <= ends(draw)[1] <= draw.high


def test_half_of_a_normal_law() -> None:
    draw = truncated(1.0, 0.0, 0.0, math.inf)
    assert ends(draw)[0] >= 0
    assert 5.2 < ends(draw)[1] < 5.43


@pytest.mark.parametrize(
    ("draw", "same"),
    [
        (truncated(0.02, 0, -2, 2), normal(0.02)),
        (truncated(0.02, 0, -math.inf, math.inf), normal(0.02)),
        (truncated(0.0, 3.0, -1, 1), constant(1.0)),
        (truncated(1.0, 0.0, 0.5, 0.5), constant(0.5)),
        (normal(0.0, 2.0), constant(2.0)),
        (uniform(0.5, 0.5), constant(0.5)),
        (constant(-0.0), constant(0.0)),
    ],
)
def test_laws_that_are_another(draw: Draw, same: Draw) -> None:
    assert draw == same
    assert math.copysign(1, draw.shift) == 1


def message(make: object, *args: float) -> str:
    assert callable(make)
    with pytest.raises(InitError) as caught:
        make(*args)
    return str(caught.value)


def test_messages() -> None:
    assert message(normal, -1.0) == snapshot("""\
a std is not negative
  found: -1.0\
""")
    assert message(normal, math.nan) == snapshot("""\
a law of initialisation needs finite numbers
  found: nan\
""")
    assert message(normal, 1e39) == snapshot("""\
a number of a law exceeds float32
  found: 1e+39\
""")
    assert message(uniform, 1.0, 0.0) == snapshot("""\
the bounds of a uniform law are not in order
  found: 1.0, 0.0\
""")
    assert message(uniform, 0.0, math.inf) == snapshot("""\
a law of initialisation needs finite numbers
  found: inf\
""")
    assert message(truncated, 1.0, 0.0, 1.0, -1.0) == snapshot("""\
the bounds of a cut are not in order
  found: 1.0, -1.0\
""")
    assert message(truncated, 1.0, 0.0, 5.0, 6.0) == snapshot("""\
a cut this far from the mean leaves too few of the 2^24 quantiles
  found: normal(1, 0) between 5 and 6
  hint: draw a uniform law, or one with a mean nearer to the bounds\
""")
