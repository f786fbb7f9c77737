"""Parameters as one of several processes holds them; the others are not there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, debug, distribute_tensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from mupfx.kernels.shards import shares

NAMES = ("a", "b", "c")


@contextmanager
def process(rank: int, sizes: Sequence[int]) -> Iterator[DeviceMesh]:
    """This one, of a mesh that is otherwise imagined."""
    forget: Any = debug._clear_sharding_prop_cache
    forget()  # it keeps meshes, as another process saw them
    store: Any = FakeStore()
    dist.init_process_group("fake", store=store, rank=rank, world_size=prod(sizes))
    try:
        yield init_device_mesh("cpu", tuple(sizes), mesh_dim_names=NAMES[: len(sizes)])
    finally:
        dist.destroy_process_group()


def numbered(shape: Sequence[int]) -> Tensor:
    """Every entry is its own index, row by row."""
    return torch.arange(prod(shape)).reshape(tuple(shape))


def spread(whole: Tensor, mesh: DeviceMesh, placements: Sequence[Any]) -> DTensor:
    """As torch itself cuts it."""
    return distribute_tensor(whole, mesh, placements, src_data_rank=None)


def by_shares(tensor: Tensor) -> Tensor:
    """Memory that is here, numbered by what ``shares`` says of it."""
    with torch.no_grad():
        local = here(tensor).fill_(-1)
        for out, part in shares(tensor):
            size = zip(part.offsets, out.shape, strict=True)
            out.copy_(numbered(part.shape)[tuple(slice(at, at + n) for at, n in size)])
    return local


def here(tensor: Tensor) -> Tensor:
    """Its memory."""
    with torch.no_grad():
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor
