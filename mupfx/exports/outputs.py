"""Outputs of a model as plain containers of tensors, and how far two of them are apart.

``ModelOutput(logits=a, past_key_values=Cache())`` is ``{"logits": a}``: what is no tensor and no
container of tensors, such as a cache or None, is left out of mappings, and None in sequences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from mupfx.errors import ExportError


def plain(value: object) -> Any:
    """The same output of dicts, lists, tuples and tensors alone.

    >>> plain({"a": [1, torch.ones(2)], "b": None})
    {'a': [None, tensor([1., 1.])]}
    """
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        return _present((str(key), plain(member)) for key, member in value.items())
    if isinstance(value, list | tuple):
        members = [plain(member) for member in value]
        some = any(member is not None for member in members)
        return (members if isinstance(value, list) else tuple(members)) if some else None
    if is_dataclass(value) and not isinstance(value, type):
        return _present((f.name, plain(getattr(value, f.name, None))) for f in fields(value))
    return None


def _present(members: Iterator[tuple[str, Any]]) -> dict[str, Any] | None:
    return {key: member for key, member in members if member is not None} or None


def flat(value: object) -> list[Tensor]:
    """Tensors of a plain output, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for member in value.values() for tensor in flat(member)]
    if isinstance(value, list | tuple):
        return [tensor for member in value for tensor in flat(member)]
    return []


def largest_error(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """Largest difference over largest entry, of the output where that is largest.

    Raises:
        ExportError: They are not as many, or not of one shape.
    """
    shapes = [[list(tensor.shape) for tensor in tensors] for tensors in (wanted, found)]
    if shapes[0] != shapes[1]:
        raise ExportError(
            "what was written gives other outputs",
            expected=f"tensors of shapes {shapes[0]}",
            found=f"{shapes[1]}",
        )
    return max(map(relative_error, found, wanted), default=0.0)


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """Largest difference over largest finite entry; entries that are alike, NaN too, differ by 0.

    >>> relative_error(torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]))
    0.25
    """
    ours, theirs = _wide(found), _wide(wanted)
    if not theirs.numel():
        return 0.0
    alike = (ours == theirs) | (ours.isnan() & theirs.isnan())
    difference = torch.where(alike, 0.0, (ours - theirs).abs()).max().item()
    size = torch.where(theirs.isfinite(), theirs.abs(), 0.0).max().item()
    if difference == 0:
        return 0.0
    return difference / size if size and difference == difference else inf  # noqa: PLR0124 - NaN


def _wide(tensor: Tensor) -> Tensor:
    kind = torch.complex128 if tensor.is_complex() else torch.float64
    return tensor.detach().cpu().to(kind)
