"""What a converted module carries: its plan, as plain data in the module's own ``__dict__``.

Nothing is stored on a Parameter, so deepcopy, pickle, ``load_state_dict(assign=True)``,
``to_empty`` and sharding keep it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mupfx.core.init_law import Fans
from mupfx.core.plan import Plan

ATTRIBUTE = "_mupfx_conversion"
STANDARD = "_mupfx_standard"


@dataclass(frozen=True)
class Conversion:
    """The state of a converted module."""

    plan: Plan
    pending: Mapping[str, Fans] | None = None
    """Sizes for recognising init laws, while there are no values yet (meta device)."""
    init: Mapping[str, str] = field(default_factory=dict)
    """Laws that the user named at the conversion, for then."""
    strict: bool = True


@dataclass(frozen=True)
class Standard:
    """What a module carries that was converted once and is an ordinary one again."""

    parametrization: str
    notes: tuple[str, ...] = ()
    """What is not as it was before: weights that were untied."""
