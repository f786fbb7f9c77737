"""Who asked for a fill: the functions of ``torch.nn.init`` on the stack, and the user's line.

Some laws are not seen in operations: ``trunc_normal_`` draws until all fits, ``orthogonal_``
factorises, and on the meta device neither does anything. Their frames have the exact arguments.
"""

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.nn import init

from mupfx.core.drawn import Drawn, Shape, affine

TORCH = str(Path(torch.__file__).parent)
HERE = str(Path(__file__).parent)
MOST = 60
"""Frames that are looked at."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the stack says about a fill."""

    function: str
    """The outermost function of ``torch.nn.init``; empty where there is none."""
    source: str
    law: Drawn | None = None
    """What that function makes of all of ``tensor``."""
    tensor: Tensor | None = None


def asked() -> Asked:
    """Look at the stack of whoever calls into torch now."""
    function, law, tensor = "", None, None
    frame: FrameType | None = sys._getframe(1)
    helper = ""
    for _ in range(MOST):
        if frame is None:
            break
        code = frame.f_code
        file = code.co_filename
        if code in LAWS and isinstance(found := frame.f_locals.get("tensor"), Tensor):
            law, tensor = LAWS[code](frame.f_locals), found
        if file == init.__file__ and not code.co_name.startswith("_"):
            function = code.co_name
        if not file.startswith((TORCH, HERE)):
            helper = helper or f"{file}:{frame.f_lineno}"
            if not code.co_name.endswith("_") or code.co_name.endswith("__"):
                return Asked(function, f"{file}:{frame.f_lineno}", law, tensor)
        frame = frame.f_back
    return Asked(function, helper, law, tensor)


def innermost_of_torch(frame: FrameType) -> bool:
    """Whether a frame runs torch's own code."""
    return frame.f_code.co_filename.startswith(TORCH)


def _truncated(given: Mapping[str, Any]) -> Drawn:
    mean, std = float(given["mean"]), float(given["std"])
    low, high = float(given["a"]), float(given["b"])
    if std == 0:
        return Drawn(Shape.CONSTANT, location=min(max(mean, low), high))
    cut = Drawn(Shape.TRUNCATED, std, mean, (low - mean) / std, (high - mean) / std)
    return cut if min(-cut.low, cut.high) < _FAR else Drawn(Shape.NORMAL, std, mean)


_FAR = 6.0


def _orthogonal(given: Mapping[str, Any]) -> Drawn:
    tensor = given["tensor"]
    rows = tensor.shape[0]
    longer = max(rows, tensor.numel() // max(rows, 1), 1)
    return affine(Drawn(Shape.ORTHOGONAL, 1.0, density=1 / longer), float(given["gain"]))


def _sparse(given: Mapping[str, Any]) -> Drawn:
    rows = given["tensor"].shape[0]
    zeros = math.ceil(float(given["sparsity"]) * rows)
    return Drawn(Shape.SPARSE, float(given["std"]), density=1 - zeros / max(rows, 1))


def _eye(given: Mapping[str, Any]) -> Drawn:
    return Drawn(Shape.EYE, 1.0, density=1 / max(*given["tensor"].shape, 1))


def _dirac(given: Mapping[str, Any]) -> Drawn:
    sizes, groups = given["tensor"].shape, int(given["groups"])
    ones = groups * min(sizes[0] // groups, sizes[1])
    return Drawn(Shape.DIRAC, 1.0, density=ones / max(math.prod(sizes), 1), groups=groups)


LAWS: Mapping[CodeType, Callable[[Mapping[str, Any]], Drawn]] = {
    init._no_grad_trunc_normal_.__code__: _truncated,
    init.orthogonal_.__code__: _orthogonal,
    init.sparse_.__code__: _sparse,
    init.eye_.__code__: _eye,
    init.dirac_.__code__: _dirac,
}
"""Functions whose law is in their arguments, by their code."""
