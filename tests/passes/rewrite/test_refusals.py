"""What a graph cannot be made of is refused, with words; nothing that tracing hides goes unseen."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx


class Net(nn.Module):
    """A layer between two others, with whatever a test puts there."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Any:
        return self.last(self.between(self.first(x)))

    def between(self, x: Tensor) -> Tensor:
        return x.tanh()


class AsksValues(Net):
    def between(self, x: Tensor) -> Tensor:
        return x.tanh() if x.abs().sum() > 0 else x.relu()


class Cache:
    def __init__(self, kept: Tensor) -> None:
        self.kept = kept


class GivesCache(Net):
    def forward(self, x: Tensor) -> Any:
        h = self.first(x)
        return self.last(h), Cache(h)


class Halves(Net):
    """Another net in training."""

    def between(self, x: Tensor) -> Tensor:
        return x * (torch.rand(x.shape[-1]) < 0.5) if self.training else x


class FirstLength(Net):
    """Numbers from outside torch, made for the first length that comes."""

    def between(self, x: Tensor) -> Tensor:
        if not hasattr(self, "ramp"):
            self.ramp = torch.tensor([float(i) for i in range(int(x.shape[0]))])[:, None]
        return x * self.ramp[: x.shape[0]]


class ByLength(Net):
    """Another net for long inputs."""

    def between(self, x: Tensor) -> Tensor:
        return x.relu() if x.shape[0] > 5 else x.tanh()


def graph_of(model: nn.Module, **given: Any) -> Any:
    example = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    base = type(model)().train(model.training)
    return mupfx.convert(model, example, base=base, lowering="graph", **given)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(mupfx.LoweringError) as caught:
        call()
    return str(caught.value)


def test_python_that_asks_for_values_is_no_graph() -> None:
    model = AsksValues()
    before = copy.deepcopy(model.state_dict())
    text = refusal(lambda: graph_of(model))
    assert text.splitlines()[0] == snapshot("this model is a graph for one example only")
    assert "captured by export after a run" in text
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_result_of_an_unknown_class_is_refused() -> None:
    assert refusal(lambda: graph_of(GivesCache())) == snapshot("""\
a Cache in the output is nothing that a graph can take or make
  where: 1
  expected: tensors in tuples, lists, dicts and dataclasses
  hint: pass use_cache=False, if this is a cache of keys and values; or leave lowering as it is ("eager")\
""")


def test_a_model_that_is_another_one_in_training_is_not_switched() -> None:
    graph = graph_of(Halves().eval())
    assert graph.eval() is graph
    assert refusal(graph.train) == snapshot("""\
this graph holds for inference alone: the model is another one in the other mode
  found: rand in training, linear_1 in inference
  hint: convert with lowering="eager" to use the model in both\
""")
    assert not graph.training
    assert refusal(copy.deepcopy(graph).train) == refusal(graph.train)


def test_sizes_that_tracing_took_for_granted_are_required() -> None:
    graph = graph_of(ByLength())
    assert refusal(lambda: graph(torch.ones(6, 4))) == snapshot("""\
this graph does not hold for inputs of these sizes
  expected: x.shape[0] <= 5
  hint: convert the model with an example of such sizes\
""")
    assert refusal(lambda: graph(torch.ones(3, 5))) == snapshot("""\
this graph holds for inputs of other sizes
  where: x
  expected: [any, 4]
  found: [3, 5]
  hint: convert the model with an example of the sizes that are needed\
""")
    net = ByLength()
    net.load_state_dict(graph.state_dict())
    assert torch.equal(graph(torch.ones(5, 4)), net(torch.ones(5, 4)))


def test_numbers_made_for_one_length_hold_for_no_other() -> None:
    graph = graph_of(FirstLength())
    for length in (1, 2, 4, 7):
        call = torch.ones(length, 4)
        net = FirstLength()
        net.load_state_dict(graph.state_dict())
        try:
            found = graph(call)
        except (mupfx.LoweringError, RuntimeError):
            continue
        assert torch.equal(found, net(call)), length


def test_a_graph_that_computes_something_else_is_refused() -> None:
    runs: list[int] = []

    class Counts(Net):
        """What it computes depends on how often it was run."""

        def between(self, x: Tensor) -> Tensor:
            runs.append(1)
            return x * len(runs)

    assert refusal(lambda: graph_of(Counts())).splitlines()[0] == snapshot(
        "the graph does not compute what the model computes"
    )


def test_a_frozen_copy_of_the_start_is_refused() -> None:
    assert refusal(lambda: graph_of(Net(16), parametrization="ic_mean_field")) == snapshot("""\
ic_mean_field adds a frozen copy of the model, which no graph has
  where: initial:last.weight
  hint: lowering="eager"\
""")


def test_wrappers_are_refused() -> None:
    model = nn.DataParallel(Net())
    example = torch.ones(3, 4)
    text = refusal(lambda: mupfx.convert(model, example, base=Net(), lowering="graph"))
    assert text == snapshot("""\
a DataParallel is a wrapper, and a graph is made of what it wraps
  hint: convert the inner model, and wrap what comes back\
""")


def test_lowering_has_two_words() -> None:
    with pytest.raises(mupfx.MupfxError) as caught:
        mupfx.convert(Net(), torch.ones(3, 4), base=Net(), lowering="fx")
    assert str(caught.value) == snapshot("""\
lowering='fx' says nothing
  expected: "eager" or "graph"
  hint: lowering="graph"\
""")


def test_where_only_the_first_size_can_be_open_it_is_said() -> None:
    def shortcut(width: int) -> nn.Module:
        torch.manual_seed(0)
        layers = nn.Conv2d(1, width, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        return nn.Sequential(*layers, nn.Linear(9 * width, 2))

    model, image = shortcut(8), torch.randn(2, 1, 8, 8)
    graph = mupfx.convert(model, image, base=shortcut(8), lowering="graph")
    assert any("only the first may be another" in note for note in mupfx.plan(graph).notes)
    assert torch.equal(graph(image[:1]), shortcut(8)(image[:1]))
    assert "other sizes" in refusal(lambda: graph(torch.ones(2, 1, 9, 9)))
