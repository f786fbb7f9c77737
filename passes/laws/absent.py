"""Run operations of a factory without the memory of what it draws.

A tensor of more entries than ``FEW`` that is drawn, filled or left empty is on the meta device;
what is computed is computed. So a factory of 70 billion weights runs in seconds, and its rotary
table, its running statistics and ``linspace(0, 0.1, 32)[5].item()`` are there. To the factory's own
code, tensors seem to be where it put them.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map_only

from mupfx.passes.laws.frames import innermost_of_torch
from mupfx.passes.laws.ops import Call
from mupfx.passes.laws.stores import Stores

FEW = 2**14
META = torch.device("meta")
MADE = frozenset(
    {
        "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted",
        "randn", "randn_like", "rand", "rand_like", "normal", "randint", "randint_like",
        "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones",
        "full", "full_like", "new_full",
    }
)  # fmt: skip
CONSTANT = frozenset(name for name in MADE if name.endswith(("s", "s_like", "full", "full_like")))
"""Makers of tensors, and those of them whose values are all the same."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Entries beyond which a tensor has no memory."""

    drawn: int = FEW
    constant: float = FEW


def run(  # noqa: PLR0913, PLR0917 - a call, and what is known of it
    func: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    call: Call,
    written: Sequence[Tensor],
    limits: Limits,
) -> Any:
    """Call an operation, on the meta device if an operand is there or the result is large."""
    if getattr(func, "is_view", False):
        return func(*args, **kwargs)
    if any(_absent(t, call.stores) for t in (*call.tensors(), *written)):
        return _on_meta(func, args, kwargs, call, written)
    if call.name in MADE and _takes_device(func):
        limit = limits.constant if call.name in CONSTANT else limits.drawn
        shape = func(*args, **{**kwargs, "device": META})
        if shape.numel() > limit:
            return shape
    return func(*args, **kwargs)


def _absent(tensor: Tensor, stores: Stores) -> bool:
    store = stores.of(tensor)
    return tensor.is_meta or (store is not None and store.stale)


def _on_meta(
    func: Any, args: Sequence[Any], kwargs: dict[str, Any], call: Call, written: Sequence[Tensor]
) -> Any:
    present = [t for t in written if not t.is_meta]
    for tensor in present:
        call.stores.spoil(tensor)
    if present:
        returned = len(func._schema.returns)
        return None if returned == 0 else written[0] if returned == 1 else tuple(written)
    args, kwargs = tree_map_only(Tensor, _moved, (tuple(args), kwargs))
    if _takes_device(func):
        kwargs = {**kwargs, "device": META}
    return func(*args, **kwargs)


def _takes_device(func: Any) -> bool:
    return any(argument.name == "device" for argument in func._schema.arguments)


def _moved(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.to(META)


class Disguise(TorchFunctionMode):
    """Tells the factory's code that a tensor without memory is on the CPU.

    Functions of ``torch.nn.init`` do nothing on the meta device; they are told the truth, and what
    they would have drawn is written down.
    """

    def __init__(self, stores: Stores, told: Callable[[Tensor], None]) -> None:
        super().__init__()
        self.stores = stores
        self.told = told

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func == _SET_DATA and args[0].is_meta != args[1].is_meta:
            args = (args[0], self._stand_in(*args))
        found = func(*args, **(kwargs or {}))
        if func not in (_IS_META, _DEVICE) or found not in (True, META):
            return found
        if self.stores.bare(args[0]):
            return found
        if innermost_of_torch(sys._getframe(1)):
            if func == _IS_META:
                self.told(args[0])
            return found
        return False if func == _IS_META else torch.device("cpu")

    def _stand_in(self, tensor: Tensor, data: Tensor) -> Tensor:
        """What can take a tensor's place, which data with memory and without cannot."""
        with _disable_current_modes():
            made = torch.empty_like(data, device=tensor.device)
        self.stores.write(made, self.stores.read(data))
        if not made.is_meta:
            self.stores.spoil(made)
        return made


_SET_DATA = torch.Tensor.data.__set__  # type: ignore[attr-defined]
_IS_META = torch.Tensor.is_meta.__get__  # type: ignore[attr-defined]
_DEVICE = torch.Tensor.device.__get__


def lost(tensor: Tensor, stores: Stores) -> bool:
    """Whether nobody can tell a tensor's values any more."""
    return _absent(tensor, stores) and not stores.read(tensor).known
