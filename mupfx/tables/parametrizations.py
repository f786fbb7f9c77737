"""The parametrizations known by name.

A new one is a table in a module of its own and a row here.
"""

from collections.abc import Mapping

from mupfx.core.parametrization import Parametrization
from mupfx.errors import ParametrizationError
from mupfx.tables.mup import MUP
from mupfx.tables.sp import SP

PARAMETRIZATIONS: Mapping[str, Parametrization] = {"sp": SP, "mup": MUP}


def parametrization(name_or_table: str | Parametrization) -> Parametrization:
    """Look a parametrization up by name; a table of the user's own passes through.

    >>> parametrization("mup").name
    'mup'

    Raises:
        ParametrizationError: There is none of that name.
    """
    if isinstance(name_or_table, Parametrization):
        return name_or_table
    if name_or_table in PARAMETRIZATIONS:
        return PARAMETRIZATIONS[name_or_table]
    raise ParametrizationError(
        "no parametrization of this name",
        expected=", ".join(f"{name!r}" for name in PARAMETRIZATIONS),
        found=repr(name_or_table),
        hint="pass one of these names, or a mupfx.core.parametrization.Parametrization of your own",
    )
