"""Recurrent kernels: gates are parts, the state is contracted again."""
# ruff: noqa: FBT003 - torch's own signatures

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check, kernel

aten = torch.ops.aten


def lstm(layers: int = 1, *, bias: bool = True, both: bool = False) -> Callable[..., Any]:
    def call(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, *w: torch.Tensor) -> Any:
        return aten.lstm.input(x, [h, c], list(w), bias, layers, 0.0, True, both, True)

    return call


def single(op: Any) -> Callable[..., Any]:
    def call(x: torch.Tensor, h: torch.Tensor, *w: torch.Tensor) -> Any:
        return op(x, h, list(w), True, 1, 0.0, True, False, True)

    return call


KERNELS = [
    case(
        "b t i, 1 n h, 1 m h, *(g h) i', *(g h) h', *(g h), *(g h) -> b t h, 1 o h, 1 p h; parts g",
        lstm(), (2, 3, 5), (1, 2, 7), (1, 2, 7), (28, 5), (28, 7), (28,), (28,),
    ),
    case(
        "b t i, 1 n h, 1 m h, *(g h) i', *(g h) h' -> b t h, 1 o h, 1 p h; parts g",
        lstm(bias=False), (2, 3, 5), (1, 2, 7), (1, 2, 7), (28, 5), (28, 7),
    ),
    # a projected state is not as wide as the cell
    case(
        "b t i, 1 n p, 1 m h, *(g h) i', *(g h) p', *p h' -> b t p, 1 k p, 1 l h; parts g",
        lstm(bias=False), (2, 3, 5), (1, 2, 4), (1, 2, 7), (28, 5), (28, 4), (4, 7),
    ),
    case(
        "b t i, 1 n h, *(g h) i', *(g h) h', *(g h), *(g h) -> b t h, 1 o h; parts g",
        single(aten.gru.input), (2, 3, 5), (1, 2, 7), (21, 5), (21, 7), (21,), (21,),
    ),
    case(
        "b t i, 1 n h, *h i', *h h', *h, *h -> b t h, 1 o h",
        single(aten.rnn_tanh.input), (2, 3, 5), (1, 2, 7), (7, 5), (7, 7), (7,), (7,),
    ),
    case(
        "b t i, 1 n h, *h i', *h h', *h, *h -> b t h, 1 o h",
        single(aten.rnn_relu.input), (2, 3, 5), (1, 2, 7), (7, 5), (7, 7), (7,), (7,),
    ),
    case(
        "b t i, n m h, o p h, *(g h) i', *(g h) h', *(k h) h', *(k h) h'"
        " -> b t h, q r h, s u h; parts g k",
        lstm(2, bias=False), (2, 3, 5), (2, 2, 7), (2, 2, 7), (28, 5), (28, 7), (28, 7), (28, 7),
    ),
    case(
        "b t i, n m h, o p h, *(g h) i', *(g h) h', *(k h) i', *(k h) h'"
        " -> b t (d h), q r h, s u h; parts g k d",
        lstm(bias=False, both=True), (2, 3, 5), (2, 2, 7), (2, 2, 7), (28, 5), (28, 7), (28, 5), (28, 7),
    ),
]  # fmt: skip


STEPS = [
    case(
        "b i, b h, b h, *(g h) i', *(g h) h', *(g h), *(g h) -> b h, b h; parts g",
        lambda x, h, c, *w: aten.lstm_cell(x, [h, c], *w),
        (2, 5), (2, 7), (2, 7), (28, 5), (28, 7), (28,), (28,),
    ),
    case(
        "b i, b h, *(g h) i', *(g h) h', *(g h), *(g h) -> b h; parts g",
        aten.gru_cell, (2, 5), (2, 7), (21, 5), (21, 7), (21,), (21,),
    ),
    case(
        "b i, b h, *h i', *h h', *h, *h -> b h",
        aten.rnn_tanh_cell, (2, 5), (2, 7), (7, 5), (7, 7), (7,), (7,),
    ),
    case("b i, b h, *h i', *h h' -> b h", aten.rnn_relu_cell, (2, 5), (2, 7), (7, 5), (7, 7)),
    # a learned start of the state lies along it
    case(
        "b i, *h, *h i', *h h' -> b h",
        lambda x, h, *w: aten.rnn_tanh_cell(x, h.expand(2, -1), *w), (2, 5), (7,), (7, 5), (7, 7),
    ),
]  # fmt: skip


