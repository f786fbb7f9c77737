"""Which entries a process holds, from sizes alone, is what torch gives it; all meshes imagined."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor._dtensor_spec import DTensorSpec, ShardOrderEntry
from torch.distributed.tensor.placement_types import _StridedShard

from mupfx.errors import InitError
from mupfx.kernels.draw import normal
from mupfx.kernels.fill import Job, fill_
from mupfx.kernels.segment import Part
from mupfx.kernels.shards import Split, crop, held, shares
from tests.kernels.spread import by_shares, here, numbered, process, spread

Placements = Sequence[Any]
DTYPES = (torch.float32, torch.bfloat16)


@st.composite
def spreads(draw: st.DrawFn) -> tuple[tuple[int, ...], list[int], Placements]:
    """A shape, a mesh, and how the one lies on the other."""
    shape = draw(st.lists(st.integers(0, 13), min_size=1, max_size=3))
    mesh = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    dims = st.integers(0, len(shape) - 1)
    placement = st.one_of(st.builds(Shard, dims), st.just(Replicate()))
    return tuple(shape), mesh, draw(st.tuples(*[placement] * len(mesh)))


def holds_what_it_should(tensor: Tensor) -> bool:
    wanted = here(tensor).clone()
    return torch.equal(by_shares(tensor), wanted)


def agrees(shape: Sequence[int], mesh: Sequence[int], placements: Placements) -> bool:
    """Whether every process of the mesh holds what ``shares`` says."""
    found = []
    for rank in range(prod(mesh)):
        with process(rank, mesh) as devices:
            found.append(holds_what_it_should(spread(numbered(shape), devices, placements)))
    return all(found)


@given(spreads())
def test_any_shards_and_replicas(case: tuple[tuple[int, ...], list[int], Placements]) -> None:
    assert agrees(*case)


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.data())
def test_strided_shards_that_sizes_divide(ways: int, right: int, times: int, data: Any) -> None:
    dim = data.draw(st.integers(0, 1))
    shape = [3, 3]
    shape[dim] = ways * right * times
    assert agrees(shape, [ways, right], [_StridedShard(dim, split_factor=right), Shard(dim)])


@given(st.integers(0, 20), st.integers(1, 4), st.sampled_from([2, 3, 5]))
def test_strided_shards_that_no_others_made(rows: int, ways: int, factor: int) -> None:
    assert agrees([rows, 2], [ways], [_StridedShard(0, split_factor=factor)])
    assert agrees([2, rows], [ways], [_StridedShard(1, split_factor=factor)])


def tensor_parallel(whole: Tensor, mesh: DeviceMesh, dim: int) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight = nn.Parameter(spread(whole.float(), mesh, [Shard(dim)]))
    return layer


@pytest.mark.parametrize("rows", [1, 5, 7, 9, 16, 17, 33])
@pytest.mark.parametrize("sizes", [(2, 2), (3, 2), (4, 2), (2, 3)])
def test_fsdp_of_what_tensor_parallelism_split(sizes: tuple[int, int], rows: int) -> None:
    """Also of sizes that they do not divide, where the placements say something else."""
    found = []
    for rank in range(prod(sizes)):
        with process(rank, sizes) as mesh:
            layer = tensor_parallel(numbered((rows, 3)), mesh["b"], 0)
            fully_shard(layer, mesh=mesh["a"])
            found.append(holds_what_it_should(layer.weight))
    assert all(found)


@pytest.mark.parametrize(("split", "fsdp"), [(0, 1), (1, 0), (1, 1)])
def test_fsdp_along_another_dimension(split: int, fsdp: int) -> None:
    found = []
    for rank in range(4):
        with process(rank, (2, 2)) as mesh:
            layer = tensor_parallel(numbered((7 if fsdp == 0 else 8, 4)), mesh["b"], split)
            fully_shard(layer, mesh=mesh["a"], shard_placement_fn=lambda _: Shard(fsdp))
            found.append(holds_what_it_should(layer.weight))
    assert all(found)


@pytest.mark.parametrize("rows", [8, 13, 16, 21])
def test_fsdp_of_what_two_meshes_split(rows: int) -> None:
    """Experts and tensor parallelism along one dimension, uneven too."""
    found = []
    for rank in range(8):
        with process(rank, (2, 2, 2)) as mesh:
            whole = numbered((rows, 3)).float()
            layer = nn.Linear(1, 1, bias=False)
            layer.weight = nn.Parameter(spread(whole, mesh["b", "c"], [Shard(0), Shard(0)]))
            fully_shard(layer, mesh=mesh["a"])
            found.append(holds_what_it_should(layer.weight))
    assert all(found)


def test_replicas_of_fsdp() -> None:
    shapes = set()
    for rank in range(8):
        with process(rank, (2, 2, 2)) as mesh:
            layer = tensor_parallel(numbered((9, 3)), mesh["c"], 0)
            fully_shard(layer, mesh=mesh["a", "b"])
            shapes.add(tuple(here(layer.weight).shape))
            assert holds_what_it_should(layer.weight)
    assert shapes == {(3, 3), (2, 3)}


@given(case=spreads(), dtype=st.sampled_from(DTYPES), nested=st.booleans())
def test_values_are_those_of_the_whole(
    case: tuple[tuple[int, ...], list[int], Placements], dtype: torch.dtype, *, nested: bool
) -> None:
    shape, sizes, placements = case
    whole = torch.zeros(shape, dtype=dtype)
    fill_([Job(whole, normal(1.0), "w")], seed=5, nested=nested)
    for rank in range(prod(sizes)):
        with process(rank, sizes) as mesh:
            mine = spread(torch.zeros(shape, dtype=dtype), mesh, placements)
            before = mine._version
            fill_([Job(mine, normal(1.0), "w")], seed=5, nested=nested)
            assert not here(mine).numel() or mine._version > before
            assert torch.equal(here(mine), here(spread(whole, mesh, placements)))


def test_an_order_that_torch_was_told() -> None:
    for rank, rows in enumerate([[0, 1], [4, 5], [2, 3], [6]]):
        with process(rank, (2, 2)) as mesh:
            plain = spread(numbered((7,)), mesh, [Shard(0), Shard(0)])
            meta = plain._spec.tensor_meta
            order = (ShardOrderEntry(tensor_dim=0, mesh_dims=(1, 0)),)
            spec = DTensorSpec(mesh, plain.placements, tensor_meta=meta, shard_order=order)
            made: Any = DTensor
            mine = made(torch.tensor(rows), spec, requires_grad=False)
            assert by_shares(mine).tolist() == rows


def test_memory_that_has_gaps() -> None:
    whole = torch.zeros(6, 12)
    fill_([Job(whole, normal(1.0), "w")], seed=5)
    with process(1, (2,)) as mesh:
        placements = [_StridedShard(1, split_factor=3)]
        mine = spread(torch.zeros(6, 12), mesh, placements)
        pieces = list(shares(mine))
        assert [out.is_contiguous() for out, _ in pieces] == [False] * 3
        fill_([Job(mine, normal(1.0), "w")], seed=5)
        assert torch.equal(here(mine), here(spread(whole, mesh, placements)))


@given(st.data())
def test_a_box_of_a_share(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), max_size=3))
    whole, box, share, slices = numbered(shape), [], numbered(shape), []
    inside = torch.zeros(shape, dtype=torch.bool)
    for size in shape:
        first, step = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, 3))
        most = len(range(first, size, step))
        box.append((first, data.draw(st.integers(0, most)), step))
        start = data.draw(st.integers(0, size))
        slices.append(slice(start, data.draw(st.integers(start, size))))
    share = whole[tuple(slices)]
    inside[tuple(slice(at, at + n * step, step) for at, n, step in box)] = True
    out, part = crop(share, Part(tuple(shape), tuple(s.start for s in slices)), box)
    assert out.flatten().tolist() == share[inside[tuple(slices)]].flatten().tolist()
    if out.numel():
        grid = [
            slice(at, at + n * step, step)
            for at, n, step in zip(part.offsets, out.shape, part.steps, strict=True)
        ]
        assert torch.equal(out, whole[tuple(grid)])


def test_pieces_that_follow_each_other_are_one() -> None:
    assert held((12,), [Split(0, 1, 0, factor=3)]) == (((0, 12),),)
    assert held((12,), [Split(0, 2, 1, factor=3)]) == (((2, 2), (6, 2), (10, 2)),)


def test_a_mesh_without_this_process_has_nothing_here() -> None:
    with process(2, (4,)):
        mesh = DeviceMesh("cpu", torch.tensor([0, 1]))
        mine = DTensor.from_local(torch.zeros(0), mesh, [Shard(0)], run_check=False)
        assert not list(shares(mine))


def test_a_part_of_a_share_is_asked_for_by_its_memory() -> None:
    with process(0, (2,)) as mesh:
        mine = spread(torch.zeros(4), mesh, [Shard(0)])
        with pytest.raises(InitError, match="a DTensor is no part of another tensor"):
            fill_([Job(mine, normal(1.0), "w", Part((8,), (2,)))], seed=5)


def partial(mesh: DeviceMesh) -> Any:
    return DTensor.from_local(torch.zeros(4), mesh, [Partial()], run_check=False)


def mislaid(mesh: DeviceMesh) -> Any:
    return DTensor.from_local(
        torch.zeros(3), mesh, [Shard(0)], run_check=False, shape=torch.Size([8]), stride=(1,)
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (partial, "a parameter is spread in a way that has no entries of its own"),
        (mislaid, "a process holds other entries of a parameter than its placements say"),
    ],
)
def test_what_is_refused(made: Callable[[DeviceMesh], Any], message: str) -> None:
    with process(0, (2,)) as mesh, pytest.raises(InitError, match=message):
        list(shares(made(mesh)))
