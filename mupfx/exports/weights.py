"""Weights as safetensors: the state dict of the model, each shared tensor once.

A file of a model with tied embeddings holds ``wte.weight`` alone, and says in its metadata that
``lm_head.weight`` is the same tensor; ``safetensors.torch.load_model`` puts both in place.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from mupfx.errors import ModelError, TargetError


def save_weights(model: nn.Module, path: Path) -> dict[str, str]:
    """Write the state dict; return the names left out, with the name that holds their tensor.

    Raises:
        ModelError: A tensor has no values, or an entry of the state dict is no tensor.
    """
    tensors = model.state_dict()
    for name, value in tensors.items():
        _check(name, value)
    shared = shared_names(tensors)
    kept = {
        name: value.detach().contiguous() for name, value in tensors.items() if name not in shared
    }
    save_file(_unaliased(kept), path, metadata={"format": "pt", **shared})
    return shared


def shared_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Later names of one tensor, each with the first.

    >>> weight = torch.ones(2)
    >>> shared_names({"wte": weight, "bias": torch.ones(2), "head": weight})
    {'head': 'wte'}
    """
    first: dict[tuple[object, ...], str] = {}
    return {
        name: kept
        for name, value in tensors.items()
        if (kept := first.setdefault(_identity(value, name), name)) != name
    }


def _identity(value: torch.Tensor, name: str) -> tuple[object, ...]:
    """Equal for two names of the very same values; empty tensors share nothing."""
    if value.numel() == 0:
        return (name,)
    return (value.device, value.dtype, value.data_ptr(), value.shape, value.stride())


def _unaliased(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors that overlap others in memory without being them; safetensors refuses those."""
    owners: set[int] = set()
    alone: dict[str, torch.Tensor] = {}
    for name, value in tensors.items():
        storage = value.untyped_storage().data_ptr()
        alone[name] = value.clone() if storage in owners else value
        owners.add(storage)
    return alone


def _check(name: str, value: object) -> None:
    if not isinstance(value, torch.Tensor):
        raise ModelError(
            "safetensors holds tensors only",
            where=f"`{name}` of the state dict",
            found=type(value).__name__,
        )
    if value.is_meta:
        raise ModelError(
            "there are no values to write",
            where=f"`{name}` is on the meta device",
            hint="build the model on a real device, or call to_empty and initialise it first",
        )


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict, of torch.save or safetensors, each shared tensor under all its names.

    Raises:
        TargetError: There is no such file, or it is no state dict.
    """
    try:
        if path.suffix != ".safetensors":
            return dict(torch.load(path, weights_only=True, map_location="cpu"))
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            shared = file.metadata() or {}
    except Exception as error:
        raise TargetError(
            f"cannot read `{path}`",
            expected="a state dict, of torch.save or safetensors",
            found=" ".join(str(error).split())[:200],
        ) from error
    return tensors | {name: tensors[kept] for name, kept in shared.items() if kept in tensors}
