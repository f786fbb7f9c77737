"""What can be checked: any callable, called with what it declares, and every mistake in it."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

from mupfx.core.report import Size
from mupfx.errors import TargetError
from mupfx.pipeline.checking.returns import read_made
from mupfx.pipeline.checking.target import Target, Words, read_target
from tests.check.targets import batch, loss, net

BOTH = ("width", "depth")


class Net(nn.Linear):
    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__(8, width, bias=bias)


class Maker:
    def __call__(self, width: int, seed: int = 7) -> tuple[int, int]:
        return width, seed


def everything(width: int, depth: int = 2, seed: int = 0) -> tuple[int, int, int]:
    return width, depth, seed


def anything(**kwargs: Any) -> dict[str, Any]:
    return kwargs


def renamed(n_embd: int, n_layer: int = 2, *, rng: int = 0) -> tuple[int, int, int]:
    return n_embd, n_layer, rng


def called(factory: object, *, axes: tuple[str, ...] = ("width",), **options: Any) -> object:
    return read_target(factory, axes, **options).call(Size(64, 3), 5)


def test_a_function_gets_what_it_declares() -> None:
    assert called(everything, axes=BOTH) == (64, 3, 5)
    assert called(everything) == (64, 2, 5)
    assert called(lambda width: width) == 64


def test_a_class_a_partial_and_an_object_are_called_too() -> None:
    made = called(Net)
    assert isinstance(made, Net)
    assert made.out_features == 64
    assert called(functools.partial(everything, depth=9)) == (64, 9, 5)
    assert called(Maker()) == (64, 5)


def test_a_callable_of_any_keywords_gets_the_sizes_alone() -> None:
    assert called(anything) == {"width": 64}
    assert called(anything, axes=BOTH) == {"width": 64, "depth": 3}


def test_sizes_have_other_names() -> None:
    words = Words("n_embd", "n_layer", "rng")
    assert called(renamed, axes=BOTH, words=words) == (64, 3, 5)


def test_arguments_are_passed_at_every_size() -> None:
    assert called(everything, arguments={"depth": 9}) == (64, 9, 5)
    assert called(anything, arguments={"vocabulary": 11}) == {"vocabulary": 11, "width": 64}


def test_random_generators_are_seeded_before_every_call() -> None:
    target = read_target(lambda width: torch.rand(1).item(), ("width",))
    first = target.call(Size(4), 0)
    assert target.call(Size(8), 0) == first
    assert target.call(Size(8), 1) != first


@pytest.mark.parametrize(
    ("factory", "name"),
    [(everything, "everything"), (Net, "Net"), (functools.partial(Net, bias=False), "Net")],
)
def test_a_report_calls_it_by_its_name(factory: Callable[..., object], name: str) -> None:
    assert read_target(factory, ("width",)).name == name


def refused(factory: object, **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        read_target(factory, options.pop("axes", ("width",)), **options)
    return str(caught.value)


def test_a_width_that_it_does_not_take() -> None:
    assert refused(renamed) == snapshot("""\
`renamed` takes no `width`
  expected: an argument that says what width the model has
  found: renamed(n_embd: int, n_layer: int = 2, *, rng: int = 0)
  hint: if it is called otherwise: width_arg="..." (--width-arg ...)\
""")


def test_a_width_that_is_misspelt() -> None:
    assert refused(lambda widht: widht, name="make") == snapshot("""\
`make` takes no `width`
  expected: an argument that says what width the model has
  found: make(widht)
  hint: if it is called otherwise: width_arg="widht" (--width-arg widht)\
""")


def test_a_depth_that_it_does_not_take() -> None:
    assert refused(Net, axes=BOTH) == snapshot("""\
`Net` takes no `depth`
  expected: an argument that says what depth the model has
  found: Net(width: int, *, bias: bool = True)
  hint: if it is called otherwise: depth_arg="..." (--depth-arg ...)\
""")


def test_more_than_a_size_is_needed() -> None:
    def needy(width: int, vocabulary: int, length: int) -> None:
        """Nothing."""

    assert refused(needy) == snapshot("""\
`needy` needs `vocabulary`, `length` as well
  expected: a callable that a size is enough for
  found: needy(width: int, vocabulary: int, length: int)
  hint: functools.partial(needy, vocabulary=...), or --arg vocabulary=...\
