"""Back to an ordinary module: the same function, and nothing of ours left on it."""

import copy
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.errors import LoweringError, MupfxWarning, PlanError
from tests.standards import (
    BASE,
    MODELS,
    SIZE,
    Bent,
    Functional,
    Fused,
    built,
    converted,
    difference,
    inputs_of,
    tokens,
    trained,
    vectors,
)


def back(model: nn.Module, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MupfxWarning)
        return mupfx.to_standard(model, **options)


def remains(model: nn.Module) -> list[str]:
    """What of ours is on a module or in its parts, but for the marker."""
    found = [
        f"{name}.{key}"
        for name, module in model.named_modules()
        for key in module.__dict__
        if "mupfx" in key and key != "_mupfx_standard"
    ]
    for name, module in model.named_modules():
        found += [f"{name} hook" for _ in (*module._forward_hooks, *module._forward_pre_hooks)]
        found += [f"{name} class" for key in vars(type(module)) if "mupfx" in key]
        found += [
            f"{name} dict"
            for held in (module._parameters, module._modules)
            if type(held) is not dict
        ]
    return found


@pytest.mark.parametrize("gauge", ["fold", "mup", "unit"])
@pytest.mark.parametrize("name", MODELS)
def test_the_same_function_after_training(name: str, gauge: str) -> None:
    model = trained(converted(name, gauge))
    assert remains(model)
    expected = model(inputs_of(model)).detach()
    standard = back(copy.deepcopy(model))
    assert type(standard) is type(model)
    assert remains(standard) == []
    assert difference(standard(inputs_of(model)), expected) < 1e-14
    assert [n for n, _ in standard.named_parameters(remove_duplicate=False)] == [
        n for n, _ in model.named_parameters(remove_duplicate=False)
    ]
    plain, _ = built(name)
    plain.load_state_dict(standard.state_dict(), strict=True)


@pytest.mark.parametrize("name", [n for n in MODELS if "tied" not in n])
def test_values_fit_the_unconverted_class(name: str) -> None:
    model = trained(converted(name))
    plain, _ = built(name)
    plain.load_state_dict(back(copy.deepcopy(model)).state_dict())
    assert difference(plain(inputs_of(model)), model(inputs_of(model))) < 1e-14


@pytest.mark.parametrize("gauge", ["fold", "unit"])
@pytest.mark.parametrize("name", ["interleaved", "two layers added", "tied", "tied, read twice"])
def test_a_graph_without_its_multipliers(name: str, gauge: str) -> None:
    model = trained(converted(name, gauge, "graph"))
    x = inputs_of(built(name)[0])
    expected = model(x).detach()
    standard = back(copy.deepcopy(model))
    assert "times_" in str(model)
    assert "times_" not in str(standard)
    assert remains(standard) == []
    assert difference(standard(x), expected) < 1e-14
    plain, _ = built(name)
    plain.load_state_dict(standard.state_dict(), strict=True)


