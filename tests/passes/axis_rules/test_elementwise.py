"""Elementwise ops: broadcasting joins axes from the right."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from mupfx.passes.axis_rules import elementwise, rule_of
from tests.passes.axis_rules.notation import Case, case, check, ints, mask

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

CASES = [*BROADCASTS, *UNARY, *BINARY, *OTHERS]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_elementwise(row: Case) -> None:
    check(row)


def test_the_tag_covers_what_no_table_lists() -> None:
    assert rule_of(aten.tanh.default) is elementwise.elementwise
    assert rule_of(aten.exp_.default) is elementwise.elementwise