""")


def test_an_argument_that_it_does_not_take() -> None:
    assert refused(everything, arguments={"dephts": 3}) == snapshot("""\
`everything` takes no `dephts`
  expected: everything(width: int, depth: int = 2, seed: int = 0)
  hint: did you mean `depth`?\
""")


def test_a_model_is_no_target() -> None:
    assert refused(net(8)) == snapshot("""\
the target is one model; a check compares models of several widths
  expected: a function, a class, a functools.partial or an object that can be called, that makes the model of a width
  found: a Sequential
  hint: mupfx.check(lambda width: Model(width), ...)\
""")


def test_a_name_is_no_callable() -> None:
    assert refused("train.py:make") == snapshot("""\
the target cannot be called
  expected: a function, a class, a functools.partial or an object that can be called, that makes the model of a width
  found: 'train.py:make'\
""")


def test_what_it_raises_is_the_cause() -> None:
    def broken(width: int) -> None:
        raise ValueError("of\n  its own")

    with pytest.raises(TargetError) as caught:
        Target(broken, "broken").call(Size(64), 0)
    assert isinstance(caught.value.__cause__, ValueError)
    assert str(caught.value) == snapshot("""\
`broken` raised ValueError at width=64
  found: of its own\
""")


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def test_everything_that_a_target_may_return() -> None:
    model = net(8)
    sgd, data = optimizer_of(model), batch()
    assert read_made(model, "f").optimizers is None
    assert read_made((model, None), "f").optimizers is None
    assert read_made((model, sgd), "f").optimizers == (sgd,)
    assert read_made((model, [sgd, sgd]), "f").optimizers == (sgd, sgd)
    whole = read_made((model, sgd, data, loss), "f")
    assert (whole.batch, whole.loss) == (data, loss)
    assert read_made((model, None, data, loss), "f").optimizers is None
    assert read_made((model, (data[0],)), "f").args == (data[0],)
    assert read_made((model, [data[0]], {"mask": None}), "f").kwargs == {"mask": None}
    scheduler = torch.optim.lr_scheduler.ConstantLR(sgd)
    named = {"model": model, "optimizer": sgd, "batch": data, "loss": loss}
    assert read_made({**named, "scheduler": scheduler}, "f").schedulers == (scheduler,)
    assert read_made(named, "f").schedulers == ()


def unreadable(made: object) -> str:
    with pytest.raises(TargetError) as caught:
        read_made(made, "f")
    return str(caught.value)


def test_nothing_is_returned() -> None:
    assert unreadable(None) == snapshot("""\
`f` returned nothing to check
  expected: model, (model, optimizer), (model, optimizer, batch, loss), (model, args[, kwargs]), or a dict with `model` and any of `optimizer`, `batch` with `loss`, `scheduler`
  found: NoneType\
""")


def test_the_loss_is_missing() -> None:
    model = net(8)
    assert unreadable((model, optimizer_of(model), batch())) == snapshot("""\
`f` returned nothing to check
  expected: model, (model, optimizer), (model, optimizer, batch, loss), (model, args[, kwargs]), or a dict with `model` and any of `optimizer`, `batch` with `loss`, `scheduler`
  found: (Sequential, SGD, (Tensor, Tensor))\
""")
    assert unreadable({"model": model, "batch": batch()}) == snapshot("""\
`f` returned a batch without a loss
  expected: batch and loss, where loss(model, batch) is a scalar; or neither\
""")


def test_an_optimizer_that_is_none() -> None:
    assert unreadable((net(8), "adam", batch(), loss)) == snapshot("""\
`f` returned an optimizer that is none
  expected: a torch.optim.Optimizer, or a list of them
  found: str\
""")


def test_a_key_that_is_misspelt() -> None:
    assert unreadable({"model": net(8), "optimiser": None}) == snapshot("""\
`f` returned a dict with `optimiser`
  expected: model, optimizer, batch, loss, scheduler, batches, held_out
  hint: did you mean `optimizer`?\
""")


def test_a_size_that_is_fixed_is_not_varied() -> None:
    with pytest.raises(TargetError) as caught:
        read_target(net, ("width",), arguments={"width": 8})
    assert str(caught.value) == snapshot("""\
`width` of `net` is varied, and fixed as well
  found: width=8
  hint: leave out one: every size would be the same model (--arg width=...)\
""")
