"""The command line's frame: errors as plain text on stderr, and exit statuses.

Exit status: 0 done, 1 a ``MupfxError``, 3 the command line itself was wrong.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from mupfx.errors import MupfxError, TargetError

WRONG_USAGE = 3
_TYPER_USAGE = 2
_OTHER_ERROR = 1


class Ended(SystemExit):
    """A status that a command chose, 2 among them."""


class Commands(TyperGroup):
    """The commands, with our exit statuses, and our errors as plain text on stderr."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command line."""
        try:
            return super().main(*args, **kwargs)
        except MupfxError as error:
            typer.echo(f"{type(error).__name__}: {error}", err=True)
            usage = isinstance(error, TargetError)
            raise SystemExit(WRONG_USAGE if usage else _OTHER_ERROR) from error
        except Ended:
            raise
        except SystemExit as stop:
            raise SystemExit(WRONG_USAGE if stop.code == _TYPER_USAGE else stop.code) from stop


app = typer.Typer(
    cls=Commands,
    help="Put any PyTorch model into the maximal-update parametrization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
