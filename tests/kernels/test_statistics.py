"""Whether the numbers look drawn: moments, distributions, correlations within and across streams.

Seeds are fixed, so each test gives the same answer for ever; limits are five standard errors, and
every measure is shown to find what it looks for.
"""

import math
from collections.abc import Callable
from functools import cache
from itertools import combinations

import pytest
import torch
from torch import Tensor

from mupfx.kernels import Draw, Job, fill_, normal, truncated, uniform
from mupfx.kernels.eager import philox

COUNT = 2**20
LIMIT = 5.0
LAGS = (1, 2, 3, 4, 5, 7, 8, 16, 64, 100, 768, 1024, 4096, 65536)
MOMENTS = (0, 1, 0, 3, 0, 15, 0, 105)
"""Of a normal law, from the first on."""
CUT = truncated(1.0, 0.0, -2.0, 2.0)


@cache
def drawn(name: str = "w", seed: int = 0, draw: Draw = normal(1.0)) -> Tensor:  # noqa: B008 - frozen
    out = torch.empty(COUNT)
    fill_([Job(out, draw, name)], seed=seed)
    return out.double()


def kolmogorov(probabilities: Tensor) -> float:
    """How often a sample is as far from uniform as this one, if it is uniform."""
    ordered, n = torch.sort(probabilities)[0], probabilities.numel()
    steps = torch.arange(n, dtype=torch.float64)
    off = max(float((ordered - steps / n).max()), float(((steps + 1) / n - ordered).max()))
    at = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * off
    return 2 * math.fsum((-1.0) ** (k - 1) * math.exp(-2 * (k * at) ** 2) for k in range(1, 101))


def correlation(one: Tensor, other: Tensor) -> float:
    """In standard errors."""
    product = one * other
    return float(product.mean() / product.std() * math.sqrt(product.numel()))


def chi_square(cells: Tensor, count: int) -> float:
    """Standard deviations by which counts of equally likely cells are uneven."""
    found = torch.bincount(cells, minlength=count).double()
    expected = cells.numel() / count
    chi = float((found - expected).square().sum() / expected)
    return (chi - (count - 1)) / math.sqrt(2 * (count - 1))


def probability(values: Tensor) -> Tensor:
    found: Tensor = torch.special.ndtr(values)
    return found


@pytest.mark.parametrize("power", range(1, 9))
def test_moments_of_a_normal_law(power: int) -> None:
    powers = drawn() ** power
    error = float(powers.std()) / math.sqrt(COUNT)
    assert abs(float(powers.mean()) - MOMENTS[power - 1]) < LIMIT * error


def test_moments_of_other_laws() -> None:
    flat = drawn(draw=uniform(-1.0, 3.0))
    assert float(flat.mean()) == pytest.approx(1.0, abs=LIMIT * 4 / math.sqrt(12 * COUNT))
    assert float(flat.var()) == pytest.approx(16 / 12, rel=LIMIT / math.sqrt(COUNT))
    cut = drawn(draw=CUT)
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    expected = 1 - 4 * density / math.erf(math.sqrt(2))
    assert float(cut.var()) == pytest.approx(expected, rel=LIMIT / math.sqrt(COUNT))
    assert float(cut.abs().max()) <= 2.0


PROBABILITIES: dict[str, tuple[Draw, Callable[[Tensor], Tensor]]] = {
    "normal": (normal(1.0), probability),
    "uniform": (uniform(-1.0, 3.0), lambda v: (v + 1) / 4),
    "truncated": (
        CUT,
        lambda v: (torch.erf(v / math.sqrt(2)) / math.erf(math.sqrt(2)) + 1) / 2,
    ),
}


@pytest.mark.parametrize("law", PROBABILITIES)
def test_distributions(law: str) -> None:
    draw, probabilities = PROBABILITIES[law]
    found = [
        kolmogorov(probabilities(drawn(name, seed, draw)[: COUNT // 8]))
        for name in ("a", "b")
        for seed in (0, 1, 2**32, 2**64 - 1)
    ]
    assert min(found) > 1e-4
    assert max(found) > 0.1
    assert kolmogorov(probabilities(1.01 * drawn("a", 0, draw)).clamp(0, 1)) < 1e-6


def test_neighbours_are_not_correlated() -> None:
    values = drawn()
    squares = values.square() - 1
    for lag in LAGS:
        assert abs(correlation(values[:-lag], values[lag:])) < LIMIT
        assert abs(correlation(squares[:-lag], squares[lag:])) < LIMIT
    echo = values.clone()
    echo[4:] += 0.02 * values[:-4]
    assert abs(correlation(echo[:-4], echo[4:])) > 2 * LIMIT


def test_streams_and_seeds_are_not_correlated() -> None:
    """Names and seeds that differ as little as they can; also shifted against each other."""
    sources = [("w", 0), ("w", 1), ("w", 2**32), ("w", 2**64 - 1), ("v", 0), ("w.", 0), ("x", 0)]
    for one, other in combinations([drawn(*source) for source in sources], 2):
        for shift in (0, 1, 4):
            left, right = one[shift:], other[: COUNT - shift]
            assert abs(correlation(left, right)) < LIMIT
            assert abs(correlation(left.square() - 1, right.square() - 1)) < LIMIT


def test_values_and_pairs_fill_their_cells_evenly() -> None:
    places = probability(drawn())
    assert abs(chi_square((places * 1024).long(), 1024)) < LIMIT
    coarse = (places * 32).long()
    for lag in (1, 2, 3, 4):
        pairs = coarse[:-lag:2] * 32 + coarse[lag::2][: len(coarse[:-lag:2])]
        assert abs(chi_square(pairs, 1024)) < LIMIT
    assert abs(chi_square(((places**1.1) * 1024).long(), 1024)) > 2 * LIMIT


def test_tails_are_as_heavy_as_they_should_be() -> None:
    values = drawn().abs()
    for edge in (2.0, 3.0, 4.0):
        expected = COUNT * math.erfc(edge / math.sqrt(2))
        assert abs(float((values > edge).sum()) - expected) < LIMIT * math.sqrt(expected)


def test_a_matrix_has_the_spectrum_of_a_random_one() -> None:
    size = 512
    matrix = drawn()[: size**2].view(size, size)
    largest = float(torch.linalg.matrix_norm(matrix, 2)) / math.sqrt(size)
    assert largest == pytest.approx(2.0, abs=0.05)
    gram = (matrix @ matrix.T / size).fill_diagonal_(0.0)
    assert float(gram.std()) * math.sqrt(size) == pytest.approx(1.0, abs=0.02)


def test_no_two_elements_share_a_number() -> None:
    """Blocks differ wherever counters do; counters do up to 2^63 elements, in every stream."""
    counters = torch.cat(
        [torch.arange(at, at + 2**12) for at in (0, 2**31 - 2**11, 2**32, 2**60, 2**61 - 2**12)]
    )
    blocks = torch.cat(
        [torch.stack(philox(counters, stream, 7), 1) for stream in (0, 1, 2**32, 2**64 - 1)]
    )
    assert len(torch.unique(blocks, dim=0)) == len(blocks)
