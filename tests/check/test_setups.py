"""What is supplied where a target leaves it out, and that every setup is its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.errors import TargetError
from mupfx.pipeline.checking.setups import Workshop
from mupfx.pipeline.checking.supplies import SuppliedLoss, answer, supply_inputs
from mupfx.pipeline.checking.target import read_target
from mupfx.pipeline.checking.watching import first_call
from mupfx.tables.mup import MUP
from tests.check.targets import BASE, batch, good, inner_error, loss, net

SIZES = (Size(16), Size(64))
SPEC = "float32[5,8]"


def workshop(factory: Callable[..., Any], inputs: object = None) -> Workshop:
    return Workshop(read_target(factory, ("width",), name="f"), SIZES, inputs, MUP)


def setup(factory: Callable[..., Any], inputs: object = None) -> Setup:
    return workshop(factory, inputs).setup(SIZES[1], 0)


def rates(made: Setup) -> dict[str, float]:
    names = {id(p): name for name, p in made.model.named_parameters()}
    groups = [group for optimizer in made.optimizers for group in optimizer.param_groups]
    return {names[id(p)]: group["lr"] for group in groups for p in group["params"]}


def test_nothing_is_supplied_to_a_whole_target() -> None:
    made = setup(good)
    assert made.supplied == ()
    assert made.loss is loss
    assert made.args[0].shape == (16, 8)


def test_a_model_alone_gets_everything() -> None:
    made = setup(net, SPEC)
    assert made.supplied == snapshot(
        (
            "the batch is a fixed random batch, float32[5,8]",
            "the loss is cross-entropy on fixed random classes",
            "the optimizer is AdamW, its groups scaled by mup",
        )
    )
    assert made.args[0].shape == (5, 8)
    found = made.loss(made.model, made.batch)
    assert found.ndim == 0
    assert found.requires_grad


def test_a_supplied_optimizer_is_scaled_from_the_smallest_size() -> None:
    found = rates(setup(net, SPEC))
    assert found["2.weight"] == pytest.approx(found["0.weight"] / 4)
    assert found["4.weight"] == pytest.approx(found["0.weight"] / 4)
    assert found["2.bias"] == found["0.weight"]
    smallest = rates(workshop(net, SPEC).setup(SIZES[0], 0))
    assert set(smallest.values()) == {found["0.weight"]}


def test_a_converted_model_gets_the_optimizer_of_its_plan() -> None:
    def made(width: int) -> nn.Module:
        return mupfx.convert(net(width), torch.zeros(1, 8), base=net(BASE // 2))

    found = setup(made, SPEC)
    assert "mupfx.optimizer" in " ".join(found.supplied)
    assert rates(found)["2.weight"] == pytest.approx(rates(found)["0.weight"] / 8)


def test_inputs_that_a_target_brings_itself() -> None:
    made = setup(lambda width: (net(width), (torch.ones(3, 8),)))
    assert made.args[0].shape == (3, 8)
    assert not any("batch" in sentence for sentence in made.supplied)


def test_the_batch_is_the_same_at_every_size_and_seed() -> None:
    shop = workshop(net, SPEC)
    one, other = shop.setup(SIZES[0], 0), shop.setup(SIZES[1], 3)
    assert torch.equal(one.args[0], other.args[0])
    assert isinstance(one.loss, SuppliedLoss)
    assert isinstance(other.loss, SuppliedLoss)
    assert torch.equal(one.loss.goal, other.loss.goal)


def test_an_output_that_grows_is_no_score_of_classes() -> None:
    made = setup(lambda width: net(width)[:3], SPEC)
    assert "the loss is squared error on fixed random numbers" in made.supplied


@dataclass
class Answer:
    loss: Tensor | None
    logits: Tensor


class Nested(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = net(width)

    def forward(self, x: Tensor) -> Mapping[str, Answer]:
        return {"out": Answer(None, self.net(x))}


def test_the_answer_is_the_first_tensor_of_floats_in_an_output() -> None:
    made = setup(Nested, SPEC)
    assert "the loss is cross-entropy on fixed random classes" in made.supplied
    with pytest.raises(TargetError, match="nothing that a loss could be taken of"):
        answer((torch.ones(2, dtype=torch.int64), torch.tensor(1.0)))


def test_every_form_of_inputs() -> None:
    model, x = net(8), torch.ones(1, 8)
    assert supply_inputs("f", model, x).args == (x,)
    assert supply_inputs("f", model, (x,)).args == (x,)
    assert supply_inputs("f", model, {"input": x}).kwargs == {"input": x}
    assert supply_inputs("f", model, [SPEC, "mask=bool[5]"]).kwargs["mask"].shape == (5,)


def refused(factory: Callable[..., Any], inputs: object = None) -> str:
    with pytest.raises(TargetError) as caught:
        setup(factory, inputs)
    return str(caught.value)


def test_nothing_to_run_on() -> None:
    assert refused(net) == snapshot("""\
