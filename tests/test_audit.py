"""Every way in which a multiplier can be lost, doubled or changed, done on purpose and noticed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import fx, nn

import mupfx
from mupfx.core.conversion import MULTIPLIERS
from mupfx.core.plan import Plan, SitePlan
from mupfx.errors import MupfxWarning, PlanError
from mupfx.passes.carry import carry, drop_carriers
from mupfx.pipeline.auditing import audit
from tests.standards import converted

Break = Callable[[Any], Plan | None]
"""Changes a model, or gives another plan for it."""


def node(model: Any) -> fx.Node:
    (found,) = (n for n in model.graph.nodes if n.name.startswith("times_attention"))
    assert isinstance(found, fx.Node)
    return found


def take_hook_off(model: Any) -> None:
    model.both._forward_hooks.clear()


def hook_twice(model: Any) -> None:
    (hook,) = model.both._forward_hooks.values()
    model.both.register_forward_hook(hook)


def other_hook(model: Any) -> None:
    (key,) = model.both._forward_hooks
    hook: Any = model.both._forward_hooks[key]
    model.both._forward_hooks[key] = replace(hook, multiplier=0.5)


def hook_elsewhere(model: Any) -> None:
    (hook,) = model.both._forward_hooks.values()
    model.out.register_forward_hook(hook)


def move_hook(model: Any) -> None:
    hook_elsewhere(model)
    take_hook_off(model)


def carry_more(model: Any) -> None:
    carry(model, model.both._parameters["weight"], 2.0)


def carry_none(model: Any) -> None:
    drop_carriers(model)


def carry_other(model: Any) -> None:
    model.out.__dict__[MULTIPLIERS]["weight"] = 0.5


def carry_elsewhere(model: Any) -> None:
    carry(model, model.out._parameters["bias"], 2.0)


def replace_module(model: Any) -> None:
    with pytest.warns(MupfxWarning, match="takes its place"):
        model.both = nn.Sequential(model.both)


def node_gone(model: Any) -> None:
    found = node(model)
    found.replace_all_uses_with(found.all_input_nodes[0])
    model.graph.erase_node(found)


def node_twice(model: Any) -> None:
    found = node(model)
    with model.graph.inserting_after(found):
        again = model.graph.node_copy(found)
    found.replace_all_uses_with(again, delete_user_cb=lambda user: user is not again)
    again.args = (found, found.args[1])


def other_number(model: Any) -> None:
    found = node(model)
    found.args = (found.args[0], 0.5)


def parameter_node_gone(model: Any) -> None:
    found = next(n for n in model.graph.nodes if n.name == "times_both_weight")
    found.replace_all_uses_with(found.all_input_nodes[0])
    model.graph.erase_node(found)


def with_site(model: Any, **changes: Any) -> Plan:
    plan = mupfx.plan(model)
    ((name, site),) = plan.sites.items()
    changed: SitePlan = replace(site, **changes)
    return replace(plan, sites={name: changed})


def with_multiplier(model: Any, name: str, factor: float) -> Plan:
    plan = mupfx.plan(model)
    row = plan.parameters[name]
    row = replace(row, multiplier=row.multiplier * factor)
    return replace(plan, parameters={**plan.parameters, name: row})


BROKEN: dict[str, tuple[str, str, Break]] = {
    "a hook is taken off": ("eager", "both: output", take_hook_off),
    "a hook runs twice": ("eager", "both: output", hook_twice),
    "a hook has another number": ("eager", "both: output", other_hook),
    "a hook is somewhere else as well": ("eager", "out: output", hook_elsewhere),
    "a hook is somewhere else": ("eager", "both: output", move_hook),
    "more is carried": ("eager", "both.weight", carry_more),
    "nothing is carried": ("eager", "both.weight", carry_none),
    "something else is carried": ("eager", "out.weight", carry_other),
    "something is carried elsewhere": ("eager", "out.bias", carry_elsewhere),
    "a module was wrapped": ("eager", "both.weight", replace_module),
    "the plan has another multiplier": (
        "eager", "both: output", lambda m: with_site(m, multiplier=0.3),
    ),
    "the plan has none": (
        "eager", "both: output", lambda m: with_site(m, multiplier=1.0, lowering="none"),
    ),
    "the plan folds it as well": (
        "eager", "both.weight", lambda m: with_site(m, lowering="fold", target=("both.weight",)),
    ),
    "the plan applies it nowhere": ("eager", "attention:", lambda m: with_site(m, target=())),
    "the plan has another gauge": (
        "eager", "out.weight", lambda m: with_multiplier(m, "out.weight", 2.0),
    ),
    "a node is gone": ("graph", "times_attention", node_gone),
    "a node is there twice": ("graph", "times_attention", node_twice),
    "a node has another number": ("graph", "times_attention", other_number),
    "a node of a parameter is gone": ("graph", "both.weight", parameter_node_gone),
    "the plan of a graph has none": (
        "graph", "times_attention", lambda m: with_site(m, multiplier=1.0, lowering="none"),
    ),
    "the plan of a graph has another gauge": (
        "graph", "out.weight", lambda m: with_multiplier(m, "out.weight", 2.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("lowering", ["eager", "graph"])
def test_a_model_as_it_is_made_holds(lowering: str) -> None:
    model = converted("fused", "unit", lowering)
    audit(mupfx.plan(model), model)


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    lowering, where, change = BROKEN[name]
    model = converted("fused", "unit", lowering)
    plan = change(model) or mupfx.plan(model)
    with pytest.raises(PlanError) as caught:
        audit(plan, model)
    assert where in (caught.value.where or "")


def test_a_folded_multiplier_is_counted_once_for_a_module_that_runs_twice() -> None:
    """Two sites, one weight: divided out of it once."""

    class Twice(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(6, 2 * size) for _ in range(3))
            self.back = nn.Linear(2 * size, 6)

        def block(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = (
                f(x).unflatten(-1, (2, -1)).transpose(1, 2) for f in (self.q, self.k, self.v)
            )
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            out: torch.Tensor = self.back(mixed.transpose(1, 2).flatten(2))
            return out

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.block(self.block(x))

    torch.manual_seed(0)
    model, x = Twice(12).double(), torch.randn(2, 4, 6).double()
    before = model.q.weight.detach().clone()
    mupfx.convert(model, x, base=Twice(4).double())
    plan = mupfx.plan(model)
    assert [(s.lowering, set(s.target)) for s in plan.sites.values()] == [
        ("fold", {"q.weight", "q.bias"})
    ] * 2
    torch.testing.assert_close(model.q.weight.detach(), before / 3**0.5)
    assert plan.parameters["q.weight"].multiplier == pytest.approx(3**0.5)
    audit(plan, model)
