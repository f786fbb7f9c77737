"""Capture: outputs of any kind, regions entered, and the model as it was."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.utils.checkpoint import checkpoint

import mupfx
from mupfx.core.program import Program
from mupfx.errors import CaptureError
from mupfx.passes.capture import capture
from mupfx.passes.normalize import normalize

Tensor = torch.Tensor
aten = torch.ops.aten


@dataclass
class Result:
    logits: Tensor
    hidden: Tensor | None = None
    steps: int = 3


class Net(nn.Module):
    """Three layers; ``way`` says what becomes of them."""

    def __init__(self, way: "Way") -> None:
        super().__init__()
        self.way = way
        self.a, self.b, self.c = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.norm = nn.BatchNorm1d(8)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Any:
        return self.way(self, x)


Way = Callable[[Net, Tensor], Any]


def inputs() -> Tensor:
    return torch.ones(2, 3)


def trace(way: Way) -> Program:
    return normalize(capture(Net(way), (inputs(),), {}))


def plain(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(torch.tanh(m.b(m.a(x))))
    return out


OUTPUTS: dict[str, tuple[int, Way]] = {
    "a tensor": (1, plain),
    "a tuple": (2, lambda m, x: (plain(m, x), x)),
    "a dict with more than tensors": (
        2, lambda m, x: {"logits": plain(m, x), "none": None, "steps": 3, "all": [x + 1]},
    ),
    "a dataclass": (1, lambda m, x: Result(plain(m, x))),
    "a dataclass with two": (2, lambda m, x: Result(plain(m, x), x + 1)),
    "a model output": (
        2, lambda m, x: transformers.modeling_outputs.BaseModelOutput(plain(m, x), (x + 1,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(name: str) -> None:
    count, way = OUTPUTS[name]
    (output,) = (n for n in trace(way).graph.nodes if n.op == "output")
    assert len(output.all_input_nodes) == count


def test_a_cache_in_the_output() -> None:
    config = transformers.GPT2Config(vocab_size=17, n_positions=8, n_embd=8, n_head=2, n_layer=1)
    model = transformers.GPT2LMHeadModel(config).eval()
    found = capture(model, (), {"input_ids": torch.ones(1, 4, dtype=torch.long), "use_cache": True})
    assert found.unreached == ()


def in_no_grad(m: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        y = m.a(x)
    return plain_rest(m, y)


def plain_rest(m: Net, y: Tensor) -> Tensor:
    out: Tensor = m.c(torch.tanh(m.b(y)))
    return out


def in_autocast(m: Net, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        y = m.a(x)
    return plain_rest(m, y.float())


def nested(m: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            y = m.a(x)
        z = torch.tanh(m.b(y.float()))
    out: Tensor = m.c(z)
    return out


def several_results(m: Net, x: Tensor) -> Tensor:
    with torch.no_grad():
        y, z = m.a(x), m.a(x + 1)
    return plain_rest(m, y + z)


def checkpointed(m: Net, x: Tensor) -> Tensor:
    def part(y: Tensor) -> Tensor:
        return torch.tanh(m.b(y))

    out: Tensor = m.c(checkpoint(part, m.a(x), use_reentrant=False))
    return out


REGIONS: dict[str, Way] = {
    "no_grad": in_no_grad,
    "autocast": in_autocast,
    "nested": nested,
    "several results": several_results,
    "checkpoint": checkpointed,
}


@pytest.mark.parametrize("name", REGIONS)
def test_regions_are_one_list_of_ops(name: str) -> None:
    program = trace(REGIONS[name])
    assert all(
        n.op != "call_function" or not isinstance(n.target, torch._ops.HigherOrderOperator)
        for n in program.graph.nodes
    )
    layers = [n for n in program.graph.nodes if n.target is aten.linear.default]
    assert {program.parameters[n.args[1].name] for n in layers} == {
        "a.weight", "b.weight", "c.weight",
    }  # fmt: skip
    assert program.graph.nodes
    program.graph.lint()


@pytest.mark.parametrize("name", REGIONS)
def test_roles_do_not_depend_on_regions(name: str) -> None:
    found = mupfx.analyze(Net(REGIONS[name]), inputs()).roles
    roles = {name: str(role.role) for name, role in found.items()}
    assert roles == {
        "a.weight": "input", "a.bias": "vector", "b.weight": "hidden", "b.bias": "vector",
        "c.weight": "output", "c.bias": "scalar",
    }  # fmt: skip


def keeps(m: Net, x: Tensor) -> Tensor:
    """What models do on the side: statistics, noise, caches, lists of what they saw."""
    if not hasattr(m, "table"):
        m.table = torch.arange(8.0)
    y = m.norm(m.a(x)) + m.table
    m.seen.append(y)
    m.last = y
    return plain_rest(m, torch.dropout(y, 0.5, train=True))


def test_the_model_is_as_it_was() -> None:
    model = Net(keeps)
    calls: list[int] = []
    model.a.register_forward_hook(lambda *_: calls.append(1))
    model.b.requires_grad_(requires_grad=False)
    model.c.eval()
    values = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    attributes = {name: set(m.__dict__) for name, m in model.named_modules()}
    state = torch.get_rng_state()
    capture(model, (inputs(),), {})
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == modes
    assert {name: set(m.__dict__) for name, m in model.named_modules()} == attributes
    assert model.seen == []
    assert [p.requires_grad for p in model.b.parameters()] == [False, False]
    assert len(model.a._forward_hooks) == 1
    assert type(model(inputs())) is Tensor
    assert type(model.table) is Tensor


def test_what_was_kept_before_stays() -> None:
    model = Net(keeps)
    model(inputs())
    table, seen = model.table, list(model.seen)
    capture(model, (inputs(),), {})
    assert model.table is table
    assert all(a is b for a, b in zip(model.seen, seen, strict=True))


def test_a_failed_capture_leaves_it_too() -> None:
    def fails(m: Net, x: Tensor) -> Tensor:
        m.seen.append(m.a(x))
        m.later = m.a(x)
        raise ValueError("on purpose")

    model = Net(fails)
    with pytest.raises(CaptureError, match="on purpose"):
        capture(model, (inputs(),), {})
    assert model.seen == []
    assert "later" not in model.__dict__


def test_parameters_that_are_not_reached() -> None:
    found = trace(lambda m, x: m.c(torch.tanh(m.a(x))))
    assert found.unreached == ("b.weight", "b.bias", "norm.weight", "norm.bias")


def test_a_shared_parameter_has_its_first_name() -> None:
    def way(m: Net, x: Tensor) -> Tensor:
        return plain(m, x)

    model = Net(way)
    model.d = model.b
    found = capture(model, (inputs(),), {})
    assert found.tied == {"b.weight": ("d.weight",), "b.bias": ("d.bias",)}
    assert set(found.parameters.values()) >= {"b.weight"}
    assert "d.weight" not in found.shapes
