"""What differs between two plans, as data: one entry for each number, role or parameter."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlanChange:
    """One difference."""

    where: str
    """The parameter, site, or field of the plan."""
    what: str
    """``appeared``, ``vanished``, or which of its properties: ``role``, ``lr (adam, adamw)``."""
    old: str | None
    new: str | None

    def to_dict(self) -> dict[str, Any]:
        """An entry of ``mupfx diff --json``."""
        return {"where": self.where, "what": self.what, "old": self.old, "new": self.new}
