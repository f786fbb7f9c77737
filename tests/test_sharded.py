"""Training a sharded model (FSDP2, one process) is training the model: bit for bit."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard

import mupfx
from tests.test_muon import ADAMW, MUON, TOKENS, Fused, Interleaved, Transposed, converted, train


@pytest.fixture
def shard() -> Iterator[Callable[[nn.Module], None]]:
    store: Any = vars(dist)["HashStore"]()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    mesh = dist.device_mesh.init_device_mesh("cpu", (1,))

    def apply(model: nn.Module) -> None:
        for child in model.children():
            if list(child.parameters()):
                fully_shard(child, mesh=mesh)
        fully_shard(model, mesh=mesh)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of in-place ops on what a wrapped module returns
        yield apply
    dist.destroy_process_group()


def whole(model: nn.Module) -> dict[str, torch.Tensor]:
    found: dict[str, Any] = dict(model.named_parameters())
    return {
        n: (p.full_tensor() if hasattr(p, "full_tensor") else p).detach() for n, p in found.items()
    }


def same(left: nn.Module, right: nn.Module) -> bool:
    a, b = whole(left), whole(right)
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("attention", [Fused, Interleaved, Transposed])
def test_muon(attention: Any, shard: Callable[[nn.Module], None]) -> None:
    plain, sharded = converted(32, attention), converted(32, attention)
    shard(sharded)
    for model in (plain, sharded):
        groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW)
        train(model, [mupfx.Muon(groups.muon), torch.optim.AdamW(groups.adamw)])
    assert same(plain, sharded)
    assert not same(plain, converted(32, attention))


def test_clipping_first_steps_and_another_gauge(shard: Callable[[nn.Module], None]) -> None:
    plain, sharded = converted(), converted()
    shard(sharded)
    for model in (plain, sharded):
        optimizer = mupfx.optimizer(torch.optim.RAdam, model, lr=1e-2)
        for step in range(8):
            optimizer.zero_grad()
            torch.autograd.backward(model(TOKENS).square().mean())
            mupfx.clip_grad_norm_(model, 0.05)
            optimizer.step()
            if step == 3:
                gauge = {name: 4.0 for name, _ in model.named_parameters()}
                mupfx.regauge_(model, gauge, optimizer=optimizer)
    assert same(plain, sharded)
