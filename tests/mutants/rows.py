"""What a row of the kit is: a target, how to check it, and what a check must say of it.

``Row("gpt: one rate", rate(gpt, "h.0.c_fc.weight", 1), "MUP002", "h.0.c_fc.weight")``
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.mutants.models.common import Factory

WIDTHS = (32, 64, 128, 256)


@dataclass(frozen=True)
class Row:
    """One target."""

    name: str
    factory: Factory
    codes: str = ""
    """Those that name its one fault, with blanks between; a correct target has none."""
    tensors: str = ""
    """Patterns of the tensors or sites at fault, with blanks between; ``*`` for the whole."""
    check: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the check."""
    needs: str = ""
    """A package that it is written with."""

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments of the check."""
        given = dict(self.check)
        return given if "depths" in given or "widths" in given else {"widths": WIDTHS, **given}


def name_of(row: Row) -> str:
    return row.name
