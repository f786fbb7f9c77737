"""Constants that a loss multiplies a model's outputs by: ``cross_entropy(model(x) / m, y)``.

They are as much a part of the parametrization as those in the model. A model is analysed with a
hook that multiplies its outputs by them, so that they stand in its graph.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from mupfx.core.setup import Setup

_TIMES = {"mul", "mul_", "multiply", "__mul__", "__rmul__", "__imul__"}
_OVER = {"div", "div_", "divide", "true_divide", "__truediv__", "__itruediv__"}
_KEEPING = {
    "__getitem__", "clone", "contiguous", "double", "flatten", "float", "half", "bfloat16",
    "movedim", "permute", "reshape", "squeeze", "swapaxes", "to", "transpose", "type", "unflatten",
    "unsqueeze", "view",
}  # fmt: skip
"""What leaves entries as they are."""

Factors = Mapping[int, float]
"""By the output's place among all."""


class _After(TorchFunctionMode):
    """What is done with outputs, once there are some."""

    def __init__(self) -> None:
        super().__init__()
        self.tracked: dict[int, tuple[Tensor, int, float]] = {}
        """By identity, which a reference keeps from being another's."""
        self.read: dict[int, set[float]] = {}
        """Factors with which an output comes to what is no product with a constant."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        made = func(*args, **(kwargs or {}))
        if self.tracked:
            for value in tree_flatten((args, kwargs))[0]:
                if id(value) in self.tracked:
                    self._follow(self.tracked[id(value)], func.__name__, args, made)
        return made

    def start(self, outputs: Any) -> None:
        """These are the model's, if they are the first."""
        if not self.tracked:
            leaves = enumerate(tree_flatten(outputs)[0])
            self.tracked = {id(v): (v, i, 1.0) for i, v in leaves if isinstance(v, Tensor)}

    def _follow(
        self, known: tuple[Tensor, int, float], name: str, args: tuple[Any, ...], made: Any
    ) -> None:
        value, place, factor = known
        if name in _KEEPING and isinstance(made, Tensor):
            self.tracked[id(made)] = made, place, factor
            return
        others = [_number(a) for a in args[:2] if a is not value]
        constant = others[0] if len(others) == 1 else None
        if constant and name in _TIMES:
            self.tracked[id(made)] = made, place, factor * constant
        elif constant and name in _OVER and args[0] is value:
            self.tracked[id(made)] = made, place, factor / constant
        elif isinstance(made, Tensor):
            self.read.setdefault(place, set()).add(factor)


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    constant = isinstance(value, Tensor) and value.numel() == 1 and not value.requires_grad
    return float(value) if constant and isinstance(value, Tensor) else None


def factors_in_loss(setup: Setup) -> Factors:
    """What a loss multiplies each output by; nothing where it reads them in several ways.

    The model is called once by its loss, and left as it is.
    """
    model, after = setup.model, _After()
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    handle = model.register_forward_hook(lambda _, __, outputs: after.start(outputs))
    try:
        with torch.random.fork_rng(), after:
            setup.loss(model, setup.batch)
    finally:
        handle.remove()
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
    return {place: found.pop() for place, found in after.read.items() if len(found) == 1}


@contextmanager
def as_the_loss_reads(*setups: Setup) -> Iterator[None]:
    """Within, calling each model multiplies its outputs by what its loss multiplies them by."""
    factors = [factors_in_loss(setup) for setup in setups]
    places = {place for found in factors for place, factor in found.items() if factor != 1}
    handles = [
        setup.model.register_forward_hook(_times({p: found.get(p, 1.0) for p in places}))
        for setup, found in zip(setups, factors, strict=True)
        if places
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _times(factors: Factors) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, args: Any, outputs: Any) -> Any:
        del module, args
        leaves, form = tree_flatten(outputs)
        scaled = [v * factors[i] if i in factors else v for i, v in enumerate(leaves)]
        return tree_unflatten(scaled, form)

    return hook
