"""Stock weights: ``torch.save`` and safetensors, under the names of the unmodified class.

Both hold every name, so that ``model.load_state_dict(weights, strict=True)`` finds what it wants;
a shared tensor is twice in a safetensors file, and once in torch's own.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mupfx.errors import ExportError
from mupfx.exports.outputs import flat, plain
from mupfx.exports.parcel import Artefact, Call, Parcel, device_of

Weights = Mapping[str, Any]


def write_state_dict(parcel: Parcel, path: Path) -> Artefact:
    """``torch.save`` of the state dict."""
    torch.save(parcel.model.state_dict(), path)
    return _read_back(parcel, lambda: torch.load(path, weights_only=True))


def write_safetensors(parcel: Parcel, path: Path) -> Artefact:
    """The state dict as safetensors, every name with a tensor of its own.

    Raises:
        ExportError: An entry of the state dict is no tensor.
    """
    tensors = parcel.model.state_dict()
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise ExportError(
                "safetensors holds tensors only",
                where=f"`{name}` of the state dict",
                found=type(value).__name__,
                hint='format="state_dict"',
            )
    apart = {name: value.detach().clone().contiguous() for name, value in tensors.items()}
    save_file(apart, path, metadata={"format": "pt"})
    return _read_back(parcel, lambda: load_file(path, str(device_of(parcel.model))))


def _read_back(parcel: Parcel, load: Callable[[], Weights]) -> Artefact:
    """Load what was written into an unmodified instance that has other values."""
    fresh = blank(parcel.model, parcel.tied)
    fresh.load_state_dict(load(), strict=True, assign=bool(parcel.untied))

    def run(call: Call) -> list[Tensor]:
        return flat(plain(fresh(*call.args, **call.kwargs)))

    return Artefact(run, notes=_notes(parcel))


def _notes(parcel: Parcel) -> tuple[str, ...]:
    if not parcel.untied:
        return ()
    names = ", ".join(f"`{name}`" for name in parcel.untied)
    return (f"the class ties {names}: load with load_state_dict(weights, assign=True)",)


def blank(stock: nn.Module, tied: Mapping[str, tuple[str, ...]]) -> nn.Module:
    """A copy as its class builds it, ties too, whose state holds no value of use."""
    fresh = copy.deepcopy(stock)
    for name, others in tied.items():
        for other in others:
            owner, _, own = other.rpartition(".")
            fresh.get_submodule(owner).register_parameter(own, fresh.get_parameter(name))
    for value in fresh.state_dict().values():
        if isinstance(value, Tensor):
            value.fill_(torch.nan if value.is_floating_point() or value.is_complex() else 0)
    return fresh
