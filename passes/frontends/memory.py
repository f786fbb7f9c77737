"""The memory that a tensor looks at, by a name that neither keeps it alive nor is used again."""

from typing import Any

import torch
from torch.multiprocessing import reductions

_WeakReference: Any = reductions.StorageWeakRef

Memory = Any
"""A weak reference to a storage: equal for tensors over one memory."""
Geometry = tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]
"""Offset, size, strides and type: what a tensor sees of its memory."""


def memory_of(value: object) -> Memory | None:
    """The memory behind a tensor; None for one that has none of its own, and for other values."""
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    try:
        return _WeakReference(value.untyped_storage())
    except (NotImplementedError, RuntimeError):  # a subclass that wraps other tensors
        return None


def geometry_of(tensor: torch.Tensor) -> Geometry:
    """What a tensor sees of its memory."""
    offset = int(tensor.storage_offset())
    return offset, tuple(tensor.shape), tensor.stride(), tensor.dtype
