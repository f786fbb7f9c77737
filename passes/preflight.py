"""Preflight: states of a model that no conversion can work with, each with its own error.

A table of checks, asked in order before anything runs.
"""

from collections.abc import Callable, Iterator

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from mupfx.errors import ModelError

Check = Callable[[nn.Module], ModelError | None]


def preflight(model: nn.Module) -> None:
    """Refuse a model that cannot be converted.

    Raises:
        ModelError: The first check that failed.
    """
    for check in CHECKS:
        error = check(model)
        if error is not None:
            raise error


def _lazy(model: nn.Module) -> ModelError | None:
    names = [n for n, p in model.named_parameters() if isinstance(p, UninitializedParameter)]
    if not names:
        return None
    return ModelError(
        "lazy parameters have no shape yet",
        where=_list(names),
        hint="run the model once on an example, then convert it",
    )


def _quantized(model: nn.Module) -> ModelError | None:
    found = {n: p.dtype for n, p in model.named_parameters() if _is_quantized(p)}
    found |= dict.fromkeys((n for n, value in _state(model) if _is_packed(value)), torch.qint8)
    if not found:
        return None
    names = [f"{name} {str(dtype).removeprefix('torch.')}" for name, dtype in found.items()]
    return ModelError(
        "quantized weights cannot be rescaled or trained",
        where=_list(names),
        expected="floating point weights",
        hint="convert the model first, quantize what comes out of training",
    )


def _state(model: nn.Module) -> Iterator[tuple[str, object]]:
    yield from model.state_dict().items()


def _is_quantized(value: torch.Tensor) -> bool:
    whole = not (value.dtype.is_floating_point or value.dtype.is_complex)
    return value.is_quantized or (whole and value.dtype is not torch.bool)


def _is_packed(value: object) -> bool:
    """Packed weights stand in a state dict as tuples of quantized tensors."""
    if isinstance(value, tuple | list):
        return any(_is_packed(item) for item in value)
    return isinstance(value, torch.Tensor) and value.is_quantized


def _empty(model: nn.Module) -> ModelError | None:
    names = [f"{n} {list(p.shape)}" for n, p in model.named_parameters() if p.numel() == 0]
    if not names:
        return None
    return ModelError(
        "parameters with an axis of size zero have no ratio to a base",
        where=_list(names),
        expected="every axis at least one",
        hint="remove the empty layers, or shard after converting",
    )


def _mixed_devices(model: nn.Module) -> ModelError | None:
    homes: dict[torch.device, str] = {}
    for name, parameter in model.named_parameters():
        homes.setdefault(parameter.device, name)
    if len(homes) < 2:
        return None
    return ModelError(
        "the parameters are on several devices",
        where=", ".join(f"{name} on {device}" for device, name in homes.items()),
        expected="one device",
        hint="convert first, then move or shard the model: the plan stays with it",
    )


def _shared_memory(model: nn.Module) -> ModelError | None:
    """Two parameters over one memory would be rescaled twice, and trained by two rules."""
    homes: dict[int, str] = {}
    for name, parameter in model.named_parameters():
        first = homes.setdefault(_address(parameter) or id(parameter), name)
        if first != name:
            return ModelError(
                "two parameters share their memory without being one",
                where=f"{first} and {name}",
                expected="one parameter under two names",
                hint="tie the parameters themselves: a.weight = b.weight",
            )
    return None


def _address(parameter: torch.Tensor) -> int:
    """Where the values are; zero where there are none, as on the meta device."""
    strided = parameter.layout is torch.strided and type(parameter.data) is torch.Tensor
    return parameter.data_ptr() if strided else 0


def _no_numbers(model: nn.Module) -> ModelError | None:
    names = [n for n, p in model.named_parameters() if not _is_finite(p)]
    if not names:
        return None
    return ModelError(
        "weights hold values that are not finite",
        where=_list(names),
        expected="freshly initialised weights",
        hint="initialise the model before converting it",
    )


def _is_finite(parameter: torch.Tensor) -> bool:
    return parameter.is_meta or bool(torch.isfinite(parameter.detach()).all())


def _list(names: list[str], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


CHECKS: tuple[Check, ...] = (_lazy, _quantized, _empty, _mixed_devices, _shared_memory, _no_numbers)
