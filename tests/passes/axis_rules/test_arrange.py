"""Tensors spread over a grid, put on a diagonal, or piled up."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, kernel

aten = torch.ops.aten

GRIDS = [
    case("a 1, b -> a b, a b", lambda x, y: tuple(aten.broadcast_tensors([x, y])), (3, 1), (5,)),
    case("a, b -> a b, a b", lambda x, y: tuple(torch.meshgrid(x, y, indexing="ij")), (3,), (5,)),
    case("a, b -> b a, b a", lambda x, y: tuple(torch.meshgrid(x, y, indexing="xy")), (3,), (5,)),
    case(
        "a, b, c -> b a c, b a c, b a c",
        lambda x, y, z: tuple(torch.meshgrid(x, y, z, indexing="xy")), (3,), (5,), (7,),
    ),
    case("a, b -> a b, a b", lambda x, y: tuple(aten.meshgrid([x, y])), (3,), (5,)),
    case("a, b -> (a b) n; parts n", torch.cartesian_prod, (3,), (5,)),
    case("a -> a", torch.cartesian_prod, (3,)),
]  # fmt: skip

DIAGONALS = [
    case("a b -> a b b", torch.diag_embed, (3, 5)),
    case("a b -> b a b", lambda x: torch.diag_embed(x, dim1=0, dim2=2), (3, 5)),
    # a shifted diagonal needs a longer axis
    case("a b -> a c c", lambda x: torch.diag_embed(x, offset=1), (3, 5)),
    case("a -> a a", torch.diag, (3,)),
    case("a b -> a", torch.diag, (3, 5)),
    case("a b -> b", torch.diag, (5, 3)),
    case("a b -> (a b) (a b)", torch.diagflat, (3, 5)),
    case("a -> b b", lambda x: torch.diagflat(x, 2), (3,)),
    case("a b c -> c a", lambda x: aten.linalg_diagonal(x, dim1=0, dim2=1), (3, 5, 7)),
    case("a b, d -> a b", torch.diagonal_scatter, (3, 5), (3,)),
    case("a b c, c d -> a b c", lambda x, y: torch.diagonal_scatter(x, y, 0, 0, 1), (3, 5, 7), (7, 3)),
    case("a b, c -> a b", lambda x, y: torch.as_strided_scatter(x, y, (3,), (1,)), (2, 5), (3,)),
    case("a b c -> a c b", lambda x: torch.rot90(x, 1, (1, 2)), (2, 3, 5)),
    case("a b -> a b", lambda x: torch.rot90(x, 2), (2, 3)),
    case("a b -> a b", lambda x: x.clone().fill_diagonal_(1.0), (2, 3)),
]  # fmt: skip

PILES = [
    case("a, b -> c", lambda x, y: torch.hstack([x, y]), (3,), (5,)),
    case("a b, a c -> a d", lambda x, y: torch.hstack([x, y]), (2, 3), (2, 5)),
    case("a, a -> b a", lambda x, y: torch.vstack([x, y]), (3,), (3,)),
    case("a b, c b -> d b", lambda x, y: torch.vstack([x, y]), (3, 5), (4, 5)),
    case("a b, c b -> d b", lambda x, y: aten.row_stack([x, y]), (3, 5), (4, 5)),
    case("a, a -> a b", lambda x, y: torch.column_stack([x, y]), (3,), (3,)),
    case("a b, a -> a c", lambda x, y: torch.column_stack([x, y]), (3, 2), (3,)),
    case("a, a -> 1 a b", lambda x, y: torch.dstack([x, y]), (3,), (3,)),
    case("a b, a b -> a b c", lambda x, y: torch.dstack([x, y]), (3, 5), (3, 5)),
    case("a b, c d -> e f", torch.block_diag, (2, 3), (5, 7)),
    case("a, c d -> e f", torch.block_diag, (2,), (5, 7)),
    # what is cut out of a pile is what was put in
    case("a b, a c -> a c", lambda x, y: torch.hstack([x, y])[:, 3:], (2, 3), (2, 5)),
    case("a b, a b -> a n b; parts n", lambda x, y: aten._stack([x, y], 1), (5, 3), (5, 3)),
    case("a b, c b -> d b", lambda x, y: aten.concatenate([x, y]), (2, 3), (2, 3)),
    case("a (n b) -> a b, a b; parts n", lambda x: tuple(aten.unsafe_chunk(x, 2, 1)), (2, 10)),
    case("a (n b) -> a b, a b; parts n", lambda x: tuple(aten.unsafe_split(x, 5, 1)), (2, 10)),
    case("a b -> a c, a d", lambda x: tuple(aten.unsafe_split_with_sizes(x, [4, 6], 1)), (2, 10)),
    case("a (n b) -> a b, a b; parts n", lambda x: torch.hsplit(x, 2), (2, 10)),
    case("(n a) b -> a b, a b; parts n", lambda x: torch.vsplit(x, 2), (10, 2)),
    case("a b (n c) -> a b c, a b c; parts n", lambda x: torch.dsplit(x, 2), (2, 3, 10)),
    case("a b -> a b", lambda x: torch.hsplit(x, 1)[0], (2, 10)),
]  # fmt: skip

MEMORY = [
    case("(a b) c -> c a b", lambda x: x.as_strided((4, 2, 3), (1, 12, 4)), (6, 4)),
    case("a b -> (a b)", lambda x: x.as_strided((15,), (1,)), (3, 5)),
    case("a b c -> a c b", lambda x: x.transpose(1, 2).as_strided((2, 5, 3), (15, 1, 5)), (2, 3, 5)),
    # a row that is repeated, and windows that overlap
    case("a b -> c b", lambda x: x.as_strided((7, 5), (0, 1)), (3, 5)),
    case("a b -> a c", lambda x: x.as_strided((3, 2), (5, 1)), (3, 5)),
    case("a b -> a c d", lambda x: x.as_strided((3, 4, 2), (5, 1, 1)), (3, 5)),
]  # fmt: skip

RESHAPED = [
    case("a b -> a (n b)", lambda x: torch.tile(x, (3,)), (2, 5)),
    case("a b -> n a (m b)", lambda x: torch.tile(x, (4, 1, 3)), (2, 5)),
    case("a b -> (a b)", torch.ravel, (2, 3)),
    case(" -> 1", torch.atleast_1d, ()),
    case("a -> 1 a", torch.atleast_2d, (3,)),
    case("a b -> a b 1", torch.atleast_3d, (2, 3)),
    case("a b c d -> c a b d", lambda x: aten.moveaxis.int(x, 2, 0), (2, 3, 5, 7)),
    case("a b -> (a b)", lambda x: aten._reshape_alias(x, [6], [1]), (2, 3)),
    case("a b c -> a c b", lambda x: x.mH, torch.zeros(2, 3, 5, dtype=torch.complex64)),
    case("a b c -> a b d", torch.diff, (2, 3, 5)),
    case("a b, a 1 -> a b", lambda x, y: torch.diff(x, append=y), (2, 3), (2, 1)),
    case("a b -> a c", torch.cumulative_trapezoid, (2, 3)),
    case("a b -> a", torch.trapezoid, (2, 3)),
]  # fmt: skip

PADDED = [
    case("a b c -> a b d", lambda x: aten.reflection_pad1d(x, [1, 1]), (2, 3, 5)),
    case("a b c d -> a b e f", lambda x: aten.reflection_pad2d(x, [1, 1, 2, 2]), (2, 3, 5, 7)),
    case("a b c d e -> a b f g h", lambda x: aten.reflection_pad3d(x, [1] * 6), (2, 3, 5, 7, 4)),
    case("a b c -> a b d", lambda x: aten.replication_pad1d(x, [1, 1]), (2, 3, 5)),
    case("a b c d -> a b e d", lambda x: aten.replication_pad2d(x, [0, 0, 2, 2]), (2, 3, 5, 7)),
    case("a b c d e -> a b f g h", lambda x: aten.replication_pad3d(x, [1] * 6), (2, 3, 5, 7, 4)),
    case("a b c -> a b d", lambda x: aten._pad_circular(x, [1, 1]), (2, 3, 5)),
    case("a b c -> a b d", lambda x: aten._pad_enum(x, [1, 1], 1), (2, 3, 5)),
    case("a b -> a b", lambda x: functional.pad(x, (0, 0)), (2, 3)),
]  # fmt: skip

SEQUENCES = [
    case("a b, c b -> n t b; input n t", lambda x, y: aten.pad_sequence([x, y], True), (3, 5), (7, 5)),
    case(
        "b t d, n -> m d, s; input m s",
        lambda x, n: aten._pack_padded_sequence(x, n, True), (3, 4, 5), torch.tensor([4, 2, 1]),
    ),
    kernel(
        "m d, s -> b t d, b; input b t",
        aten._pad_packed_sequence.default, [(3, 4, 5), (3,)],
        lambda x, n: (x, n, True, 0.0, 4), (7, 5), (4,),
    ),
    kernel(
        "m d, s -> t b d, b; input b t",
        aten._pad_packed_sequence.default, [(4, 3, 5), (3,)],
        lambda x, n: (x, n, False, 0.0, 4), (7, 5), (4,),
    ),
]  # fmt: skip

CASES = [*GRIDS, *DIAGONALS, *PILES, *MEMORY, *RESHAPED, *PADDED, *SEQUENCES]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_arrange(row: Case) -> None:
    check(row)
