"""The parametrizations known by name.

A new one is a table in a module of its own and a row here: of ``PARAMETRIZATIONS`` as it stands, or
of ``FAMILIES`` with the parameters that its name takes, ``name(1/2)``.
"""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from mupfx.core.parametrization import Parametrization
from mupfx.tables import plane
from mupfx.tables.depth import COMPLETEP, DEPTH_MUP, depth
from mupfx.tables.everett import ALIGNMENT, READOUT, everett
from mupfx.tables.fsc import FSC, gamma
from mupfx.tables.initial import IC_MEAN_FIELD
from mupfx.tables.mup import MUP
from mupfx.tables.names import Family, Parameter, read
from mupfx.tables.sp import SP
from mupfx.tables.u_mup import U_MUP
from mupfx.tables.user_table import read_table

PARAMETRIZATIONS: Mapping[str, Parametrization] = {
    "sp": SP,
    "mup": MUP,
    "ntk": plane.NTK,
    "mean_field": plane.MEAN_FIELD,
    "sym_default": plane.SYM_DEFAULT,
    "ic_mean_field": IC_MEAN_FIELD,
    "depth_mup": DEPTH_MUP,
    "completep": COMPLETEP,
    "fsc": FSC,
    "u_mup": U_MUP,
}
"""Tables without parameters."""

FAMILIES: Mapping[str, Family] = {
    "plane": Family(
        plane.plane,
        (
            Parameter("q_s", "exponent of the readout's std"),
            Parameter("q", "exponent of the input's SGD learning rate"),
        ),
        "every scaling with width: NTK at (-1/2, 0), muP at (-1, 1)",
        "-3/4, 3/4",
    ),
    "meta": Family(
        plane.meta,
        (Parameter("s", "metaparameter", Fraction(0), Fraction(1)),),
        "Yaida's line from NTK, s = 0, to muP, s = 1",
        "1/2",
    ),
    "rich": Family(
        plane.rich,
        (Parameter("r", "richness", Fraction(0), Fraction(1, 2)),),
        "the same line by Karkada's richness r = s/2",
        "1/4",
    ),
    "depth": Family(
        depth,
        (Parameter("alpha", "exponent of the branches, from 1/2 to 1"),),
        "muP in width, residual branches of depth^-alpha",
        "3/4",
    ),
    "gamma": Family(
        gamma,
        (
            Parameter("l", "exponent of depth in gamma"),
            Parameter("w", "exponent of width that gamma falls with"),
        ),
        "plain nets: gamma depth^l / width^w; Yaida's at (1, 1-s), FSC at (0, 0)",
        "1, 1/2",
    ),
    "everett": Family(
        everett,
        (
            Parameter("table", "whose init", words=tuple(READOUT)),
            Parameter("alignment", "of updates with their inputs", words=tuple(ALIGNMENT)),
        ),
        "empirical: Everett's learning rates per layer",
        "sp, full",
    ),
}
"""Tables that are made from parameters."""


def one_of_each() -> tuple[Parametrization, ...]:
    """Every table without parameters, and an example of each family."""
    made = (f"{name}({family.example})" for name, family in FAMILIES.items())
    return (*PARAMETRIZATIONS.values(), *map(parametrization, made))


def parametrization(name_or_table: str | Path | Parametrization) -> Parametrization:
    """Look a parametrization up by name, or read a ``.toml`` file; a table passes through.

    >>> parametrization("mup").name, parametrization("meta(0.5)").name
    ('mup', 'meta(1/2)')

    Raises:
        ParametrizationError: There is none of that name, its parameters do not fit, or the file
            does not hold together.
    """
    if isinstance(name_or_table, Parametrization):
        return name_or_table
    if Path(name_or_table).suffix == ".toml":
        return read_table(Path(name_or_table))
    return read(str(name_or_table), PARAMETRIZATIONS, FAMILIES)
