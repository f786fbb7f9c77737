"""A model as one graph: the same parameters and numbers, and every multiplier a node."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.passes.rewrite.models import (
    Answer,
    ConvNet,
    Encoder,
    Gpt,
    Plain,
    batch,
    image,
    tokens,
)

CALL = (tokens(),)


def gpt(width: int = 64) -> Gpt:
    torch.manual_seed(0)
    return Gpt(width).double()


def graph_of(model: nn.Module, args: Any, base: nn.Module, **given: Any) -> Any:
    graph: object = mupfx.convert(model, args, base=base, lowering="graph", **given)
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


@pytest.fixture(scope="module")
def made() -> Any:
    return graph_of(gpt(), CALL, Gpt(32))


@pytest.fixture(scope="module")
def folded() -> nn.Module:
    return mupfx.convert(gpt(), CALL, base=Gpt(32))


def products(module: torch.fx.GraphModule) -> dict[str, Any]:
    return {n.name: n.args[1] for n in module.graph.nodes if "multiplier" in n.meta}


def losses(model: nn.Module, steps: int = 5) -> list[float]:
    model = copy.deepcopy(model).train()
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2, weight_decay=0.1)
    found = []
    for step in range(steps):
        torch.manual_seed(step)
        loss = model(*CALL)["logits"].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def test_every_multiplier_of_a_site_is_one_named_node(made: Any) -> None:
    sites = {s.name: s for s in mupfx.plan(made).sites.values() if s.multiplier != 1}
    assert [n for s in sites.values() for n in s.target] == list(products(made))
    assert sorted(products(made).values()) == [0.5, 0.5**0.5, 0.5**0.5]
    assert {s.lowering for s in sites.values()} == {"graph"}


def test_both_lowerings_train_alike(made: Any, folded: nn.Module) -> None:
    expected, found = losses(folded), losses(made)
    assert expected[0] != expected[-1]
    assert found == pytest.approx(expected, rel=1e-12)


def test_parameters_are_the_models_own() -> None:
    model = ConvNet(16)
    before = dict(model.named_parameters(remove_duplicate=False))
    graph = graph_of(model, image(), ConvNet(8), gauge="unit")
    after = dict(graph.named_parameters(remove_duplicate=False))
    assert list(before) == list(after)
    assert all(before[name] is after[name] for name in before)
    fresh = ConvNet(16)
    assert list(graph.state_dict()) == list(fresh.state_dict())
    fresh.load_state_dict(graph.state_dict(), strict=True)
    graph.load_state_dict(fresh.state_dict(), strict=True)
    with pytest.raises(mupfx.ModelError, match="belong to its graph"):
        mupfx.convert(model, image(), base=ConvNet(8))
    with pytest.raises(mupfx.PlanError, match="belong to its graph"):
        mupfx.plan(model)


def test_a_gauge_is_one_node_for_each_parameter_that_it_multiplies(
    made: Any,
) -> None:
    graph = copy.deepcopy(made).eval()
    before, sites = graph(*CALL)["logits"], len(products(graph))
    weight = graph.get_parameter("blocks.0.out.weight").detach().clone()
    mupfx.regauge_(graph, {"blocks.0.out.weight": 0.25, "blocks.1.out.bias": 2.0})
    assert len(products(graph)) == sites + 2
    assert products(graph)["times_blocks_0_out_weight"] == 0.25
    assert torch.equal(graph.get_parameter("blocks.0.out.weight"), 4 * weight)
    assert torch.equal(graph(*CALL)["logits"], before)
    mupfx.regauge_(graph, {"blocks.0.out.weight": 4.0, "blocks.1.out.bias": 2.0})
    assert len(products(graph)) == sites + 1
    assert products(graph)["times_blocks_1_out_bias"] == 4.0
    assert torch.equal(graph(*CALL)["logits"], before)


def test_modes_are_followed_module_by_module(made: Any, folded: nn.Module) -> None:
    graph, model = copy.deepcopy(made), copy.deepcopy(folded)

    def alike() -> bool:
        torch.manual_seed(1)
        found = graph(*CALL)["logits"]
        torch.manual_seed(1)
        return bool(torch.allclose(found, model(*CALL)["logits"], rtol=1e-10))

    def both(change: Callable[[nn.Module], object]) -> bool:
        change(graph)
        change(model)
        return alike()

    assert both(lambda m: m.train())
    assert both(lambda m: m.get_submodule("blocks.0.drop").eval())
    assert both(lambda m: m.get_submodule("blocks.1").eval())
    assert both(lambda m: m.eval())
    assert not both(lambda m: m.train()) or alike()


def test_batch_norms_count_and_normalise_as_the_mode_says() -> None:
    torch.manual_seed(0)
    model = ConvNet(16)
    twin = copy.deepcopy(model)
    graph = graph_of(model, image(), ConvNet(16))
    for module in (graph, twin):
        module.train()
        module(image(3))
        module.eval()
    assert torch.equal(graph(image()), twin(image()))
    assert int(graph.get_buffer("norm.num_batches_tracked")) == 1
    for name in ("norm.running_mean", "norm.running_var"):
        assert torch.equal(graph.get_buffer(name), twin.get_buffer(name))


def pickled(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def saved(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved])
def test_a_copy_is_a_graph_of_its_own(made: Any, copied: Callable[[Any], Any]) -> None:
    other = copied(made)
    assert str(other) == str(made)
    assert other.code == made.code
    assert mupfx.plan(other) == mupfx.plan(made)
    assert torch.equal(other.eval()(*CALL)["logits"], made.eval()(*CALL)["logits"])
    assert list(other.state_dict()) == list(made.state_dict())
    assert other.head.weight is other.tokens.weight
    assert other.head.weight is not made.get_parameter("head.weight")
    assert losses(other, 2) == losses(made, 2)


def test_it_compiles_and_exports(made: Any) -> None:
    graph = copy.deepcopy(made).eval()
    expected = graph(*CALL)["logits"]
    compiled: Any = torch.compile(graph, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(*CALL)["logits"], expected, rtol=1e-12)
    assert compiled.train()(*CALL)["logits"].requires_grad
    exported = torch.export.export(graph.eval(), CALL)
    assert torch.equal(exported.module()(*CALL)["logits"], expected)


def test_types_and_devices_follow_the_parameters(made: Any) -> None:
    graph = copy.deepcopy(made).eval().to(torch.bfloat16)
    assert graph(*CALL)["logits"].dtype is torch.bfloat16
    on_meta = graph.to("meta")
    assert on_meta(*(t.to("meta") for t in CALL))["logits"].is_meta


def test_batch_and_length_are_open(made: Any, folded: nn.Module) -> None:
    made.eval()
    folded.eval()
    for shape in ((1, 8), (3, 5), (2, 1), (2, 16)):
        other = tokens(0, *shape)
        assert torch.allclose(made(other)["logits"], folded(other)["logits"], rtol=1e-10)


def test_arguments_and_results_keep_their_types() -> None:
    torch.manual_seed(0)
    model = Encoder(16)
    twin = copy.deepcopy(model)
    graph = graph_of(model, (batch(),), Encoder(16), kwargs={"hidden": True})
    assert products(graph) == {}
    found, expected = graph(batch(7), hidden=True), twin(batch(7), hidden=True)
    kept = expected.hidden or []
    assert type(found) is Answer
    assert found.note == "plain"
    assert torch.equal(found.scores, expected.scores)
    assert all(torch.equal(a, b) for a, b in zip(found.hidden or [], kept, strict=True))
    with pytest.raises(mupfx.LoweringError, match="made with hidden=True"):
        graph(batch(), hidden=False)
    inputs = batch()
    inputs["places"] = inputs["places"].float().requires_grad_()
    graph(inputs).scores.sum().backward()
    assert inputs["places"].grad is None
    assert graph.get_parameter("embed.weight").grad is not None


def test_values_may_come_later() -> None:
    def net() -> Plain:
        torch.manual_seed(0)
        return Plain(32)

    one = torch.ones(1, 4)
    ready = graph_of(net(), one, Plain(16), gauge="mup")
    with torch.device("meta"):
        empty = Plain(32)
    graph = graph_of(empty, one, Plain(16), gauge="mup")
    assert "no values yet" in "".join(mupfx.plan(graph).notes)
    graph.to_empty(device="cpu")
    graph.load_state_dict(net().state_dict())
    mupfx.rescale_(graph)
    assert torch.equal(graph(one), ready(one))
    assert all(torch.equal(p, ready.get_parameter(n)) for n, p in graph.named_parameters())


def test_the_same_tensor_twice_is_two_arguments() -> None:
    once = tokens(0)
    graph = graph_of(gpt(32), (once, once), Gpt(32)).eval()
    call = tokens(0), tokens(1)
    assert torch.equal(graph(*call)["loss"], gpt(32).eval()(*call)["loss"])


def test_exact_splits_what_folding_would_carry() -> None:
    def net(width: int) -> Plain:
        torch.manual_seed(0)
        return Plain(width)

    makings: dict[str, Any] = {
        "base": Plain(16),
        "hyperparameters": mupfx.Hyperparameters(output_multiplier=3.0),
        "exact": True,
    }
    one = torch.ones(1, 4)
    eager = mupfx.convert(net(32), one, **makings)
    graph = graph_of(net(32), one, **makings)
    assert set(products(graph).values()) == {4.0}
    assert torch.equal(graph(one), eager(one))


@pytest.mark.slow
@pytest.mark.parametrize("gauge", ["fold", "unit"])
def test_inductor_compiles_it_whole(gauge: str) -> None:
    graph = graph_of(gpt(), CALL, Gpt(32), gauge=gauge)
    compiled: Any = torch.compile(graph, fullgraph=True)
    for mode in (False, True, False):
        graph.train(mode)
        compiled(*CALL)["logits"].sum().backward()
    expected = graph(*CALL)["logits"]
    assert torch.allclose(compiled(*CALL)["logits"], expected, rtol=1e-10)
    assert torch.allclose(compiled(tokens(0, 3, 5))["logits"], graph(tokens(0, 3, 5))["logits"])
