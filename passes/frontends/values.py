"""Tensors in the inputs and outputs of a model, whatever holds them.

Registered pytrees, sequences, mappings and dataclasses are walked in order. An object of another
kind (a key-value cache) is looked into only where there is no tensor beside it::

    Result(logits=a, hidden=[b], cache=Cache())   ->   a, b
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

Named = tuple[str, torch.Tensor]

OTHERS = (type, nn.Module, torch.SymInt, torch.SymFloat, torch.SymBool)
"""Objects that hold no tensors of an input or output, whatever they refer to."""


def tensors(value: object) -> list[torch.Tensor]:
    """Every tensor in a value, in order."""
    return [tensor for _, tensor in named_tensors("", value)]


def named_tensors(name: str, value: object) -> list[Named]:
    """Every tensor in a value, with where in it the tensor is."""
    return list(_walk(name, value, {}, closed=False)) or list(_walk(name, value, {}, closed=True))


def signature_of(model: nn.Module) -> inspect.Signature | None:
    """What ``forward`` takes; None where that is not written anywhere, as in a traced module."""
    try:
        return inspect.signature(model.forward)
    except ValueError:
        return None


def named_inputs(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Named]:
    """Tensors of a call under the names that ``forward`` has for them, each once."""
    signature = signature_of(model)
    given = signature.bind(*args, **kwargs).arguments if signature else {"": args, **kwargs}
    found = [pair for name, value in given.items() for pair in named_tensors(name, value)]
    return list({id(tensor): (name, tensor) for name, tensor in reversed(found)}.values())[::-1]


def kept(model: nn.Module) -> set[int]:
    """Identities of tensors that modules keep, registered or not."""
    held = (value for module in model.modules() for value in vars(module).values())
    return {id(tensor) for value in held for tensor in tensors(value)}


def _walk(name: str, value: object, seen: dict[int, object], *, closed: bool) -> Iterator[Named]:
    """Tensors below a value; with ``closed``, also in objects that nobody described."""
    seen[id(value)] = value  # kept, so that no other object takes its identity
    if isinstance(value, torch.Tensor):
        yield name, value
        return
    for key, member in _members(value, closed=closed):
        if id(member) not in seen or isinstance(member, torch.Tensor):
            inside = f"{name}_{key}" if name else key
            yield from _walk(inside, member, seen, closed=closed)


def _members(value: object, *, closed: bool) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(key), member) for key, member in value.items())
    elif isinstance(value, tuple | list):
        yield from ((str(i), member) for i, member in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((f.name, getattr(value, f.name, None)) for f in fields(value))
    elif type(value) in pytree.SUPPORTED_NODES:
        leaves = pytree.tree_leaves(value)
        yield from ((str(i), member) for i, member in enumerate(leaves))
    elif closed and hasattr(value, "__dict__") and not isinstance(value, OTHERS):
        yield from vars(value).items()
