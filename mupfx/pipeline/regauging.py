"""Move parameters of a converted model to another gauge, with its plan and its optimizers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite, log2

import torch
from torch import nn
from torch.optim import Optimizer

from mupfx.core.conversion import ATTRIBUTE
from mupfx.core.plan import ParameterPlan, Plan
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.errors import LoweringError, PlanError
from mupfx.passes.carry import carry, require_carriers
from mupfx.passes.gauge import absorb
from mupfx.passes.groups import Family, move, require_movable
from mupfx.passes.multipliers import watch
from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.rewrite.multiply import multiply_parameter
from mupfx.pipeline.lowering import converted, lower
from mupfx.pipeline.planning import Planned
from mupfx.tables.optimizers import FAMILIES

GAUGES = ("fold", "mup", "unit")


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a parameter's multiplier grows, and the exact form where there is one."""

    value: float
    power: Power = ONE


def regauge(
    model: nn.Module,
    growth: Mapping[str, Growth],
    optimizers: Sequence[Optimizer] = (),
    family: Family = None,
) -> None:
    """Divide stored values, multiply them again where they are read, and let all else follow.

    Raises:
        LoweringError: A multiplier is not positive, or nothing can carry it.
        OptimizerError: An optimizer cannot follow.
        PlanError: The model was not converted, or has no such parameter.
    """
    module, conversion = converted(model)
    moves = _planned(conversion.plan, growth)
    require_carriers(module, moves)
    parameters = dict(module.named_parameters(remove_duplicate=False))
    values = {id(parameters[name]): moved.value for name, moved in moves.items()}
    for optimizer in optimizers:
        require_movable(optimizer, values, family)
    for optimizer in optimizers:
        move(optimizer, values, family)
    rows = dict(conversion.plan.parameters)
    for name, moved in moves.items():
        _store(module, parameters[name], moved.value)
        rows[name] = absorb(rows[name], 1 / moved.value, moved.power**-1, FAMILIES)
    setattr(module, ATTRIBUTE, replace(conversion, plan=replace(conversion.plan, parameters=rows)))
    watch(module)


def _planned(plan: Plan, growth: Mapping[str, Growth]) -> dict[str, Growth]:
    """By the planned names, without those that stay."""
    found: dict[str, Growth] = {}
    for given, grown in growth.items():
        name = plan.aliases.get(given, given)
        if name not in plan.parameters:
            raise PlanError(f"the plan has no parameter `{given}`", where=given)
        if name in found and found[name] != grown:
            raise LoweringError(
                "tied names are one parameter, and have one multiplier",
                where=f"{given}, tied to {name}",
                expected=f"{found[name].value:g}",
                found=f"{grown.value:g}",
            )
        if not (isfinite(grown.value) and grown.value > 0):
            raise LoweringError(
                "a multiplier must be a positive number", where=given, found=str(grown.value)
            )
        found[name] = grown
    return {name: grown for name, grown in found.items() if grown.value != 1.0}


def _store(module: nn.Module, parameter: torch.Tensor, value: float) -> None:
    with torch.no_grad():
        parameter.mul_(1 / value)
        if parameter.grad is not None:
            parameter.grad.mul_(value)
    if isinstance(module, Rewritten):
        every = module.named_parameters(remove_duplicate=False)
        names = [name for name, held in every if held is parameter]
        multiply_parameter(module, names, value)
    else:
        carry(module, parameter, value)


def rounded(growth: Mapping[str, Growth]) -> dict[str, Growth]:
    """Every multiplier as the nearest power of two."""
    return {
        name: Growth(2.0 ** round(log2(grown.value))) if 0 < grown.value < inf else grown
        for name, grown in growth.items()
    }


def lower_into(model: nn.Module, planned: Planned, gauge: str, *, exact: bool) -> None:
    """Lower a plan, and store what it makes in a named gauge; refused before anything is changed.

    Raises:
        LoweringError: There is no such gauge, or nothing can carry it.
        PlanError: The plan does not hold together.
    """
    growth = preset(planned.plan, gauge)
    require_carriers(model, growth)
    if growth:
        note = (
            f"gauge {gauge!r} multiplies {_some(tuple(growth))} where they are read; weights "
            "alone, loaded elsewhere, lack it"
        )
        plan = replace(planned.plan, notes=(*planned.plan.notes, note))
        planned = replace(planned, plan=plan)
    lower(model, planned)
    regauge(model, rounded(growth) if exact else growth)


def _some(names: tuple[str, ...], limit: int = 3) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def preset(plan: Plan, gauge: str) -> dict[str, Growth]:
    """What a named gauge makes of a model that is folded.

    Raises:
        LoweringError: There is none of that name, or the weights' sizes are not known yet.
    """
    if gauge not in GAUGES:
        raise LoweringError(
            f"gauge={gauge!r} says nothing", expected=", ".join(repr(name) for name in GAUGES)
        )
    if gauge == "fold":
        return {}
    if gauge == "mup":
        outputs = [p for p in plan.parameters.values() if p.role is Role.OUTPUT]
        power = Power.of(fan_in=-1)
        return {p.name: Growth(power.value(p.symbols), power) for p in outputs}
    return {name: Growth(_std(p)) for name, p in plan.parameters.items() if _is_matrix(p)}


def _is_matrix(parameter: ParameterPlan) -> bool:
    return parameter.role in {Role.INPUT, Role.HIDDEN, Role.OUTPUT} and parameter.init.std != 0


def _std(parameter: ParameterPlan) -> float:
    if parameter.init.std is not None:
        return parameter.init.std
    raise LoweringError(
        "unit variance needs to know how large a weight is",
        where=parameter.name,
        found="no known law of initialisation, or no values yet (meta device)",
        hint='name the law, init={"'
        + parameter.name
        + '": "normal"}, or convert with gauge="fold"',
    )
