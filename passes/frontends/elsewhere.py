"""A model as it would be in another type, on another device; without any values."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

Call = tuple[tuple[Any, ...], Mapping[str, Any]]


def elsewhere(
    model: nn.Module, call: Call, dtype: torch.dtype, other: torch.dtype
) -> tuple[nn.Module, Call]:
    """A copy on the meta device, with ``other`` for ``dtype``, and the call that goes with it."""

    def moved(tensor: torch.Tensor) -> torch.Tensor:
        kind = other if tensor.dtype is dtype else tensor.dtype
        return torch.empty_like(tensor, dtype=kind, device="meta")

    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        wants = parameter.requires_grad
        memo[id(parameter)] = nn.Parameter(moved(parameter), requires_grad=wants)
    for buffer in model.buffers():
        memo[id(buffer)] = moved(buffer)
    there = copy.deepcopy(model, memo)
    return there, pytree.tree_map_only(torch.Tensor, moved, call)
