"""Axes as people read them: ``kv_heads 2 x group 3 x head_dim 8, width 48``."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import prod

from mupfx.core.axes import Axis, FactorClass, Part

CLASS_NUMBER = re.compile(r"(?<=\bc)\d+\b")
"""The number in a class name such as ``c12``, which may differ between repeated layers."""


def labels(classes: Mapping[str, FactorClass]) -> dict[str, str]:
    """A word for each class: its label, and its name too where several share the label."""
    shared = Counter(found.label for found in classes.values())
    return {
        name: found.label if shared[found.label] == 1 else f"{found.label}:{name}"
        for name, found in classes.items()
    }


def axis(factors: Axis, classes: Mapping[str, FactorClass]) -> str:
    """One dimension as a product of factors; ``1`` where it has none."""
    return " x ".join(f"{classes[name].label} {classes[name].size}" for name in factors) or "1"


def shape(axes: tuple[Axis, ...], classes: Mapping[str, FactorClass]) -> str:
    """All dimensions of a tensor."""
    return ", ".join(axis(factors, classes) for factors in axes) or "scalar"


def parts(found: Sequence[Part], sizes: tuple[int, ...]) -> str:
    """What a fused parameter is put together of, like ones together.

    ``[0] 2 x hidden 24, output 4`` are 52 rows: twice 24 and 4.
    """
    alike = groupby(
        (p.dim, str(p.role), sizes[p.dim] // p.period * (p.stop - p.start)) for p in found
    )
    words: dict[int, list[str]] = {}
    for (dim, role, size), group in alike:
        count = len(list(group))
        words.setdefault(dim, []).append((f"{count} x " if count > 1 else "") + f"{role} {size}")
    return "; ".join(f"[{dim}] {', '.join(texts)}" for dim, texts in words.items())


def fan(dims: tuple[int, ...], sizes: tuple[int, ...]) -> str:
    """Dimensions and how many numbers they hold: ``[1] 48``.

    >>> fan((1, 2, 3), (64, 16, 3, 3)), fan((), (64,))
    ('[1,2,3] 144', '-')
    """
    if not dims:
        return "-"
    return f"[{','.join(map(str, dims))}] {prod(sizes[dim] for dim in dims)}"
