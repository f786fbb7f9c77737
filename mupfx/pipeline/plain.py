"""Tables for plain nets: whether the model is one, and what its values must be."""

from collections.abc import Mapping
from math import prod

from mupfx.core.analysis import Analysis
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.core.vocabulary import Role
from mupfx.errors import InitError, ParametrizationError
from mupfx.passes.chain import find_chain

_CLOSE = 0.1
"""How far the second moment of a hidden weight may be from 2/fan_in."""


def table_for(analysis: Analysis, table: Parametrization) -> Parametrization:
    """The table as it is for this model: of a plain net or a residual one.

    Raises:
        ParametrizationError: The model is neither, or not of the kind that the table is for.
    """
    if table.plain is None:
        return table
    streams = analysis.streams.streams
    if streams:
        return _residual(table, len(streams))
    chain = find_chain(analysis.program, analysis.axes)
    if table.plain.relu and not chain.relu:
        raise ParametrizationError(
            f"the closed form of {table.name!r} is for ReLU",
            found=", ".join(chain.nonlinearities),
            hint="'gamma(0, 0)' has the same exponents for any nonlinearity at its critical point",
        )
    return table


def _residual(table: Parametrization, streams: int) -> Parametrization:
    found = table.plain.residual if table.plain is not None else None
    if found is None or streams > 1:
        raise ParametrizationError(
            f"{table.name!r} is for plain nets" + (" and one residual stream" if found else ""),
            found=f"{streams} residual stream{'s' if streams > 1 else ''}",
            hint="'depth_mup' for blocks of one matrix, 'completep' for deeper ones",
        )
    return found


def require_critical(
    analysis: Analysis, table: Parametrization, parameters: Mapping[str, ParameterPlan]
) -> None:
    """Refuse a ReLU net whose values shrink or grow from layer to layer: no power of depth helps.

    Raises:
        InitError: A hidden weight is not drawn at std ``sqrt(2 / fan_in)``, or a bias is not zero.
    """
    if table.plain is None or not table.plain.relu:
        return
    for name, role in analysis.roles.items():
        init = parameters[name].init
        fan_in = prod(role.shape[d] for d in role.fan_in)
        moment = 1.0 if init.std is None else init.std**2 * fan_in / 2
        if role.role is Role.HIDDEN and abs(moment - 1) > _CLOSE:
            raise InitError(
                "a deep ReLU net keeps its size at std sqrt(2 / fan_in) alone",
                where=name,
                expected=f"std {(2 / fan_in) ** 0.5:.4g}",
                found=f"std {init.std:.4g}",
                hint='nn.init.kaiming_normal_(weight, nonlinearity="relu"), biases zero',
            )
        if role.role is Role.VECTOR and init.law not in ("zeros", None):
            raise InitError(
                "a deep ReLU net keeps its size with biases of zero alone",
                where=name,
                found=f"values drawn as {init.law}",
                hint="nn.init.zeros_(bias), or layers without",
            )
