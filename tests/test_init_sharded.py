"""``mupfx.init_`` and ``mupfx.build`` of models that are spread over processes; all imagined."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard

import mupfx
from mupfx.kernels import normal
from mupfx.kernels.names import parameters_of
from tests.kernels.spread import here, process, spread

TOKENS = torch.tensor([[1, 5, 3], [0, 0, 2]])
SEED = 7


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width, padding_idx=3)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.embed.weight
        nn.init.trunc_normal_(self.up.weight, std=0.02, a=-0.04, b=0.04)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        found: Tensor = self.head(x + self.down(torch.relu(self.up(x))))
        return found


def tensor_parallel(model: nn.Module, mesh: DeviceMesh) -> None:
    """As ``parallelize_module`` does it, which asks others: each module its own, ties cut."""
    for name, dim in {"embed": 1, "up": 0, "down": 1, "head": 0}.items():
        layer = model.get_submodule(name)
        for own, parameter in list(layer.named_parameters()):
            there = spread(parameter.detach(), mesh, [Shard(min(dim, parameter.dim() - 1))])
            layer.register_parameter(own, nn.Parameter(there))


def fsdp(model: nn.Module, mesh: DeviceMesh) -> None:
    fully_shard(model, mesh=mesh)


def both(model: nn.Module, mesh: DeviceMesh) -> None:
    tensor_parallel(model, mesh["b"])
    fully_shard(model, mesh=mesh["a"])


WAYS: list[tuple[Callable[[nn.Module, DeviceMesh], None], tuple[int, ...]]] = [
    (fsdp, (4,)),
    (tensor_parallel, (2,)),
    (both, (2, 2)),
]


def agrees(model: nn.Module, whole: Mapping[str, Tensor]) -> bool:
    """Whether all parameters are the slices of the whole ones."""
    found: dict[str, Any] = dict(parameters_of(model))
    assert all(isinstance(tensor, DTensor) for tensor in found.values())
    return all(torch.equal(here(t), shared(whole[name], t)) for name, t in found.items())


def shared(whole: Tensor, like: Any) -> Tensor:
    return here(spread(whole.detach(), like.device_mesh, like.placements))


@pytest.mark.parametrize(("way", "sizes"), WAYS)
def test_a_converted_model(
    way: Callable[[nn.Module, DeviceMesh], None], sizes: tuple[int, ...]
) -> None:
    plain = mupfx.convert(lambda: Net(32), TOKENS, base=lambda: Net(8))
    whole = dict(
        mupfx.init_(copy.deepcopy(plain), seed=SEED).named_parameters(remove_duplicate=False)
    )
    for rank in range(torch.Size(sizes).numel()):
        with process(rank, sizes) as mesh:
            mine = copy.deepcopy(plain)
            way(mine, mesh)
            assert not agrees(mine, whole)
            mupfx.init_(mine, seed=SEED)
            assert agrees(mine, whole)


def test_laws_by_hand_and_what_is_kept_where_a_tie_was_cut() -> None:
    plain = mupfx.convert(Net(32), TOKENS, base=Net(8))
    laws = {"embed.weight": normal(0.5)}
    drawn = mupfx.init_(copy.deepcopy(plain), seed=SEED, laws=laws)
    assert not drawn.embed.weight[3].any()
    kept = mupfx.init_(copy.deepcopy(plain), seed=SEED, keep=["embed.*"])
    for wishes, model in ({"laws": laws}, drawn), ({"keep": ["embed.*"]}, kept):
        with process(1, (2,)) as mesh:
            mine = copy.deepcopy(plain)
            tensor_parallel(mine, mesh)
            mupfx.init_(mine, seed=SEED, **wishes)
            assert agrees(mine, dict(model.named_parameters(remove_duplicate=False)))


@pytest.mark.parametrize(("way", "sizes"), WAYS)
def test_a_model_that_is_built(
    way: Callable[[nn.Module, DeviceMesh], None], sizes: tuple[int, ...]
) -> None:
    whole = dict(
        mupfx.build(Net, TOKENS, base={"width": 8}, seed=SEED, width=32).named_parameters(
            remove_duplicate=False
        )
    )
    rank = torch.Size(sizes).numel() - 1
    with process(rank, sizes) as mesh:
        mine = mupfx.build(
            Net, TOKENS, base={"width": 8}, seed=SEED, shard=lambda m: way(m, mesh), width=32
        )
        assert agrees(mine, whole)
