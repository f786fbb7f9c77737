"""What a target does not bring: inputs to run it on, and something for it to learn.

Targets of cross-entropy are fixed random classes, where a model answers with as many numbers at
every size; else squares are taken of what is missing to fixed random numbers.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mupfx.errors import TargetError
from mupfx.integrations import hugging_face_inputs, timm
from mupfx.pipeline.inputs import Inputs, first_that_runs, inputs

_SEED = 1
"""Of the targets; inputs are drawn with another."""
_CLASSES = "cross-entropy on fixed random classes"
_NUMBERS = "squared error on fixed random numbers"
_CANDIDATES = {
    "transformers": hugging_face_inputs.candidates,
    "timm": timm.candidates,
}
"""By the package that a model's class is from: forms of its inputs."""

Specs = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Call:
    """What a model is called with: the batch, where the target brings none."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    said: str

    def __call__(self, model: nn.Module) -> Any:
        """Run a model on it."""
        return model(*self.args, **self.kwargs)


def supply_inputs(name: str, model: nn.Module, given: object) -> Call:
    """Inputs from what the user said, else from what is known of a library's models.

    Args:
        name: Of the target.
        model: One that it made.
        given: Specs as ``int64[2,16]<100``, one or several; a tensor; a tuple of positional
            arguments or a dict of keyword arguments; None.

    Raises:
        TargetError: There is nothing to go by, or it is none of these.
    """
    match given:
        case None:
            return _known(name, model)
        case str():
            return _drawn(model, inputs([given]), f"a fixed random batch, {given}")
        case Tensor():
            return Call((given,), {}, "the inputs given")
        case Mapping():
            return Call((), dict(given), "the inputs given")
        case tuple() | list() if given and all(isinstance(each, str) for each in given):
            return _drawn(model, inputs(given), f"a fixed random batch, {' '.join(given)}")
        case tuple() | list() if given:
            return Call(tuple(given), {}, "the inputs given")
    raise TargetError(
        "these inputs are not understood",
        expected="'int64[2,16]<100', a list of these, a tensor, a tuple or a dict",
        found=type(given).__name__,
    )


def _drawn(model: nn.Module, found: Inputs, said: str) -> Call:
    """Inputs where the model is."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    args, kwargs = found
    return Call(
        tuple(a.to(device) for a in args), {n: a.to(device) for n, a in kwargs.items()}, said
    )


def _known(name: str, model: nn.Module) -> Call:
    packages = {each.__module__.partition(".")[0] for each in type(model).__mro__}
    for package, candidates in _CANDIDATES.items():
        if package in packages:
            found = first_that_runs(name, model, candidates(model))
            return _drawn(model, found, "a fixed random batch, by the model's configuration")
    raise TargetError(
        f"there is nothing to run what `{name}` makes on",
        expected="a target that returns (model, optimizer, batch, loss), or inputs",
        hint="--input 'int64[2,16]<100' (inputs=\"int64[2,16]<100\")",
    )


@dataclass(frozen=True, slots=True)
class SuppliedLoss:
    """A loss for a model that comes without."""

    goal: Tensor
    """Class numbers, or numbers of the output's shape."""

    def __call__(self, model: nn.Module, batch: Call) -> Tensor:
        """Loss of a model on its batch."""
        output = answer(batch(model))
        if self.goal.is_floating_point():
            return functional.mse_loss(_real(output).float(), self.goal)
        logits = output.movedim(1, -1) if output.ndim > 3 else output
        return functional.cross_entropy(logits.flatten(0, -2).float(), self.goal)


def supply_loss(outputs: Tensor, *, classes: bool) -> tuple[SuppliedLoss, str]:
    """A loss that fits an output, and what it is.

    Args:
        outputs: What a model of this size answers with.
        classes: Whether it answers alike at every size, as ``are_classes`` says.
    """
    generator = torch.Generator().manual_seed(_SEED)
    if classes:
        count = outputs.shape[-1]
        goal = torch.randint(count, (outputs.numel() // count,), generator=generator)
        return SuppliedLoss(goal.to(outputs.device)), _CLASSES
    goal = torch.randn(_real(outputs).shape, generator=generator)
    return SuppliedLoss(goal.to(outputs.device)), _NUMBERS


def are_classes(outputs: Sequence[Tensor]) -> bool:
    """Whether outputs of several sizes are scores of the same classes."""
    first = outputs[0]
    alike = all(output.shape == first.shape for output in outputs)
    return alike and not first.is_complex() and first.ndim in {2, 3} and first.shape[-1] > 1


def answer(output: object) -> Tensor:
    """The first tensor in an output that a loss can be taken of.

    Raises:
        TargetError: There is none.
    """
    for tensor in _tensors(output):
        if tensor.ndim and (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
    raise TargetError(
        "the model answers with nothing that a loss could be taken of",
        expected="a tensor of floats somewhere in its output",
        found=type(output).__name__,
        hint="return (model, optimizer, batch, loss) from the target",
    )


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
        return
    for part in _parts(output):
        yield from _tensors(part)


def _parts(output: object) -> Iterable[object]:
    if isinstance(output, Mapping):
        return output.values()
    if isinstance(output, tuple | list):
        return output
    if dataclasses.is_dataclass(output):
        return [getattr(output, field.name) for field in dataclasses.fields(output)]
    return ()


def _real(output: Tensor) -> Tensor:
    return torch.view_as_real(output) if output.is_complex() else output
