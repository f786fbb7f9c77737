"""Bugs 10 and 14 of microsoft/mup: what an import brings, and where the plan is kept."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import distributed, nn
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.func import functional_call

import mupfx
from tests.silent_bugs.models import converted, rates, tied
from tests.zoo.models.common import tokens


def test_10_a_star_import_brings_our_own_names() -> None:
    names: dict[str, object] = {}
    exec("from mupfx import *", names)  # noqa: S102 - what a user would type
    names.pop("__builtins__")
    assert set(names) == set(mupfx.__all__)
    assert all(
        getattr(value, "__module__", "mupfx").startswith("mupfx") for value in names.values()
    )
    assert not {"nn", "torch", "copy", "Adam", "SGD"} & set(names)


def test_14_nothing_is_kept_on_parameters() -> None:
    for model in (converted(), tied(2)):
        for parameter in model.parameters():
            assert vars(parameter) == {}
            assert type(parameter) is nn.Parameter


def test_14_new_parameter_objects_have_the_old_numbers() -> None:
    model = tied(2)
    expected, ids = rates(model), tokens(97, 2, 11)
    logits = model(ids)
    other = copy.deepcopy(model)
    other.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    found = rates(other)
    assert {name: found[name] for name in expected} == expected
    assert torch.equal(other(ids), logits)
    assert torch.equal(functional_call(other, dict(model.named_parameters()), (ids,)), logits)


def test_14_export_sees_the_multipliers() -> None:
    model, ids = tied(4), tokens(97, 2, 11)
    program = torch.export.export(model, (ids,), strict=False)
    torch.testing.assert_close(program.module()(ids), model(ids))


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")  # of any model that ends in a linear
def test_14_sharding_keeps_the_plan() -> None:
    model, ids = tied(4), tokens(97, 2, 11)
    expected, logits, plan = rates(model), model(ids), mupfx.plan(model)
    fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    assert mupfx.plan(model) == plan
    assert rates(model) == expected
    torch.testing.assert_close(model(ids), logits)
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2)
    torch.autograd.backward(model(ids).square().mean())
    optimizer.step()
