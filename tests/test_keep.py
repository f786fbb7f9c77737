"""Converting what is trained: values and function stay, and training goes on as it would have."""

import copy
import warnings
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.errors import InitError, LoweringError, MupfxWarning
from tests.standards import (
    BASE,
    MODELS,
    SIZE,
    Bent,
    built,
    converted,
    difference,
    inputs_of,
    tokens,
    trained,
    vectors,
)


def back(model: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MupfxWarning)
        return mupfx.to_standard(model)


def again(model: nn.Module, name: str, **options: Any) -> Any:
    return mupfx.convert(model, inputs_of(built(name)[0]), base=built(name)[1], **options)


def furthest(one: nn.Module, other: nn.Module) -> float:
    """The largest difference of a parameter."""
    others = dict(other.named_parameters())
    return max(difference(p, others[name]) for name, p in one.named_parameters())


@pytest.mark.parametrize("gauge", ["fold", "unit"])
@pytest.mark.parametrize("name", ["fused", "inputs first", "the gain of a norm"])
def test_there_and_back_is_the_same_model(name: str, gauge: str) -> None:
    """Values and numbers of the plan, and so all training from there."""
    model = trained(converted(name))
    round_trip = again(back(copy.deepcopy(model)), name)
    assert furthest(round_trip, model) < 1e-15
    one, other = mupfx.plan(model), mupfx.plan(round_trip)
    assert {n: r.optimizers for n, r in one.parameters.items()} == {
        n: r.optimizers for n, r in other.parameters.items()
    }
    assert {n: s.target for n, s in one.sites.items()} == {
        n: s.target for n, s in other.sites.items()
    }
    assert furthest(trained(round_trip), trained(model)) < 1e-13
    elsewhere = again(back(copy.deepcopy(model)), name, gauge=gauge)
    assert difference(elsewhere(vectors()), model(vectors())) < 1e-14


def test_an_untied_readout_stays_one() -> None:
    model = trained(converted("tied"))
    standard = back(copy.deepcopy(model))
    values = copy.deepcopy(standard.state_dict())
    round_trip = again(standard, "tied")
    assert difference(round_trip(tokens()), model(tokens())) < 1e-14
    assert all(torch.equal(value, values[name]) for name, value in round_trip.state_dict().items())
    assert "_mupfx_standard" not in vars(round_trip)


def test_a_graph_of_it() -> None:
    model = trained(converted("fused"))
    round_trip = again(back(copy.deepcopy(model)), "fused", lowering="graph")
    assert "times_attention" in str(round_trip)
    assert difference(round_trip(vectors()), model(vectors())) < 1e-14


def test_a_trained_model_that_was_never_converted() -> None:
    model, _ = built("fused")
    expected, before = model(vectors()), copy.deepcopy(model.state_dict())
    again(model, "fused", init="keep")
    assert difference(model(vectors()), expected) < 1e-15
    rows = mupfx.plan(model).parameters
    assert {row.init.law for row in rows.values()} == {"kept"}
    queries = 2 * SIZE
    torch.testing.assert_close(
        model.both.weight[:queries], before["both.weight"][:queries] * 3**0.5
    )
    assert torch.equal(model.both.weight[queries:], before["both.weight"][queries:])


def test_a_weight_with_another_use_is_left_as_trained() -> None:
    model, _ = built("tied")
    expected = model(tokens())
    again(model, "tied", init="keep")
    (site,) = mupfx.plan(model).sites.values()
    assert (site.lowering, site.multiplier) == ("none", 1.0)
    assert site.evidence.endswith("left as trained: its weight has another use")
    assert torch.equal(model(tokens()), expected)


def test_what_no_weight_makes_is_left_as_trained() -> None:
    model, base = Bent(SIZE).double(), Bent(BASE).double()
    expected = model(vectors())
    mupfx.convert(model, vectors(), base=base, init="keep")
    assert torch.equal(model(vectors()), expected)


def test_values_that_are_still_to_come() -> None:
    source, base = built("fused")
    with torch.device("meta"):
        model, x = MODELS["fused"][0](SIZE).double(), torch.empty(2, 4, 5, dtype=torch.float64)
    mupfx.convert(model, x, base=base, init="keep")
    model.to_empty(device="cpu").load_state_dict(source.state_dict())
    mupfx.rescale_(model)
    assert difference(model(vectors()), source(vectors())) < 1e-15


def test_a_mapping_says_that_values_are_fresh() -> None:
    """They are looked at then."""
    model = again(back(trained(converted("fused"))), "fused", init={})
    assert "kept" not in {row.init.law for row in mupfx.plan(model).parameters.values()}


def test_no_law_of_this_name() -> None:
    with pytest.raises(InitError) as caught:
        again(built("fused")[0], "fused", init="kept")
    assert str(caught.value) == snapshot("""\
init='kept' says nothing
  expected: "keep", or a dict of laws\
""")


def test_the_start_of_a_trained_model_is_not_known() -> None:
    model, _ = built("fused")
    with pytest.raises(LoweringError) as caught:
        again(model, "fused", init="keep", parametrization="ic_mean_field")
    assert str(caught.value) == snapshot("""\
the initial function of a trained model is not known
  where: out, out.bias
  hint: convert before training, or use 'mean_field'\
""")
