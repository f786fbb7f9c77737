"""Losses: predictions lie beside their targets."""

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, ints

aten = torch.ops.aten

ENTRIES = [
    case(f"a b, a b -> {result}", lambda x, y, call=call, how=how: call(x, y, reduction=how), (3, 5), (3, 5))
    for result, how in (("", "mean"), ("", "sum"), ("a b", "none"))
    for call in (
        functional.mse_loss,
        functional.l1_loss,
        functional.smooth_l1_loss,
        functional.huber_loss,
        functional.binary_cross_entropy,
        functional.binary_cross_entropy_with_logits,
        functional.hinge_embedding_loss,
        functional.soft_margin_loss,
        functional.poisson_nll_loss,
    )
] + [
    case("a, a, a -> a", lambda x, y, z: functional.margin_ranking_loss(x, y, z, reduction="none"), (3,), (3,), (3,)),
    case("a, a, a -> ", functional.margin_ranking_loss, (3,), (3,), (3,)),
    case("a b, a b -> ", lambda x, y: aten.kl_div(x, y, 1), (3, 5), (3, 5)),
    case("a b, a b -> a b", lambda x, y: aten.kl_div(x, y, 0), (3, 5), (3, 5)),
]  # fmt: skip

CLASSES = [
    case("b c, b -> ; index c", functional.cross_entropy, (5, 3), ints(5)),
    case("b c, b -> b; index c", lambda x, t: functional.cross_entropy(x, t, reduction="none"), (5, 3), ints(5)),
    case("b c h w, b h w -> b h w; index c", lambda x, t: functional.cross_entropy(x, t, reduction="none"), (5, 3, 2, 4), ints(5, 2, 4)),
    case("b c, b, *c -> ; index c", functional.cross_entropy, (5, 3), ints(5), (3,)),
    # targets that are probabilities
    case("b c, b c -> b", lambda x, t: functional.cross_entropy(x, t, reduction="none"), (5, 3), (5, 3)),
    case("b c, b -> b; index c", lambda x, t: aten.nll_loss(x, t, None, 0), (5, 3), ints(5)),
    case("b c, b -> b; index c", lambda x, t: aten.nll_loss_nd(x, t, None, 0), (5, 3), ints(5)),
    case("b c h w, b h w -> b h w; index c", lambda x, t: aten.nll_loss2d(x, t, None, 0), (5, 3, 2, 4), ints(5, 2, 4)),
    case("b c, b -> b, ; index c", lambda x, t: aten.nll_loss_forward(x, t, None, 0, -100), (5, 3), ints(5)),
    case(
        "b c h w, b h w -> b h w, ; index c",
        lambda x, t: aten.nll_loss2d_forward(x, t, None, 0, -100), (5, 3, 2, 4), ints(5, 2, 4),
    ),
]  # fmt: skip

CASES = [*ENTRIES, *CLASSES]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_losses(row: Case) -> None:
    check(row)
