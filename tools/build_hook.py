"""Refuse to build from a checkout that lost the link ``mupfx/passes -> ../passes``.

Without links (``core.symlinks=false``) git writes a text file instead, and the wheel would hold no
passes, without a word.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PassesLinkHook(BuildHookInterface[Any]):
    """Looks through the link before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise unless the passes can be seen from inside the package."""
        del version, build_data
        if not Path(self.root, "mupfx", "passes", "__init__.py").is_file():
            raise RuntimeError(
                "mupfx/passes is not a link to ../passes: clone again with core.symlinks=true"
            )
