"""The command line: options in, one module of ``mupfx.commands`` called.

Torch is imported by the command that runs, so ``mupfx --help`` answers at once.
"""

from mupfx.cli import models  # isort: skip - the order of help
from mupfx.cli import measures  # isort: skip
from mupfx.cli.app import app

__all__ = ["app", "main", "measures", "models"]


def main() -> None:
    """Entry point."""
    app(prog_name="mupfx")
