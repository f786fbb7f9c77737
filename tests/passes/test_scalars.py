"""Forms: what a value is over what it would be without constants, in multipliers of weights."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mupfx.passes.scalars import FAULT, ONE, Scales, find_scales
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import Given

HERE, BASE = 32, 8
Compute = Callable[["Two", Tensor], Tensor]


class Two(nn.Module):
    """Two matrices and a gain, put together by a test."""

    def __init__(self, width: int, compute: Compute) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, width, bias=False), nn.Linear(width, width, bias=False)
        self.gain, self.width, self.compute = nn.Parameter(torch.ones(width)), width, compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def scales(compute: Compute) -> Scales:
    x = torch.randn(3, 4)
    base = Given(model=Two(BASE, compute))
    analysis = run_analysis(Two(HERE, compute), (x,), {}, base, Options())
    return find_scales(analysis.program, analysis.twins, [])


def rows(compute: Compute) -> list[Mapping[str, float]]:
    """What must be zero, without unknowns of constants."""
    found = [row.form for row in scales(compute).rows]
    return [{n: round(v, 6) for n, v in f.items() if not n.startswith(FAULT)} for f in found]


def rms_norm(x: Tensor) -> Tensor:
    """As people write it."""
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


@pytest.mark.parametrize(
    ("compute", "wanted"),
    [
        (lambda m, x: m.b(m.a(x)), [{"a.weight": -1, "b.weight": -1}]),
        (lambda m, x: m.b(functional.relu(m.a(x))), [{"a.weight": -1, "b.weight": -1}]),
        (lambda m, x: m.b(functional.gelu(m.a(x))), [{"a.weight": -1}, {"b.weight": -1}]),
        (lambda m, x: m.b(m.a(x)) * m.gain, [{"a.weight": -1, "b.weight": -1, "gain": -1}]),
        (lambda m, x: m.b(rms_norm(m.a(x))), [{"b.weight": -1}]),
        (lambda m, x: m.b(functional.layer_norm(m.a(x), (m.width,))), [{"b.weight": -1}]),
        (
            lambda m, x: functional.layer_norm(m.b(m.a(x)), (m.width,), m.gain),
            [{"gain": -1}],
        ),
        (lambda m, x: m.a(x) + m.b(m.a(x)), [{"b.weight": -1}, {"a.weight": -1}]),
        (
            lambda m, x: functional.linear(x, m.a.weight / m.a.weight.norm(dim=1, keepdim=True)),
            [],
        ),
        (
            lambda m, x: m.b(m.a(x) * math.sqrt(m.width)),
            [{"a.weight": -1, "b.weight": -1, ONE: round(math.log(2), 6)}],
        ),
        (
            lambda m, x: functional.linear(m.a(x), m.b.weight * m.width**-1.0),
            [{"a.weight": -1, "b.weight": -1, ONE: round(-math.log(4), 6)}],
        ),
        (
            lambda m, x: m.a(x) + m.b(functional.gelu(m.a(x))) / m.width,
            [
                {"a.weight": -1},
                {"a.weight": 1, "b.weight": -1, ONE: round(-math.log(4), 6)},
                {"a.weight": -1},
            ],
        ),
    ],
)
def test_what_must_be_zero(compute: Compute, wanted: list[Mapping[str, float]]) -> None:
    assert rows(compute) == wanted


def test_constants_are_those_that_differ() -> None:
    found = scales(lambda m, x: m.b(m.a(x) * 3.0) / m.width)
    assert [(c.here, c.there) for c in found.constants] == [(1 / HERE, 1 / BASE)]


def test_a_factor_that_only_one_size_has() -> None:
    """The base has no op for it: it multiplies by one there."""
    found = scales(lambda m, x: m.b(m.a(x)) * 0.25 if m.width > BASE else m.b(m.a(x)))
    assert [(c.here, c.there) for c in found.constants] == [(0.25, 1.0)]


def test_weights_before_a_norm_are_free() -> None:
    found = scales(lambda m, x: m.b(rms_norm(m.a(x))) * m.gain)
    assert found.free == {"a.weight"}
