"""What a converted module carries: its plan, as plain data in the module's own ``__dict__``.

Nothing is stored on a Parameter, so deepcopy, pickle, ``load_state_dict(assign=True)``,
``to_empty`` and sharding keep it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from mupfx.core.drawn import Drawn
from mupfx.core.init_law import Fans
from mupfx.core.plan import Plan

ATTRIBUTE = "_mupfx_conversion"
STANDARD = "_mupfx_standard"
MULTIPLIERS = "_mupfx_multipliers"
"""Attribute of a module that hands out parameters multiplied: by its own names for them."""

REWRITTEN = "_mupfx_rewritten"
"""Attribute of a model whose parameters belong to a graph since."""


@dataclass(frozen=True)
class Conversion:
    """The state of a converted module."""

    plan: Plan
    pending: Mapping[str, Fans] | None = None
    """Sizes for recognising init laws, while there are no values yet (meta device)."""
    init: Mapping[str, str] = field(default_factory=dict)
    """Laws that the user named at the conversion, for then."""
    strict: bool = True
    keep: bool = False
    """Values that are still to come are those of a trained model: they keep what they make."""
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    """Of a factory's model: the laws that it asked for, before anything was scaled."""


def mark_standard(module: nn.Module, parametrization: str, notes: Sequence[str]) -> None:
    """Note on an ordinary module that it was converted once, in words that need no mupfx to read.

    Args:
        module: The module.
        parametrization: What it was converted to.
        notes: What is not as it was before: weights that were untied.
    """
    module.__dict__[STANDARD] = {"parametrization": parametrization, "notes": list(notes)}


def is_standard(module: nn.Module) -> bool:
    """Whether a module, or a part of it, was converted once, so that its values are trained."""
    return any(STANDARD in part.__dict__ for part in module.modules())


def unmark_standard(module: nn.Module) -> None:
    """Forget that it was converted once."""
    for part in module.modules():
        part.__dict__.pop(STANDARD, None)
