"""Elementwise ops: broadcasting joins axes from the right."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from mupfx.passes.axis_rules import elementwise, rule_of
from tests.passes.axis_rules.notation import Case, case, check, ints, kernel, mask

aten = torch.ops.aten

Binary = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

BROADCASTS = [
    case("a b, a b -> a b", torch.add, (2, 3), (2, 3)),
    case("a b, b -> a b", torch.add, (2, 3), (3,)),
    case("a 1, 1 b -> a b", torch.add, (2, 1), (1, 3)),
    case("a b c, a 1 c -> a b c", torch.sub, (2, 3, 5), (2, 1, 5)),
    case("a b, 1 -> a b", torch.mul, (2, 3), (1,)),
    case("a b, *b -> a b", torch.mul, (2, 3), (3,)),
    case("a (h d), h d -> a h d", lambda x, y: x.view(2, 3, 5) * y, (2, 15), (3, 5)),
    case("a b, a b -> a b", lambda x, y: x.add_(y), (2, 3), (2, 3)),
    case("a b, b -> a b", lambda x, y: x.mul_(y), (2, 3), (3,)),
    case("a b, b -> a b", lambda x, y: x.copy_(y), (2, 3), (3,)),
    case("a b -> a b", lambda x: 1 - x, (2, 3)),
    case("a b -> a b", lambda x: x + 1, (2, 3)),
    case("a b, a b -> a b", lambda x, y: torch.add(x, y, alpha=2), (2, 3), (2, 3)),
]

UNARY = [
    case("a b -> a b", call, (2, 3))
    for call in (
        torch.exp,
        torch.tanh,
        torch.relu,
        torch.sigmoid,
        torch.square,
        lambda x: torch.pow(x, 2),
        functional.gelu,
        functional.silu,
        functional.softplus,
        functional.mish,
        functional.celu,
        functional.relu6,
        functional.hardtanh,
        functional.selu,
        functional.logsigmoid,
        aten.log_sigmoid,
        functional.leaky_relu,
        lambda x: torch.clamp(x, -1, 1),
        lambda x: x.clamp_(0),
        lambda x: aten.rsub.Scalar(x, 1),
        aten.real,
        torch.angle,
        torch.relu_,
        lambda x: x.masked_fill(x > 0, 1.0),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: aten.imag(torch.complex(x, x)),
    )
]

BINARY = [
    case("a b, b -> a b", call, (2, 3), (3,))
    for call in (
        torch.div,
        torch.pow,
        torch.maximum,
        torch.atan2,
        aten.max.other,
        aten.min.other,
        lambda x, y: torch.lerp(x, y, 0.5),
        torch.polar,
        lambda x, y: torch.complex(x, x + y),
        aten.copy,
        lambda x, y: torch.where(x > y, x, y),
        lambda x, y: torch.addcmul(x, y, y),
        lambda x, y: torch.clamp(x, y, y),
        lambda x, y: x.eq(y),
    )
] + [
    case("a b, b -> a b", call, mask(2, 3), mask(3))
    for call in (
        lambda x, y: x & y,
        lambda x, y: x | y,
        lambda x, y: x ^ y,
        lambda x, y: ~(x & y),
        aten.__and__,
        aten.__or__,
        aten.__xor__,
        lambda x, y: aten.bitwise_not(x) & y,
    )
]

OTHERS = [
    case("a b, *b -> a b", functional.prelu, (2, 3), (3,)),
    case("a b, *1 -> a b", functional.prelu, (2, 3), (1,)),
    # in a list of images, prelu's slopes lie along the channels, not along the last axis
    case("b c h w, *c -> b c h w", functional.prelu, (2, 3, 5, 7), (3,)),
    case("a b, c -> a b", torch.isin, ints(2, 3), ints(5)),
]

ONE_OF_ONE = (
    aten.absolute, aten.arccos, aten.arccosh, aten.arcsin, aten.arcsinh, aten.arctan, aten.arctanh,
    aten.fix, aten.negative, aten.special_digamma, aten.special_erf, aten.special_erfc,
    aten.special_erfinv, aten.special_exp2, aten.special_expit, aten.special_expm1,
    aten.special_gammaln, aten.special_i0, aten.special_log1p, aten.special_logit,
    aten.special_ndtr, aten.special_psi, aten.special_round, aten.special_sinc, aten.hardswish,
    aten.isreal, aten.poisson,
)  # fmt: skip

ONE_OF_TWO = (
    aten.arctan2, aten.divide, aten.greater, aten.greater_equal, aten.less, aten.less_equal,
    aten.multiply, aten.not_equal, aten.special_gammainc, aten.special_gammaincc,
    aten.special_xlogy, aten.true_divide, aten.subtract, aten.floor_divide, aten.isclose,
    aten.clip,
)  # fmt: skip

IN_PLACE = (
    aten.eq_, aten.ge_, aten.gt_, aten.le_, aten.lt_, aten.ne_, aten.multiply_, aten.divide_,
    aten.floor_divide_, aten.subtract_, aten.greater_, aten.copysign_, aten.xlogy_,
)  # fmt: skip


def alone(op: Any) -> Case:
    return kernel("a b -> a b", op.default, (2, 3), lambda x: (x,), (2, 3))


def beside(op: Any) -> Case:
    return kernel(
        "a b, b -> a b",
        getattr(op, "Tensor", op.default),
        (2, 3),
        lambda x, y: (x, y),
        (2, 3),
        (3,),
    )


UNTAGGED = [
    *(alone(op) for op in ONE_OF_ONE),
    *(case("a b, b -> a b", op, (2, 3), (3,)) for op in ONE_OF_TWO),
    *(case("a b, b -> a b", lambda x, y, op=op: op(x.clone(), y), (2, 3), (3,)) for op in IN_PLACE),
    case("a b -> a b, a b", aten.log_sigmoid_forward, (2, 3)),
    case("a b -> a b", lambda x: aten.special_multigammaln(x, 2), (2, 3)),
    case("a b -> a b", lambda x: aten.special_polygamma(1, x), (2, 3)),
    case("a b -> a b", lambda x: aten.threshold(x, 0.0, 1.0), (2, 3)),
    case("a b, a b -> a b", aten._prelu_kernel, (2, 3), (2, 3)),
    case("a b, a b -> a b", lambda x, m: aten._masked_scale(x, m, 2.0), (2, 3), mask(2, 3)),
    case("a b, a b -> a b", torch.normal, (2, 3), (2, 3)),
    case("a b -> a b", aten.normal_functional, (2, 3)),
    case("a b, a b -> a b", torch.binomial, (2, 3), (2, 3)),
    case("a b -> a b", lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255), (2, 3)),
    case("a b -> a b, a b", lambda x: aten.fake_quantize_per_tensor_affine_cachemask(x, 0.1, 0, 0, 255), (2, 3)),
    *(kernel("a b -> a b", op.default, (2, 3), lambda x: (x,), (2, 3)) for op in (aten._conj, aten.conj, aten.chalf, aten._neg_view)),
]  # fmt: skip

CASES = [*BROADCASTS, *UNARY, *BINARY, *OTHERS, *UNTAGGED]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_elementwise(row: Case) -> None:
    check(row)


def test_the_tag_covers_what_no_table_lists() -> None:
    assert rule_of(aten.tanh.default) is elementwise.elementwise
    assert rule_of(aten.exp_.default) is elementwise.elementwise
