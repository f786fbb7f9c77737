"""Names of parameters are the model's own, whatever it is wrapped in."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

from mupfx.errors import InitError
from mupfx.kernels.names import parameters_of
from tests.kernels.spread import process


class Net(nn.Module):
    """With a child that is called ``module`` and wraps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.module = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight = self.module.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.module(self.blocks(x)))
        return found


NAMES = [
    "blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias",
    "module.weight", "module.bias",
]  # fmt: skip


def plain() -> nn.Module:
    return Net()


def compiled() -> nn.Module:
    model = Net()
    model.blocks[0] = torch.compile(model.blocks[0])  # type: ignore[assignment]
    return torch.compile(model)  # type: ignore[return-value]


def parallel() -> nn.Module:
    return nn.DataParallel(Net())


def checkpointed() -> nn.Module:
    model = Net()
    model.blocks[1] = checkpoint_wrapper(model.blocks[1])
    inside: Any = torch.compile(checkpoint_wrapper(model))
    return nn.DataParallel(inside)


@pytest.mark.parametrize("made", [plain, compiled, parallel, checkpointed])
def test_wrappers_add_nothing(made: Callable[[], nn.Module]) -> None:
    assert list(parameters_of(made())) == NAMES


def test_what_fsdp_gathered_is_given_back() -> None:
    with process(0, (2,)) as mesh:
        model = Net()
        fully_shard(model, mesh=mesh)
        model(torch.zeros(1, 2))
        gathered = {type(p) for p in model.parameters()}
        found: dict[str, Any] = dict(parameters_of(model))
        assert gathered == {nn.Parameter}
        assert {name: tuple(p.to_local().shape) for name, p in found.items()} == {
            name: (1,) if name.endswith("bias") else (1, 2) for name in NAMES
        }


def test_flattened_parameters_are_refused() -> None:
    with process(0, (2,)):
        model = nn.Sequential(FullyShardedDataParallel(Net(), device_id=torch.device("cpu")))
        with pytest.raises(InitError, match="where: 0\n  hint: initialise before wrapping"):
            parameters_of(model)
