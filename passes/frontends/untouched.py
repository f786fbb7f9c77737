"""A model as it was, whatever ran in between.

``untouched`` puts back attributes, flags, gradients and random generators. ``unwritten`` is for
runs on real values: what an op writes to is copied first, if it was there before, and written back.
"""

import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from mupfx.passes.frontends.memory import Memory, memory_of

STATISTICS = ("running_mean", "running_var")
"""Arguments that batch norms write to without saying so in their schemas."""

Saved = tuple[Any, Any]
"""A container, and a copy of what it held."""


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """While open, anything may run on the model; afterwards it is as before."""
    objects = list(_contents(model))
    tensors = [Before.of(tensor) for tensor in _own_tensors(model)]
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=_cuda_devices(model)))
        stack.enter_context(_generators())
        try:
            yield
        finally:
            for container, items in objects:
                _refill(container, items)
            for before in tensors:
                before.put_back()


@contextmanager
def unwritten() -> Iterator[None]:
    """While open, ops may write to any tensor; afterwards those from before have their values."""
    keeper = Keeper()
    try:
        with keeper:
            yield
    finally:
        keeper.restore()


def _own_tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    for tensor in (*model.parameters(), *model.buffers()):
        if not nn.parameter.is_lazy(tensor):
            yield tensor


@dataclass(frozen=True, slots=True)
class Before:
    """What a tensor of a model is, but for its values."""

    tensor: torch.Tensor
    data: torch.Tensor
    grad: torch.Tensor | None
    wanted: bool
    """Whether it wants a gradient."""
    leaf: bool

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Self:
        """The state of a tensor now."""
        grad = tensor.grad if tensor.is_leaf else None
        return cls(tensor, tensor.data, grad, tensor.requires_grad, tensor.is_leaf)

    def put_back(self) -> None:
        """Undo what was done to it since: other memory, a gradient, a part in somebody's graph."""
        tensor = self.tensor
        if memory_of(tensor.data) != memory_of(self.data):
            tensor.data = self.data
        if not self.leaf:
            return
        if not tensor.is_leaf:
            tensor.detach_()
        if tensor.grad is not self.grad:
            tensor.grad = self.grad
        if tensor.requires_grad is not self.wanted:
            tensor.requires_grad_(self.wanted)


class Keeper(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Copies what was there before the first write to it."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: set[Memory] = set()
        self.copies: dict[Memory, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the op, having copied what it writes to."""
        given = {**(kwargs or {})}
        for tensor in _written(func, args, given):
            self._keep(tensor)
        out = func(*args, **given)
        known = {ref for ref in map(memory_of, pytree.tree_leaves((args, given))) if ref}
        for leaf in out if isinstance(out, tuple | list) else (out,):
            ref = memory_of(leaf)
            if ref is not None and ref not in known:
                self.made.add(ref)
        return out

    def _keep(self, tensor: torch.Tensor) -> None:
        ref = memory_of(tensor)
        if ref is None or ref in self.made or ref in self.copies:
            return
        storage = tensor.untyped_storage()
        if storage.device.type != "meta":
            self.copies[ref] = storage, storage.clone()  # type: ignore[no-untyped-call]

    def restore(self) -> None:
        """Write the copies back."""
        for storage, copy in self.copies.values():
            if storage.nbytes() == copy.nbytes():
                storage.copy_(copy)


def _written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    schema = getattr(func, "_schema", None)
    for position, argument in enumerate(schema.arguments if schema else ()):
        writes = argument.alias_info is not None and argument.alias_info.is_write
        if writes or argument.name in STATISTICS:
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            for leaf in value if isinstance(value, tuple | list) else (value,):
                if isinstance(leaf, torch.Tensor):
                    yield leaf


def _contents(model: nn.Module) -> Iterator[Saved]:
    """Attributes of every module and of the plain objects and containers in them, with copies."""
    seen: set[int] = set()
    queue: list[tuple[object, int]] = [(m.__dict__, 0) for m in model.modules()]
    while queue:
        value, depth = queue.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict | list | set | deque):
            yield value, value.copy()
            members = list(value.values()) if isinstance(value, dict) else list(value)
            queue += [(m, depth) for m in members if _holds(m)]
        elif isinstance(value, tuple):
            queue += [(m, depth) for m in value if _holds(m)]
        elif depth < 2:
            queue.append((vars(value), depth + 1))


def _holds(value: object) -> bool:
    """Whether a value may keep others: a container, or an object of somebody's own class."""
    if isinstance(value, dict | list | set | deque | tuple):
        return bool(value) or not isinstance(value, tuple)
    if isinstance(value, nn.Module | torch.Tensor | type) or callable(value):
        return False
    home = type(value).__module__.partition(".")[0]
    own = home not in sys.stdlib_module_names and home != "torch"
    return own and type(getattr(value, "__dict__", None)) is dict


def _refill(container: Any, items: Any) -> None:
    if _identities(container) == _identities(items):
        return
    container.clear()
    if isinstance(container, dict | set):
        container.update(items)
    else:
        container.extend(items)


def _identities(container: Any) -> list[tuple[int, int]]:
    pairs = container.items() if isinstance(container, dict) else enumerate(container)
    return [(id(key) if isinstance(container, dict) else 0, id(member)) for key, member in pairs]


def _cuda_devices(model: nn.Module) -> list[int]:
    return sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})


@contextmanager
def _generators() -> Iterator[None]:
    """Python's random numbers, and numpy's where it is loaded."""
    numpy = sys.modules.get("numpy")
    python, array = random.getstate(), numpy.random.get_state() if numpy else None
    try:
        yield
    finally:
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(array)
