"""The table of laws against what ``torch.nn.init`` and ``reset_parameters`` really draw."""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from torch.nn import init

from mupfx.core.init_law import Distribution, Fan, Law
from mupfx.tables.init_laws import (
    DOCUMENTED,
    MATRIX_LAWS,
    OWNED_LAWS,
    ROUND,
    SHAPES,
    VECTOR_LAWS,
)

LAWS = {law.name: law for law in (*MATRIX_LAWS, *VECTOR_LAWS, *OWNED_LAWS)}
ROWS, COLUMNS = 512, 2048
SIZES = {
    Fan.FAN_IN: Fraction(COLUMNS),
    Fan.FAN_OUT: Fraction(ROWS),
    Fan.MEAN: Fraction(ROWS + COLUMNS, 2),
    Fan.SPECTRAL: Fraction(COLUMNS**2, ROWS),
    Fan.SECOND: Fraction(COLUMNS),
    Fan.ROWS: Fraction(ROWS),
}
TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "torch_linear": lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)),
    "lecun_normal": lambda w: init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: init.kaiming_uniform_(w, nonlinearity="linear"),
    "fan_out_normal": lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear"),
    "xavier_uniform": init.xavier_uniform_,
    "xavier_normal": init.xavier_normal_,
    "kaiming_uniform": init.kaiming_uniform_,
    "kaiming_normal": init.kaiming_normal_,
    "kaiming_normal_fan_out": lambda w: init.kaiming_normal_(w, mode="fan_out"),
    "kaiming_uniform_fan_out": lambda w: init.kaiming_uniform_(w, mode="fan_out"),
    "selu_normal": lambda w: init.kaiming_normal_(w, nonlinearity="selu"),
    "tanh_normal": lambda w: init.kaiming_normal_(w, nonlinearity="tanh"),
    "tanh_xavier_uniform": lambda w: init.xavier_uniform_(w, init.calculate_gain("tanh")),
    "relu_xavier_uniform": lambda w: init.xavier_uniform_(w, init.calculate_gain("relu")),
    "leaky_normal": lambda w: init.kaiming_normal_(w, a=0.2),
    "torch_rnn": lambda w: dict(nn.RNN(COLUMNS, ROWS).named_parameters())["weight_ih_l0"].data,
    "torch_bilinear": lambda w: nn.Bilinear(COLUMNS, 1, ROWS).weight.data,
    "torch_embedding": lambda w: nn.Embedding(ROWS, COLUMNS).weight.data,
}


@pytest.mark.parametrize("name", TORCH)
def test_std_is_what_torch_draws(name: str) -> None:
    torch.manual_seed(0)
    drawn = TORCH[name](torch.empty(ROWS, COLUMNS))
    std = LAWS[name].std(SIZES)
    assert std is not None
    assert drawn.std().item() == pytest.approx(std, rel=4e-3)
    edge = SHAPES[LAWS[name].distribution].edge
    assert drawn.abs().max().item() <= edge * std * (1 + 1e-6)


@pytest.mark.parametrize(
    ("law", "made"),
    [
        ("torch_gru", nn.GRU(32, 4096 // 3).bias_ih_l0),
        ("torch_lstm", nn.LSTM(32, 1024).bias_ih_l0),
        ("torch_lstm", nn.LSTM(32, 1024).weight_ih_l0),
        ("torch_gru", nn.GRUCell(32, 1024).weight_ih),
    ],
)
def test_rows_of_recurrent_layers_count_gates(law: str, made: Tensor) -> None:
    std = LAWS[law].std({Fan.ROWS: Fraction(made.shape[0])})
    assert std is not None
    bound = SHAPES[Distribution.UNIFORM].edge * std
    assert 0.99 * bound < made.abs().max().item() <= bound * (1 + 1e-6)


def test_names_are_unique() -> None:
    assert len(LAWS) == len(MATRIX_LAWS) + len(VECTOR_LAWS) + len(OWNED_LAWS)


def test_numbers_are_unique() -> None:
    def number(law: Law) -> tuple[object, ...]:
        return law.distribution, law.fan, law.exponent, law.coefficient

    assert len({number(law) for law in MATRIX_LAWS}) == len(MATRIX_LAWS)


def test_every_law_has_a_coefficient_and_a_source() -> None:
    assert all(law.coefficient and law.source for law in LAWS.values())


def test_documented_names_are_laws() -> None:
    assert {name for names in DOCUMENTED.values() for name in names} <= set(LAWS)


def test_round_numbers_have_two_digits() -> None:
    assert all(10 <= digits < 100 for digits in ROUND)


@pytest.mark.parametrize("distribution", SHAPES)
def test_shapes(distribution: Distribution) -> None:
    torch.manual_seed(0)
    values = torch.empty(4_000_000, dtype=torch.float64)
    nominal = {Distribution.TRUNCATED: 2.0, Distribution.TRUNCATED_3: 3.0}.get(distribution, 1.0)
    if distribution is Distribution.NORMAL:
        values.normal_()
    elif distribution is Distribution.UNIFORM:
        values.uniform_(-1, 1)
    else:
        init.trunc_normal_(values, a=-nominal, b=nominal)
    shape = SHAPES[distribution]
    std = values.std().item()
    assert (values.pow(4).mean() / values.square().mean() ** 2).item() == pytest.approx(
        shape.kurtosis, rel=5e-3
    )
    if distribution is not Distribution.NORMAL:
        assert nominal / std == pytest.approx(shape.edge, rel=2e-3)
        assert values.abs().max().item() == pytest.approx(nominal, rel=1e-3)
    if distribution is not Distribution.UNIFORM:
        assert std == pytest.approx(shape.nominal, rel=2e-3)