W = ((28, 5), (28, 7), (28,), (28,))

LIBRARIES = [
    kernel(
        "b t i, 1 n h, 1 m h, *(g h) i', *(g h) h', *(g h), *(g h) -> b t h, 1 o h, 1 p h, r, w; parts g",
        aten._cudnn_rnn.default, [(2, 3, 7), (1, 2, 7), (1, 2, 7), (99,), (98,)],
        lambda x, h, c, *w: (x, list(w), 4, None, h, c, 2, 7, 0, 1, True, 0.0, True, False, [], None),
        (2, 3, 5), (1, 2, 7), (1, 2, 7), *W,
    ),
    kernel(
        "b t i, n m h, *h i', *h h', *h i', *h h' -> b t (d h), o p h, c, r, w; parts d",
        aten._cudnn_rnn.default, [(2, 3, 14), (2, 2, 7), (0,), (99,), (98,)],
        lambda x, h, *w: (x, list(w), 2, None, h, None, 1, 7, 0, 1, True, 0.0, True, True, [], None),
        (2, 3, 5), (2, 2, 7), (7, 5), (7, 7), (7, 5), (7, 7),
    ),
    # five tensors of a cell: the last is the projection
    kernel(
        "b t i, 1 n p, 1 m h, *(g h) i', *(g h) p', *(g h), *(g h), *p h'"
        " -> b t p, 1 o p, 1 q h, r, w; parts g",
        aten._cudnn_rnn.default, [(2, 3, 4), (1, 2, 4), (1, 2, 7), (99,), (98,)],
        lambda x, h, c, *w: (x, list(w), 5, None, h, c, 2, 7, 4, 1, True, 0.0, True, False, [], None),
        (2, 3, 5), (1, 2, 4), (1, 2, 7), (28, 5), (28, 4), (28,), (28,), (4, 7),
    ),
    kernel(
        "b t i, 1 n h, *(g h) i', *(g h) h', *(g h), *(g h) -> b t h, 1 o h, c, r, w; parts g",
        aten.miopen_rnn.default, [(2, 3, 7), (1, 2, 7), (0,), (99,), (98,)],
        lambda x, h, *w: (x, list(w), 4, h, None, 3, 7, 1, True, 0.0, True, False, [], None),
        (2, 3, 5), (1, 2, 7), (21, 5), (21, 7), (21,), (21,),
    ),
    kernel(
        "t b i, 1 n h, 1 m h, *(g h) i', *(g h) h', *(g h), *(g h) -> t b h, 1 o h, 1 p h, r; parts g",
        aten.mkldnn_rnn_layer.default, [(3, 2, 7), (1, 2, 7), (1, 2, 7), (0,)],
        lambda x, h, c, *w: (x, *w, h, c, False, [], 2, 7, 1, True, False, False, True),
        (3, 2, 5), (1, 2, 7), (1, 2, 7), *W,
    ),
    kernel(
        "b (g h), b (g h), b h, *(g h), *(g h) -> b h, b h, b (g h); parts g",
        aten._thnn_fused_lstm_cell.default, [(2, 7), (2, 7), (2, 28)],
        lambda x, h, c, *w: (x, h, c, *w), (2, 28), (2, 28), (2, 7), (28,), (28,),
    ),
    kernel(
        "b (g h), b (g h), b h -> b h, b w; parts g",
        aten._thnn_fused_gru_cell.default, [(2, 7), (2, 35)],
        lambda x, h, c: (x, h, c), (2, 21), (2, 21), (2, 7),
    ),
]  # fmt: skip

CASES = [*KERNELS, *STEPS, *LIBRARIES]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_recurrent(row: Case) -> None:
    check(row)
