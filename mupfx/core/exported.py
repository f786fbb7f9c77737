"""What an export wrote, and how far it is from the model that it was made of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exported:
    """A file or folder, run against its source before it was put there."""

    path: Path
    format: str
    error: float
    """Largest difference over largest entry, of all outputs and calls."""
    tolerance: float
    calls: int
    """How many it was run on: the example, and others where sizes may change."""
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """One line, as the command line ends with."""
        calls = f"{self.calls} call{'s' if self.calls > 1 else ''}"
        return f"{self.path}: largest relative error {self.error:.2g} in {calls}"

    def to_dict(self) -> Mapping[str, Any]:
        """For JSON."""
        paths = {"path": str(self.path), "files": [str(path) for path in self.files]}
        return asdict(self) | paths
