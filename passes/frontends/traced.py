"""What every frontend is given and gives back.

``Subject`` is the call to trace; ``Traced`` its graph, with placeholders by what they stand for::

    parameters  {"p_fc_weight": "fc.weight"}      inputs     ("x",)
    buffers     {"b_mask": "mask"}                constants  {"b_eps": 1e-6}
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor


@dataclass(frozen=True, slots=True)
class Subject:
    """A model and one call of it."""

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph of ATen ops, with what its placeholders are."""

    graph: fx.Graph
    parameters: Mapping[str, str]
    """Placeholder to one of the parameter's names."""
    buffers: Mapping[str, str]
    """Placeholder to the buffer's name, or that of a constant in the code."""
    inputs: tuple[str, ...]
    constants: Mapping[str, float] = field(default_factory=dict)
    """Buffers and constants that are one number, by placeholder."""
    outside: tuple[str, ...] = ()
    """Constants that neither torch nor the model made."""


Frontend = Callable[[Subject], Traced]


class OutOfTraceError(RuntimeError):
    """The graph that a frontend made lacks something that the model computes."""


def like(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor's shape and type without its memory."""
    if tensor.layout is not torch.strided:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def numbers(tensors: Mapping[str, torch.Tensor | None]) -> dict[str, float]:
    """Values of those that hold one number each, where there are values."""
    return {
        name: tensor.item()
        for name, tensor in tensors.items()
        if tensor is not None
        and tensor.numel() == 1
        and not (tensor.is_meta or isinstance(tensor, FakeTensor))
    }
