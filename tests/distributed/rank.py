"""One process of several: ``python -m tests.distributed.rank RANK WORLD FOLDER``.

Fills one model in every way that so many processes can share it; the first process writes
``whole.pt``: by way and dtype, every parameter put together, and the model's output.
"""

import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, debug
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

from mupfx.kernels.draw import constant, normal, truncated, uniform
from mupfx.kernels.names import parameters_of
from mupfx.kernels.start import Start, start_

DTYPES = (torch.float32, torch.bfloat16)
SEED = 11
TOKENS = torch.tensor([[0, 3, 10], [7, 7, 1]])
PADDING = (((10, 1, 1), (0, 6, 1)), constant(0.0))
STARTS: Mapping[str, Start] = {
    "embed.weight": Start((11, 6), normal(0.5), (PADDING,)),
    "up.weight": Start((8, 6), truncated(0.3)),
    "up.bias": Start((8,), uniform(-0.1, 0.1)),
    "down.weight": Start((6, 8), normal(0.4)),
    "down.bias": Start((6,), constant(0.25)),
    "norm.weight": Start((6,), constant(1.0)),
    "head.weight": Start((11, 6), normal(0.2)),
}
"""Sizes that two and four do not divide, but for those that tensor parallelism needs to."""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.up = nn.Linear(6, 8)
        self.down = nn.Linear(8, 6)
        self.norm = nn.RMSNorm(6)
        self.head = nn.Linear(6, 11, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = self.norm(x + self.down(torch.relu(self.up(x))))
        found: Tensor = self.head(x)
        return found


def fsdp(model: nn.Module, mesh: DeviceMesh) -> None:
    for child in model.children():
        fully_shard(child, mesh=mesh)
    fully_shard(model, mesh=mesh)


def tp(model: nn.Module, mesh: DeviceMesh) -> None:
    styles = {
        "embed": RowwiseParallel(input_layouts=Replicate()),
        "up": ColwiseParallel(),
        "down": RowwiseParallel(),
        "head": ColwiseParallel(output_layouts=Replicate()),
    }
    parallelize_module(model, mesh, styles)


def both(model: nn.Module, mesh: DeviceMesh) -> None:
    tp(model, mesh["b"])
    fsdp(model, mesh["a"])


WAYS: Mapping[str, tuple[tuple[int, ...], Callable[[nn.Module, DeviceMesh], None]]] = {
    "FSDP of 2": ((2,), fsdp),
    "tensor parallel of 2": ((2,), tp),
    "FSDP of 4": ((4,), fsdp),
    "tensor parallel of 4": ((4,), tp),
    "both": ((2, 2), both),
    "replicas of FSDP": ((2, 2), fsdp),
}


def filled(dtype: torch.dtype, split: Callable[[nn.Module], None]) -> nn.Module:
    """The model as one process has it; nothing is asked of others, nor of a generator."""
    with torch.device("meta"):
        model = Net().to(dtype)
    split(model)
    model.to_empty(device="cpu")
    state = torch.get_rng_state()
    watch: Any = debug.CommDebugMode
    with watch() as calls:
        start_(parameters_of(model), STARTS, seed=SEED)
    assert calls.get_total_counts() == 0
    assert torch.equal(state, torch.get_rng_state())
    return model


def whole(model: nn.Module) -> dict[str, Tensor]:
    """Every parameter put together, and the output."""
    with torch.no_grad():
        found: dict[str, Any] = {"output": model(TOKENS), **parameters_of(model)}
        return {n: t.full_tensor() if hasattr(t, "full_tensor") else t for n, t in found.items()}


def main(rank: int, world: int, folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # of in-place ops on what a wrapped module returns
    store: Any = vars(dist)["FileStore"](str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    found = {}
    for way, (sizes, split) in WAYS.items():
        if torch.Size(sizes).numel() == world:
            mesh = init_device_mesh("cpu", sizes, mesh_dim_names=("a", "b")[: len(sizes)])
            for dtype in DTYPES:
                model = filled(dtype, lambda model: split(model, mesh))  # noqa: B023 - called here
                found[way, dtype] = whole(model)
    if rank == 0:
        torch.save(found, folder / "whole.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