def test_a_block_that_runs_three_times() -> None:
    """Three nodes multiply what one weight makes: it is multiplied once."""

    class Shared(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.attention, self.out = Fused(size), nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(3):
                x = x + self.out(self.attention(x))
            return x

    torch.manual_seed(0)
    model: Any = Shared(SIZE).double()
    model = mupfx.convert(
        model, vectors(), base=Shared(BASE).double(), lowering="graph", strict=False
    )
    assert len([site for site in mupfx.plan(model).sites.values() if site.baked]) == 3
    expected = model(vectors())
    assert difference(back(model)(vectors()), expected) < 1e-14


def test_only_queries_change() -> None:
    model = converted("fused")
    before = model.both.weight.detach().clone()
    after = back(model).both.weight
    queries = 2 * SIZE
    assert torch.equal(after[queries:], before[queries:])
    torch.testing.assert_close(after[:queries], before[:queries] / 3**0.5)


def test_an_untied_weight_is_reported() -> None:
    model = converted("tied")
    with pytest.warns(MupfxWarning) as caught:
        mupfx.to_standard(model)
    assert str(caught[0].message) == snapshot(
        "head.weight is 0.333333 times table.weight now, and a parameter of its own: they were tied"
    )
    assert caught[0].filename == __file__
    assert model.head.weight is not model.table.weight
    assert model._mupfx_standard["notes"] == [str(caught[0].message)]


def test_weights_stay_tied_where_a_norm_can_be_multiplied_instead() -> None:
    model = trained(converted("tied"))
    expected = model(tokens())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        standard: Any = mupfx.to_standard(model, untie=False)
    assert standard.head.weight is standard.table.weight
    assert difference(standard(tokens()), expected) < 1e-14
    plain, _ = built("tied")
    plain.load_state_dict(standard.state_dict())
    assert difference(plain(tokens()), expected) < 1e-14


def test_weights_that_must_be_untied_are_not_behind_ones_back() -> None:
    model = converted("tied, no norm")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(LoweringError) as caught:
        mupfx.to_standard(model, untie=False)
    assert str(caught.value) == snapshot("""\
the multiplier 0.333333 of tied_readout:linear_1 asks for a weight of its own
  where: head.weight
  hint: untie=True gives it one\
""")
    assert_as_it_was(model, before)


def test_the_table_itself_in_the_code_is_not_untied() -> None:
    """There is no second name for it: what the readout reads carries the multiplier."""

    class Apart(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.model = Functional(width)
            self.read = Reads(self.model)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.read(self.model.norm(self.model.table(ids)))
            return out

    class Reads(nn.Module):
        def __init__(self, model: Functional) -> None:
            super().__init__()
            self.table = model.table

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.table.weight)

    model = mupfx.convert(Apart(24).double(), tokens(), base=Apart(8).double(), strict=False)
    expected = model(tokens())
    (site,) = mupfx.plan(model).sites.values()
    assert [(row.parameter, row.untied) for row in site.baked] == [
        ("model.norm.bias", False), ("model.norm.weight", False),
    ]  # fmt: skip
    assert difference(back(model)(tokens()), expected) < 1e-14


def test_what_no_weight_can_carry_is_refused() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, base = Bent(SIZE).double(), Bent(BASE).double()
    mupfx.convert(model, vectors(), base=base)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(LoweringError) as caught:
        mupfx.to_standard(model)
    assert str(caught.value) == snapshot("""\
no weight can carry the multiplier 0.57735 of attention:scaled_dot_product_attention
  where: bend_q: output[..., 0:24 of 24] * 0.57735
  found: aten.tanh is not linear in a parameter (standards.py:99 q, k = self.bend_q(self.q(x)), self.bend_k(self.k(x)))
  hint: keep the multiplier in the code: export the model itself, hooks and all\
""")
    assert_as_it_was(model, before)


def assert_as_it_was(model: nn.Module, before: dict[str, torch.Tensor]) -> None:
    assert mupfx.plan(model).sites
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert any("hook" in remain for remain in remains(model))


def test_a_layer_that_reads_itself_is_refused() -> None:
    """What is added is multiplied through its own layer and through the one behind it: twice."""

    class Chained(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.both, self.more = Chain(5, 6 * size), nn.Linear(6 * size, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = (
                part.unflatten(-1, (2, -1)).transpose(1, 2) for part in self.both(x).chunk(3, -1)
            )
            mixed = nn.functional.scaled_dot_product_attention(q, k, v)
            out: torch.Tensor = self.more(torch.cat([mixed.transpose(1, 2).flatten(2)] * 3, -1))
            return out

    class Chain(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(inputs, outputs), nn.Linear(outputs, outputs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.first(x)
            out: torch.Tensor = y + self.second(y)
            return out

    torch.manual_seed(0)
    model = mupfx.convert(
        Chained(SIZE).double(), vectors(), base=Chained(BASE).double(), strict=False
    )
    (site,) = mupfx.plan(model).sites.values()
    assert site.lowering == "hook"
    assert "reads linear too" in site.unbaked
    with pytest.raises(LoweringError):
        mupfx.to_standard(model)


def test_the_initial_function_is_refused() -> None:
    model, base = built("fused")
    mupfx.convert(model, vectors(), base=base, parametrization="ic_mean_field")
    with pytest.raises(LoweringError) as caught:
        mupfx.to_standard(model)
    assert str(caught.value) == snapshot("""\
the initial function is added to what the weights make, and no weights make it
  where: out
  hint: ship the code with it: torch.save(model), or torch.export\
""")


def test_a_model_that_was_not_converted() -> None:
    with pytest.raises(PlanError, match="was not converted"):
        mupfx.to_standard(nn.Linear(2, 2))


def test_a_model_without_values() -> None:
    with torch.device("meta"):
        model, base = MODELS["fused"][0](SIZE), MODELS["fused"][0](BASE)
        x = torch.empty(2, 4, 5)
    mupfx.convert(model, x, base=base)
    with pytest.raises(PlanError) as caught:
        mupfx.to_standard(model)
    assert str(caught.value) == snapshot("""\
this model has no values yet, or they are not rescaled
  hint: initialise it, then mupfx.rescale_(model)\
""")


def test_a_hook_that_was_taken_off_is_noticed() -> None:
    model = converted("fused")
    model.both._forward_hooks.clear()
    with pytest.raises(PlanError) as caught:
        mupfx.to_standard(model)
    assert str(caught.value) == snapshot("""\
a multiplier of the plan is not applied exactly once
  where: both: output[..., 0:24 of 72] * 0.57735
  expected: 0.57735026919, once
  found: nothing
  hint: convert the model afresh: its multipliers are not to be changed by hand\
""")


def test_compiled_beside_a_model_without_hooks() -> None:
    """Compiled code is kept for other models of the class: whether they have hooks is not asked."""
    model, (plain, _) = converted("fused"), built("fused")
    expected = model(vectors())
    compiled(plain)(vectors())
    assert torch.equal(compiled(model)(vectors()), expected)
    bent, base = Bent(SIZE).double(), Bent(BASE).double()
    compiled(copy.deepcopy(bent))(vectors())
    expected = mupfx.convert(bent, vectors(), base=base)(vectors())
    assert torch.equal(compiled(bent)(vectors()), expected)
    assert torch.equal(compiled(pickle.loads(pickle.dumps(bent)))(vectors()), expected)
    initial, base = built("fused")
    mupfx.convert(initial, vectors(), base=base, parametrization="ic_mean_field")
    expected = initial(vectors())
    assert torch.equal(compiled(initial)(vectors()), expected)


def compiled(model: nn.Module) -> Any:
    return torch.compile(model, backend="eager")


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


@pytest.mark.parametrize("wrap", [compiled, compiled_in_place, nn.DataParallel])
def test_out_of_wrappers(wrap: Any) -> None:
    model = converted("fused")
    wrapped = wrap(model)
    expected = wrapped(vectors())
    standard = mupfx.to_standard(wrapped)
    assert standard is model
    assert difference(standard(vectors()), expected) < 1e-14
    assert difference(wrapped(vectors()), expected) < 1e-14


@pytest.mark.parametrize("gauge", ["fold", "unit"])
@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel])
def test_a_wrapped_model_is_converted_inside(wrap: Any, gauge: str) -> None:
    """Names are the model's own, so that its optimizer and the way back know them."""
    model, base = built("fused")
    wrapped = mupfx.convert(wrap(model), vectors(), base=base, gauge=gauge)
    assert list(mupfx.plan(wrapped).parameters) == [name for name, _ in model.named_parameters()]
    expected = trained(wrapped)(vectors())
    assert difference(mupfx.to_standard(wrapped)(vectors()), expected) < 1e-14


def test_half_precision() -> None:
    model = converted("fused", "unit").to(torch.bfloat16)
    x = vectors().to(torch.bfloat16)
    expected = model(x)
    standard = mupfx.to_standard(model)
    assert {p.dtype for p in standard.parameters()} == {torch.bfloat16}
    assert difference(standard(x), expected) < 0.02


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("name", ["fused", "tied"])
def test_loaded_values(name: str, assign: bool) -> None:  # noqa: FBT001 - a case
    model, other = trained(converted(name, "unit")), converted(name, "unit")
    other.load_state_dict(model.state_dict(), assign=assign)
    expected = other(inputs_of(model))
    assert difference(expected, model(inputs_of(model))) < 1e-15
    assert difference(back(other)(inputs_of(model)), expected) < 1e-14


def test_a_gradient_that_waits_is_of_what_is_stored() -> None:
    model = converted("fused", "unit")
    model(vectors()).square().mean().backward()
    standard = mupfx.to_standard(model)
    kept = {
        name: torch.clone(p.grad) for name, p in standard.named_parameters() if p.grad is not None
    }
    standard.zero_grad()
    standard(vectors()).square().mean().backward()
    for name, parameter in standard.named_parameters():
        torch.testing.assert_close(kept[name], parameter.grad)


def test_frozen_parameters_stay_frozen() -> None:
    model = converted("tied")
    model.requires_grad_(requires_grad=False)
    assert not any(p.requires_grad for p in back(model).parameters())


def test_pickled_for_those_who_have_no_mupfx(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 3))
    mupfx.convert(model, torch.randn(2, 5), base=8, gauge="mup")
    torch.save(mupfx.to_standard(model), tmp_path / "model.pt")
    code = (
        "import sys; sys.modules['mupfx'] = None\n"
        "import torch; model = torch.load(sys.argv[1], weights_only=False)\n"
        "torch.save(model(torch.ones(2, 5)), sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.pt")], check=True)
    assert torch.equal(torch.load(tmp_path / "model.pt"), model(torch.ones(2, 5)))


def test_copies_and_pickles_of_a_converted_model_go_back_too() -> None:
    model = converted("the gain of a norm", "unit")
    expected = model(vectors())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert difference(back(twin)(vectors()), expected) < 1e-14
