"""What a page says of a model: its analysis and its plan, made without changing it."""

from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from mupfx.core.analysis import Analysis
from mupfx.core.hyperparameters import NO_CHOICES, Hyperparameters
from mupfx.core.observed import Exponent
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan
from mupfx.errors import ObserveError, TargetError
from mupfx.observables.observations import AXES, Observations
from mupfx.passes.capture import unwrapped
from mupfx.passes.preflight import preflight
from mupfx.pipeline.analysis import Options, positional, run_analysis
from mupfx.pipeline.bases import made_by, read_base
from mupfx.pipeline.lowering import conversions
from mupfx.pipeline.planning import Request, make_plan


@dataclass(frozen=True, slots=True)
class Wanted:
    """As ``mupfx.convert`` is asked; nothing of it is carried out."""

    parametrization: Parametrization
    base: Any = None
    choices: Hyperparameters = NO_CHOICES
    strict: bool = True
    hooks: bool = True
    init: Mapping[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=Options)


def described(
    model: Any, args: object, kwargs: Mapping[str, Any], wanted: Wanted
) -> tuple[Analysis, Plan | None]:
    """Trace a model, and plan its conversion if a base says how much it grew.

    A converted model keeps its own plan.

    Raises:
        MupfxError: As ``mupfx.convert``.
    """
    made, drawn = made_by(model)
    inner = unwrapped(made)[0]
    call = tuple(positional(args)), kwargs
    own = _own_plan(made)
    if own is not None or wanted.base is None:
        return run_analysis(inner, *call, None, wanted.options), own
    preflight(made)
    given = read_base(wanted.base)
    request = Request(
        wanted.parametrization,
        given,
        wanted.strict,
        wanted.hooks,
        wanted.init,
        wanted.choices,
        drawn=drawn,
    )
    analysis = run_analysis(inner, *call, given, _growing(wanted))
    return analysis, make_plan(inner, analysis, request).plan


def require_of_one_model(
    analysis: Analysis | None, plan: Plan | None, named: Mapping[str, Iterable[str]]
) -> None:
    """Refuse measurements of another model.

    Args:
        analysis: Of the model, if there is one.
        plan: Of the model, if there is one.
        named: Parameters that something was measured of, by what it is.

    Raises:
        TargetError: The model has none of them.
    """
    own = {*(analysis.roles if analysis else ()), *(plan.parameters if plan else ())}
    for what, names in named.items():
        measured = {name for several in names for name in several.split(", ") if name}
        if own and measured and not any(_ends_alike(name, own) for name in measured):
            raise TargetError(
                f"{what} is of another model",
                expected=f"parameters such as {min(own)}",
                found=f"{min(measured)}, and {len(measured) - 1} others",
            )


def _ends_alike(name: str, own: Container[str]) -> bool:
    """Whether a model has a parameter of a name, but for what wrappers put before it."""
    parts = name.split(".")
    return any(".".join(parts[at:]) in own for at in range(len(parts)))


def exponents(observed: Observations) -> tuple[Exponent, ...]:
    """Of all quantities that grow with width or depth at all."""
    found: list[Exponent] = []
    for quantity in observed.quantities:
        for axis in AXES:
            with suppress(ObserveError):  # of one size, or of both signs
                found += observed.slopes(quantity, axis)
    return tuple(found)


def _own_plan(model: nn.Module) -> Plan | None:
    found = next(conversions(model), None)
    return None if found is None else found[1].plan


def _growing(wanted: Wanted) -> Options:
    """Depth is inferred where the parametrization has rules for it."""
    table = wanted.parametrization
    return replace(
        wanted.options,
        infer_depth=table.depth is not None or table.plain is not None,
        layers=table.plain is not None,
    )