there is nothing to run what `f` makes on
  expected: a target that returns (model, optimizer, batch, loss), or inputs
  hint: --input 'int64[2,16]<100' (inputs="int64[2,16]<100")\
""")


def test_inputs_that_are_none() -> None:
    assert refused(net, 7) == snapshot("""\
these inputs are not understood
  expected: 'int64[2,16]<100', a list of these, a tensor, a tuple or a dict
  found: int\
""")


def test_inputs_twice() -> None:
    assert refused(good, SPEC) == snapshot("""\
`f` brings a batch, and inputs are given too
  hint: leave out inputs (--input)\
""")


def test_inputs_that_do_not_fit() -> None:
    assert refused(net, "float32[5,9]") == snapshot("""\
the model of `f` raised RuntimeError at width=16
  found: mat1 and mat2 shapes cannot be multiplied (5x9 and 8x16)\
""")


def test_a_factory_that_fails_at_one_width_names_it() -> None:
    assert refused(inner_error, SPEC) == snapshot("""\
`f` raised RuntimeError at width=64
  found: no memory for that\
""")


def test_the_same_model_a_second_time() -> None:
    models = {width: net(width) for width in (16, 64)}
    assert refused(lambda width: models[width], SPEC) == snapshot("""\
`f` returned the same model a second time
  where: width=64
  expected: a model of its own from every call
  hint: build the model inside the target, and do not cache it\
""")


def test_a_model_without_values() -> None:
    def on_meta(width: int) -> nn.Module:
        with torch.device("meta"):
            return net(width)

    assert refused(on_meta, SPEC) == snapshot("""\
`f` returned a model without values, on the meta device
  expected: a model that can be trained\
""")


def test_a_loss_that_fails() -> None:
    def broken(model: nn.Module, batch: Any) -> Tensor:
        raise KeyError("labels")

    assert refused(lambda width: (net(width), None, batch(), broken)) == snapshot("""\
the loss of `f` raised KeyError at width=16
  found: 'labels'\
""")


class Counting(nn.BatchNorm1d):
    """Changes with every forward pass."""


def test_watching_runs_nothing_of_the_model() -> None:
    model = nn.Sequential(Counting(8), nn.Dropout())

    def asks(model: nn.Module, x: Tensor) -> Tensor:
        try:
            out: Tensor = model(x + torch.randn_like(x), extra=1)
        except Exception:  # noqa: BLE001 - a loss that goes on whatever happens
            return torch.zeros(())
        return out.sum()

    state = torch.random.get_rng_state()
    call = first_call(model, torch.ones(4, 8), asks)
    assert call is not None
    assert call[0][0].shape == (4, 8)
    assert call[1] == {"extra": 1}
    assert torch.equal(model.get_buffer("0.num_batches_tracked"), torch.tensor(0))
    assert not model._forward_pre_hooks
    assert torch.equal(torch.random.get_rng_state(), state)


def part(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Never calls the model itself."""
    found: Tensor = model[0](batch[0]).sum()  # type: ignore[index]
    return found


def test_a_loss_that_calls_a_part_alone() -> None:
    def made(width: int) -> Any:
        model = net(width)
        return model, torch.optim.SGD(model.parameters(), lr=0.1), batch(), part

    assert setup(made).supplied == snapshot(
        ("the loss calls parts of the model alone: the model is read with it",)
    )
    found = setup(lambda width: (net(width), None, batch(), part))
    assert rates(found)["0.weight"] > 0


def test_a_loss_that_calls_a_part_alone_at_every_size() -> None:
    """Rates are relative to the smallest model, which is read with its loss, too."""

    def first_layer(model: nn.Module, x: Tensor) -> Tensor:
        return part(model, (x, x))

    made = workshop(lambda width: (net(width), None, torch.randn(16, 8), first_layer))
    first, second = (rates(made.setup(size, 0)) for size in SIZES)
    assert first["0.weight"] == second["0.weight"]


def test_a_model_that_is_frozen() -> None:
    with pytest.raises(TargetError) as caught:
        setup(lambda width: (net(width).requires_grad_(requires_grad=False), None, batch(), loss))
    assert str(caught.value) == snapshot("""\
`f` returned a model of which nothing is trained
  expected: a parameter that requires a gradient\
""")
