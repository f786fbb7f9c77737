"""Gradients as backward leaves them, and what is left of them when they are used.

What lies between is clipping: in hooks on parameters, in hooks on the optimizer, or in its step::

    head.weight   norm 3.1, largest 0.4   kept 0.32 of the norm, 0.32 of the largest
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mupfx.core.run import Gradient

Sizes = Mapping[str, tuple[float, float]]
"""By parameter: norm and largest entry."""


class Gradients:
    """The gradients of one model, step by step."""

    def __init__(self, model: nn.Module) -> None:
        self._named = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._raw: dict[str, Tensor] = {}
        self._last: dict[str, tuple[tuple[int, int], tuple[float, float]]] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, gradients are also seen before the hooks that parameters have."""
        with ExitStack() as stack:
            for name, parameter in self._named.items():
                hooks: Any = parameter._backward_hooks  # noqa: SLF001 - who else has hooks
                if hooks:
                    handle = parameter.register_hook(self._before(name))  # type: ignore[no-untyped-call]
                    stack.callback(handle.remove)
                    _first(parameter, handle)
            yield

    def _before(self, name: str) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            self._raw[name] = _size(gradient)

        return note

    def now(self) -> dict[str, Tensor]:
        """Themselves."""
        return {n: p.grad for n, p in self._named.items() if p.grad is not None}

    def sizes(self) -> Sizes:
        """As they are now."""
        found = self.now()
        dense = {n: g for n, g in found.items() if g.layout is torch.strided and g.numel()}
        changed = {n: g for n, g in dense.items() if self._last.get(n, (None,))[0] != _state(g)}
        if changed:
            numbers = torch.stack([_size(g).cpu() for g in changed.values()]).tolist()
            self._last |= {
                name: (_state(gradient), (norm, largest))
                for (name, gradient), (norm, largest) in zip(changed.items(), numbers, strict=True)
            }
        return {name: self._last[name][1] for name in dense}

    def compared(self, before: Sizes, after: Sizes) -> dict[str, Gradient]:
        """What backward made, and what of it was used."""
        found = {}
        for name, sizes in before.items():
            raw = tuple(self._raw[name].tolist()) if name in self._raw else sizes
            used = after.get(name, sizes)
            kept, kept_largest = (u / r if r else 1.0 for u, r in zip(used, raw, strict=True))
            found[name] = Gradient(raw[0], raw[1], kept, kept_largest)
        self._raw.clear()
        self._last.clear()  # the next step's gradients may lie in the same objects
        return found


def _size(gradient: Tensor) -> Tensor:
    """Norm and largest entry, as one tensor."""
    value = gradient.detach()
    low, high = torch.aminmax(value)
    return torch.stack([torch.linalg.vector_norm(value), torch.maximum(-low, high)]).float()


def _state(gradient: Tensor) -> tuple[int, int]:
    """Another one after anything is written to it."""
    return id(gradient), gradient._version  # noqa: SLF001 - autograd's own count of writes


def _first(parameter: Tensor, handle: RemovableHandle) -> None:
    """Autograd goes through hooks in the order in which they came into the dictionary."""
    hooks: Any = parameter._backward_hooks  # noqa: SLF001
    others = {key: hook for key, hook in hooks.items() if key != handle.id}
    ours = hooks[handle.id]
    hooks.clear()
    hooks[handle.id] = ours
    hooks.update(others)
