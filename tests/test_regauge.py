"""A model in another gauge: what it computes, what it stores, how it travels, what is refused."""

import copy
import io
import math
import pickle
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn
from torch.func import functional_call

import mupfx
from tests.gauged import Attending, Recurrent, Tied, converted, everywhere, inputs_of
from tests.misuse.refusal import refusal


@pytest.mark.parametrize("kind", [Attending, Tied])
def test_the_same_function_of_other_stored_values(kind: Any) -> None:
    model = converted(kind)
    before, stored = model(inputs_of(model)), copy.deepcopy(model.state_dict())
    names = [name for name, _ in model.named_parameters()]
    mupfx.regauge_(model, everywhere(model))
    assert torch.equal(model(inputs_of(model)), before)
    assert list(model.state_dict()) == list(stored)
    assert [name for name, _ in model.named_parameters()] == names
    for name, value in model.state_dict().items():
        assert torch.equal(value, stored[name] / 4)
    assert {p.multiplier for p in mupfx.plan(model).parameters.values()} == {4.0}


def test_in_evaluation_too() -> None:
    """Torch's attention then takes another path."""
    model = converted().eval()
    with torch.no_grad():
        before = model(inputs_of(model))
        mupfx.regauge_(model, everywhere(model, 0.25))
        assert torch.equal(model(inputs_of(model)), before)


def test_back_again_leaves_nothing() -> None:
    model = converted()
    before, classes = copy.deepcopy(model.state_dict()), [type(m) for m in model.modules()]
    mupfx.regauge_(model, everywhere(model))
    assert [type(m) for m in model.modules()] != classes
    mupfx.regauge_(model, everywhere(model, 0.25))
    assert [type(m) for m in model.modules()] == classes
    assert all("_mupfx_multipliers" not in vars(m) for m in model.modules())
    assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())


def test_it_is_still_the_class_that_it_was() -> None:
    model = mupfx.regauge_(converted(), {"stem.weight": 2.0})
    assert isinstance(model.stem, nn.Linear)
    assert repr(model) == repr(converted())
    assert type(model.stem).__name__ == "Linear"


def test_gradients_are_of_the_stored_values() -> None:
    model, moved = converted(), mupfx.regauge_(converted(), {"stem.weight": 4.0})
    for each in (model, moved):
        torch.autograd.backward(each(inputs_of(each)).square().sum())
    assert torch.equal(moved.stem.weight.detach(), model.stem.weight.detach())
    stored = dict(moved.named_parameters())["stem.weight"].grad
    assert torch.equal(stored, 4 * model.stem.weight.grad)


def test_gradients_at_hand_move_along() -> None:
    model = converted()
    torch.autograd.backward(model(inputs_of(model)).square().sum())
    before = model.stem.weight.grad.clone()
    mupfx.regauge_(model, {"stem.weight": 4.0})
    assert torch.equal(dict(model.named_parameters())["stem.weight"].grad, 4 * before)


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "save", "state_dict"])
def test_it_travels(way: str) -> None:
    model = mupfx.regauge_(converted(), everywhere(converted(), 2.0))
    before = model(inputs_of(model))
    if way == "deepcopy":
        again = copy.deepcopy(model)
    elif way == "pickle":
        again = pickle.loads(pickle.dumps(model))
    elif way == "save":
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        again = torch.load(file, weights_only=False)
    else:
        again = mupfx.regauge_(converted(), everywhere(converted(), 2.0))
        again.load_state_dict(model.state_dict())
    assert torch.equal(again(inputs_of(again)), before)
    mupfx.regauge_(again, everywhere(again, 0.5))
    assert torch.equal(again(inputs_of(again)), before)


def test_functional_call_gives_stored_values() -> None:
    model = mupfx.regauge_(converted(), {"stem.weight": 4.0})
    stored = {name: value.detach() for name, value in model.named_parameters()}
    given = functional_call(model, stored, (inputs_of(model),))
    torch.testing.assert_close(given, model(inputs_of(model)))


def test_it_compiles() -> None:
    model = mupfx.regauge_(converted(Tied), everywhere(converted(Tied), 2.0))
    compiled: Any = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(compiled(inputs_of(model)), model(inputs_of(model)))


def test_a_wrapper_is_seen_through() -> None:
    model = converted()
    mupfx.regauge_(nn.Sequential(model), {"stem.weight": 2.0})
    assert mupfx.plan(model).parameters["stem.weight"].multiplier == 2.0


def test_exact_rounds_to_powers_of_two() -> None:
    model = mupfx.regauge_(converted(), {"stem.weight": 2.7, "stem.bias": 0.3}, exact=True)
    rows = mupfx.plan(model).parameters
    assert (rows["stem.weight"].multiplier, rows["stem.bias"].multiplier) == (2.0, 0.25)


def test_factors_follow() -> None:
    row = mupfx.plan(mupfx.regauge_(converted(), {"readout.weight": 4.0})).parameters
    assert row["readout.weight"].optimizers["adamw"].lr == 0.5 / 4
    assert row["readout.weight"].optimizers["adamw"].weight_decay == 2 * 4
    assert row["readout.weight"].optimizers["sgd"].lr == 0.5 / 16


# ------------------------------------------------------------------------- optimizers


