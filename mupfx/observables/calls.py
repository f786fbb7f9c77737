"""An op as it is called, and the size of what comes of it over several calls.

``Call(aten.mm.default, (x, w), {}, [(0, x), (1, w)], [])``
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from mupfx.core.run import Seen
from mupfx.observables.uses import Args, Kwargs


@dataclass(slots=True)
class Total:
    """Over the uses of a parameter that are alike."""

    contracted: int | None
    count: int = 0
    squares: list[Tensor] = field(default_factory=list)
    random: list[Tensor | None] = field(default_factory=list)
    beside: list[Tensor] = field(default_factory=list)

    def add(self, value: Tensor, random: Tensor | None, beside: Tensor | None) -> None:
        """One call more."""
        self.squares.append(norm(value).square())
        self.random.append(None if random is None else random * value.numel())
        self.count += value.numel()
        if beside is not None:
            self.beside.append(norm(beside).square() / max(1, beside.numel()))

    def seen(self) -> Seen:
        """Together."""
        mean = float(torch.stack(self.squares).sum()) / self.count
        known = [value.to(self.squares[0]) for value in self.random if value is not None]
        coherent = None
        if len(known) == len(self.random):
            rest = mean - float(torch.stack(known).sum()) / self.count
            coherent = math.sqrt(max(rest, 0.0))
        beside = math.sqrt(float(torch.stack(self.beside).mean())) if self.beside else None
        return Seen(math.sqrt(mean), self.contracted, coherent, beside)


@dataclass(frozen=True, slots=True)
class Call:
    """An op with its arguments."""

    func: OpOverload
    args: Args
    kwargs: Kwargs
    tensors: list[tuple[int, Tensor]]
    targets: list[Tensor]
    mine: dict[str, list[tuple[int, Tensor]]] = field(default_factory=dict)
    """Arguments that are made of each parameter."""

    def run(self, swap: Callable[[Tensor], Tensor] | None = None) -> Any:
        """Do it, perhaps on other tensors."""
        if swap is None:
            return self.func(*self.args, **self.kwargs)
        args = (_swapped(value, swap) for value in self.args)
        return self.func(*args, **{k: _swapped(v, swap) for k, v in self.kwargs.items()})

    @property
    def pointwise(self) -> bool:
        """Entry by entry."""
        return torch.Tag.pointwise in self.func.tags

    @property
    def is_view(self) -> bool:
        """Its outcome lies where an argument does."""
        returns = self.func._schema.returns  # noqa: SLF001 - the only description
        return not self.targets and any(r.alias_info is not None for r in returns)


def _swapped(value: Any, swap: Callable[[Tensor], Tensor]) -> Any:
    """Ops take tensors, and lists of them."""
    if isinstance(value, Tensor):
        return swap(value)
    if isinstance(value, list | tuple):
        return [_swapped(entry, swap) for entry in value]
    return value


def norm(value: Tensor) -> Tensor:
    """In single precision at least."""
    exact = torch.float64 if value.dtype == torch.float64 else torch.float32
    found: Tensor = torch.linalg.vector_norm(value.detach(), dtype=exact)
    return found


@contextmanager
def same_draws(call: Call) -> Iterator[None]:
    """Random numbers that are drawn inside are drawn again afterwards."""
    if torch.Tag.nondeterministic_seeded not in call.func.tags:
        yield
        return
    generator = call.kwargs.get("generator")
    state = None if generator is None else generator.get_state()
    devices = {t.device for _, t in call.tensors if t.device.type == "cuda"}
    with torch.random.fork_rng(list(devices)):
        yield
    if generator is not None:
        generator.set_state(state)


def laid_as(tensor: Tensor, other: Tensor) -> torch.UntypedStorage:
    """The storage of a tensor that lies as another does."""
    if other.stride() != tensor.stride() or other.storage_offset() != tensor.storage_offset():
        laid = torch.empty_strided(
            tensor.size(), tensor.stride(), dtype=other.dtype, device=other.device
        )
        other = laid.copy_(other)
    return other.untyped_storage()


def order(tensor: Tensor) -> tuple[int, ...]:
    """The dimensions of a tensor as they lie in memory, outermost first."""
    strides = tensor.stride()
    return tuple(sorted(range(len(strides)), key=lambda at: (-strides[at], at)))
