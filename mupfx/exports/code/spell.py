"""One node of a graph as one expression of Python."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

from mupfx.errors import ExportError
from mupfx.tables.spellings import FUNCTIONS, LEFT_OUT, METHODS, OPERATORS, TORCH

TORCHS_OWN = ("aten", "prims")
Names = Callable[[fx.Node], str]
END = 2**63 - 1
"""How graphs write that a slice goes to the end."""


def expression(node: fx.Node, names: Names, constants: Mapping[float, str]) -> str:
    """What a node computes.

    Args:
        node: A call.
        names: How a node that it reads is called.
        constants: Names of numbers, in the multipliers.

    Raises:
        ExportError: It calls something that is no op of torch.
    """
    args = [spelled(value, names, constants) for value in node.args]
    kwargs = {
        key: "device" if key == "device" else spelled(value, names, constants)
        for key, value in node.kwargs.items()
        if not _says_nothing(key, value)
    }
    op = _op(node)
    special = _SPECIAL.get(op)
    if special is not None and not kwargs:
        return special(*args)
    if op in OPERATORS and len(args) == 2 and not kwargs:
        return f"{args[0]} {OPERATORS[op]} {args[1]}"
    if op in METHODS and args:
        return f"{args[0]}.{op.split('.')[1]}({_listed(args[1:], kwargs)})"
    if op in TORCH:
        return f"torch.{op.split('.')[1]}({_listed(args, kwargs)})"
    path = FUNCTIONS.get(op) or (f"torch.ops.{op}" if "." in op else f"torch.{op}")
    return f"{path}({_listed(args, kwargs)})"


def _op(node: fx.Node) -> str:
    target: Any = node.target
    if isinstance(target, OpOverload) and target.namespace in TORCHS_OWN:
        return str(target)
    name = str(getattr(target, "__name__", target))
    if name in OPERATORS or name in _SPECIAL or getattr(target, "__module__", "") == "torch":
        return name
    raise ExportError(
        "Python of torch alone cannot say what this graph calls",
        where=node.name,
        found=str(target),
        hint='format="pt2" keeps it, for whoever has the library that it belongs to',
    )


def _listed(args: list[str], kwargs: Mapping[str, str]) -> str:
    return ", ".join([*args, *(f"{key}={value}" for key, value in kwargs.items())])


def _says_nothing(key: str, value: object) -> bool:
    return key in LEFT_OUT and (value in LEFT_OUT[key] or value is torch.strided)


def spelled(value: Any, names: Names, constants: Mapping[float, str]) -> str:
    """A value as Python."""
    if isinstance(value, fx.Node):
        return names(value)
    if isinstance(value, list | tuple):
        inside = ", ".join(spelled(member, names, constants) for member in value)
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{comma})"
    if isinstance(value, float):
        return constants.get(value) or _number(value)
    if isinstance(value, torch.device):
        return "device"
    return repr(value)


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def _sliced(x: str, dim: str = "0", start: str = "None", end: str = "None", step: str = "1") -> str:
    begin = "" if start in ("None", "0") else start
    stop = "" if end in ("None", str(END)) else end
    by = "" if step == "1" else f":{step}"
    return _indexed(x, dim, f"{begin}:{stop}{by}")


def _indexed(x: str, dim: str, inside: str) -> str:
    place = int(dim)
    before = ":, " * place if place >= 0 else "..., "
    after = ", :" * (-1 - place) if place < 0 else ""
    return f"{x}[{before}{inside}{after}]"


_SPECIAL: Mapping[str, Callable[..., str]] = {
    "aten.slice.Tensor": _sliced,
    "aten.select.int": _indexed,
    "aten.sym_size.int": lambda x, dim: f"{x}.shape[{dim}]",
    "aten.index.Tensor": lambda x, places: f"{x}[{places[1:-1].replace('None', ':')}]",
    "aten.numpy_T.default": lambda x: f"{x}.T",
    "neg": lambda x: f"-{x}",
    "getitem": lambda x, place: f"{x}[{place}]",
}