def test_a_group_that_moves_in_part_is_split() -> None:
    model = converted()
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    before = {n: g for g in optimizer.param_groups for n in g["mupfx"]["parameters"]}
    count = len(optimizer.param_groups)
    mupfx.regauge_(model, {"stem.weight": 2.0}, optimizer=optimizer)
    after = {n: g for g in optimizer.param_groups for n in g["mupfx"]["parameters"]}
    assert len(optimizer.param_groups) == count + 1
    assert after["stem.weight"]["lr"] == before["stem.weight"]["lr"] / 2
    assert after["stem.weight"]["eps"] == before["stem.weight"]["eps"] * 2
    assert after["stem.bias"]["lr"] == before["stem.bias"]["lr"]
    assert len({g["name"] for g in optimizer.param_groups}) == count + 1
    assert mupfx.check_groups(optimizer) == ()


def test_several_optimizers() -> None:
    model = converted()
    first = torch.optim.SGD(list(model.stem.parameters()), lr=0.1)
    rest = [p for n, p in model.named_parameters() if not n.startswith("stem")]
    second = torch.optim.AdamW(rest, lr=0.1)
    mupfx.regauge_(model, everywhere(model, 2.0), optimizer=[first, second])
    assert first.param_groups[0]["lr"] == 0.1 / 4
    assert second.param_groups[0]["lr"] == 0.1 / 2


def with_scheduler() -> tuple[Any, Any]:
    model = converted()
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 3)
    return model, optimizer


def test_a_scheduler_counts_groups() -> None:
    model, optimizer = with_scheduler()
    error = refusal(model, lambda: mupfx.regauge_(model, {"stem.weight": 2.0}, optimizer=optimizer))
    assert error == snapshot("""\
OptimizerError: a group would have to be split, and a scheduler counts the groups
  where: input+vector.lr=1
  found: multipliers grow by 1, 2
  hint: move all parameters of a group alike, or move before the scheduler is made\
""")
    assert mupfx.plan(model).parameters["stem.weight"].multiplier == 1.0
    mupfx.regauge_(model, everywhere(model, 2.0), optimizer=optimizer)


class Remembering(torch.optim.SGD):
    """Keeps something that no table knows."""

    def step(self, closure: Any = None) -> Any:
        loss = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["trace"] = parameter.detach().clone()
        return loss


def test_unknown_state() -> None:
    model = converted()
    optimizer = Remembering(model.parameters(), lr=0.1)
    torch.autograd.backward(model(inputs_of(model)).sum())
    optimizer.step()
    error = refusal(model, lambda: mupfx.regauge_(model, everywhere(model), optimizer=optimizer))
    assert error == snapshot("""\
OptimizerError: nothing is known of a part of Remembering's state
  where: state[parameter]['trace']
  expected: momentum_buffer
  hint: pass a family=mupfx.OptimizerFamily(..., state={...}) that does\
""")


# ---------------------------------------------------------------------------- refusals


def test_weights_in_a_list() -> None:
    model = converted(Recurrent)
    assert refusal(model, lambda: mupfx.regauge_(model, {"lstm.weight_hh_l0": 2.0})) == snapshot("""\
LoweringError: nothing can multiply this parameter on its way to what reads it
  where: lstm.weight_hh_l0
  found: LSTM also keeps it in `_flat_weights`, and reads it there
  hint: leave it in the gauge it is in\
""")


def test_rows_that_are_cut_in_place() -> None:
    torch.manual_seed(0)
    models = [Tied(width) for width in (16, 8)]
    for model in models:
        model.embedding.max_norm = 1.0
        model.readout = nn.Linear(model.body.out_features, 11)
    model = mupfx.convert(models[0], inputs_of(models[0]), base=models[1], hooks=True)
    assert refusal(model, lambda: mupfx.regauge_(model, {"embedding.weight": 2.0})) == snapshot("""\
LoweringError: a looked-up row is cut to a length in place, and that is of stored values
  where: embedding.weight
  found: Embedding with max_norm=1.0
  hint: leave it in the gauge it is in\
""")


def test_tied_names_have_one_multiplier() -> None:
    model = converted(Tied)
    given = {"embedding.weight": 2.0, "readout.weight": 4.0}
    assert refusal(model, lambda: mupfx.regauge_(model, given)) == snapshot("""\
LoweringError: tied names are one parameter, and have one multiplier
  where: readout.weight, tied to embedding.weight
  expected: 2
  found: 4\
""")
    mupfx.regauge_(model, {"readout.weight": 2.0})
    assert mupfx.plan(model).parameters["embedding.weight"].multiplier == 2.0


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("exact", [True, False])
def test_no_multiplier(value: float, exact: bool) -> None:  # noqa: FBT001
    model = converted()
    with pytest.raises(mupfx.LoweringError, match="positive number"):
        mupfx.regauge_(model, {"stem.weight": value}, exact=exact)


def test_no_parameter() -> None:
    model = converted()
    assert refusal(model, lambda: mupfx.regauge_(model, {"stem.wieght": 2.0})) == snapshot("""\
PlanError: the plan has no parameter `stem.wieght`
  where: stem.wieght\
""")


def test_no_conversion() -> None:
    with pytest.raises(mupfx.PlanError, match="was not converted"):
        mupfx.regauge_(Tied(8), {"body.weight": 2.0})
