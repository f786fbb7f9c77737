"""Verify: what must hold of a plan before it is put on a model.

Every trainable parameter is planned, every multiplier is accounted for exactly once, and at the
base shape nothing at all would change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite

from torch import Tensor

from mupfx.core.plan import ParameterPlan, Plan, SitePlan, shared_by
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import PlanError


def verify(plan: Plan, parameters: Mapping[str, Tensor]) -> None:
    """Check a plan against the parameters it is for.

    Raises:
        PlanError: The first thing that does not hold.
    """
    for problem in problems(plan, parameters):
        raise problem


def problems(plan: Plan, parameters: Mapping[str, Tensor]) -> Iterator[PlanError]:
    """Everything that does not hold."""
    for name, tensor in parameters.items():
        planned = plan.parameters.get(name)
        if planned is None:
            yield PlanError("a parameter is not in the plan", where=name)
        elif planned.shape != tuple(tensor.shape):
            yield PlanError(
                "the plan is for another shape",
                where=name,
                expected=str(list(planned.shape)),
                found=str(list(tensor.shape)),
            )
    for parameter in plan.parameters.values():
        yield from _numbers(parameter)
    yield from _audit(plan)


def _numbers(parameter: ParameterPlan) -> Iterator[PlanError]:
    zeros = parameter.init.law == "zeros" and parameter.init.factor == 0
    values = [parameter.multiplier, *([] if zeros else [parameter.init.factor])]
    for factors in parameter.optimizers.values():
        values += [v for v in (factors.lr, factors.weight_decay, factors.eps) if v is not None]
    if not all(isfinite(v) and v > 0 for v in values):
        yield PlanError(
            "a factor of the plan is not a positive number",
            where=parameter.name,
            found=str(values),
        )


def _audit(plan: Plan, carried: Sequence[tuple[str, float]] = ()) -> Iterator[PlanError]:
    """Every multiplier stands where it is said to, once.

    A folded one stands in its parameters, inverted, and what is carried multiplies that again:
    together they are what the plan has for the effective weight over the stored one.
    """
    for site in plan.sites.values():
        if _is_unused(site):
            yield PlanError("a multiplier is applied nowhere", where=site.name)
    folded, unknown = _folded(plan)
    for name in unknown:
        yield PlanError("a multiplier is folded into no parameter", where=name)
    for name, planned in plan.parameters.items():
        values = {value for other, value in carried if other == name} or {1.0}
        found = [value * folded.get(name, 1.0) for value in values]
        if not all(isclose(planned.multiplier, value, rel_tol=1e-12) for value in found):
            yield PlanError(
                "a multiplier is not accounted for exactly once",
                where=name,
                expected=", ".join(f"{value:.12g}" for value in found),
                found=f"{planned.multiplier:.12g}",
            )


def _folded(plan: Plan) -> tuple[dict[str, float], list[str]]:
    """What folding left of each parameter's multiplier, and names that are no parameter's."""
    found: dict[str, float] = {}
    folded = [site for site in plan.sites.values() if site.lowering == "fold"]
    for site in {shared_by(site): site for site in folded}.values():
        for name in site.target:
            found[name] = found.get(name, 1.0) / site.multiplier
    return found, [name for name in found if name not in plan.parameters]


def _is_unused(site: SitePlan) -> bool:
    return site.multiplier != 1 and (site.lowering == "none" or not site.target)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a converted module really multiplies, and by how much."""

    parameters: tuple[str, ...]
    """Names that there are, aliases included."""
    hooks: tuple[tuple[str, float], ...] = ()
    """As sites name them."""
    carried: tuple[tuple[str, float], ...] = ()
    """By a parameter's planned name, for every module that owns it, or node that multiplies it."""
    nodes: tuple[tuple[str, float], ...] = ()
    """Of a graph, as sites name them."""


def verify_applied(plan: Plan, applied: Applied) -> None:
    """Check a module against the plan that it carries.

    Raises:
        PlanError: The first multiplier that is not applied exactly once.
    """
    for problem in problems_applied(plan, applied):
        raise problem


def problems_applied(plan: Plan, applied: Applied) -> Iterator[PlanError]:
    """Everything that a module does not apply as its plan says."""
    for name in plan.parameters:
        if name not in applied.parameters:
            yield PlanError(
                "a parameter of the plan is gone",
                where=name,
                hint="undo what renamed or replaced it, such as adapters, and try again",
            )
    yield from _audit(plan, applied.carried)
    yield from _outside(plan, "hook", applied.hooks)
    yield from _outside(plan, "graph", applied.nodes)


def _outside(plan: Plan, lowering: str, found: Sequence[tuple[str, float]]) -> Iterator[PlanError]:
    """Every hook or node that is planned is there, once, with its number; no other is."""
    planned = {
        place: site.multiplier
        for site in plan.sites.values()
        if site.lowering == lowering and site.kind is not SiteKind.INITIAL
        for place in site.target
    }
    for place in dict.fromkeys([*planned, *(name for name, _ in found)]):
        values = [value for name, value in found if name == place]
        if values != [planned.get(place)]:
            yield PlanError(
                "a multiplier of the plan is not applied exactly once",
                where=place,
                expected=f"{planned[place]:.12g}, once" if place in planned else "nothing here",
                found=", ".join(f"{value:.12g}" for value in values) or "nothing",
                hint="convert the model afresh: its multipliers are not to be changed by hand",
            )
