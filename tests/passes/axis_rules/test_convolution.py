"""Convolutions: channels are contracted, kernels are spatial, groups cut both channel axes."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check

aten = torch.ops.aten

DENSE = [
    case(
        "b i h, *o i' k', *o -> b o y; spatial y k", functional.conv1d, (2, 3, 11), (7, 3, 5), (7,)
    ),
    case(
        "b i h w, *o i' k' l' -> b o y x; spatial k l x y",
        functional.conv2d, (2, 3, 11, 13), (7, 3, 4, 5),
    ),
    case(
        "b i h w d, *o i' k' l' m' -> b o y x z; spatial k l m x y z",
        functional.conv3d, (2, 3, 11, 13, 17), (7, 3, 4, 5, 2),
    ),
    case(
        "b i h, *i' o k', *o -> b o y; spatial k y",
        functional.conv_transpose1d, (2, 3, 11), (3, 7, 5), (7,),
    ),
    case(
        "b i h w, *i' o k' l', *o -> b o y x; spatial k l x y",
        functional.conv_transpose2d, (2, 3, 11, 13), (3, 7, 4, 5), (7,),
    ),
    case(
        "b i h w d, *i' o k' l' m' -> b o y x z; spatial k l m x y z",
        functional.conv_transpose3d, (2, 3, 11, 13, 17), (3, 7, 4, 5, 2),
    ),
    case(
        "b i h, *o i' k' -> b o y; spatial k y",
        lambda x, w: aten.convolution(x, w, None, [1], [0], [1], False, [0], 1), (2, 3, 11), (7, 3, 5),
    ),
    case(
        "b i h, *i' o k' -> b o y; spatial k y",
        lambda x, w: aten._convolution(x, w, None, [1], [0], [1], True, [0], 1, False, False, True, True),
        (2, 3, 11), (3, 7, 5),
    ),
    case("b i h, *o i' 1' -> b o h", functional.conv1d, (2, 3, 11), (7, 3, 1)),
    case(
        "b i h w, *o i' k' l' -> b o y x; spatial k l x y",
        lambda x, w: functional.conv2d(x, w, padding="same"), (2, 3, 11, 13), (7, 3, 5, 3),
    ),
    # without a batch axis
    case("i h, *o i' k' -> o y; spatial k y", functional.conv1d, (3, 11), (7, 3, 5)),
    case(
        "i h w, *o i' k' l', *o -> o y x; spatial k l x y",
        functional.conv2d, (3, 11, 13), (7, 3, 4, 5), (7,),
    ),
]  # fmt: skip

GROUPED = [
    case(
        "b (g i) h, *(g o) i' k', *(g o) -> b (g o) y; spatial k y",
        lambda x, w, c: functional.conv1d(x, w, c, groups=3), (2, 6, 11), (15, 2, 7), (15,),
    ),
    case(
        "b c h, *c 1' k', *c -> b c y; spatial k y",
        lambda x, w, c: functional.conv1d(x, w, c, groups=3), (2, 3, 11), (3, 1, 7), (3,),
    ),
    case(
        "b c h, *(c m) 1' k' -> b (c m) y; spatial k y",
        lambda x, w: functional.conv1d(x, w, groups=3), (2, 3, 11), (6, 1, 7),
    ),
    case(
        "b (g i) h, *(g i)' o k' -> b (g o) y; spatial k y",
        lambda x, w: functional.conv_transpose1d(x, w, groups=3), (2, 6, 11), (6, 5, 7),
    ),
    case(
        "b c h w, *c 1' k' l' -> b c y x; spatial k l x y",
        lambda x, w: functional.conv2d(x, w, groups=3), (2, 3, 11, 13), (3, 1, 7, 5),
    ),
]  # fmt: skip

CASES = [*DENSE, *GROUPED]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_convolution(row: Case) -> None:
    check(row)


def test_a_learned_image_is_convolved() -> None:
    """A parameter through a convolution: its use is where it meets an activation, not before."""
    check(
        case(
            "b t, *n i h w, *o i' k' l' -> n o; spatial k l",
            lambda x, c, w: functional.conv2d(c, w).mean((2, 3)) + x.mean(),
            (2, 4), (3, 5, 11, 13), (7, 5, 4, 5),
        )
    )  # fmt: skip
