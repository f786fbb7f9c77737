"""Verify: what must hold of a plan before it is put on a model.

Every trainable parameter is planned, every multiplier is accounted for exactly once, and at the
base shape nothing at all would change.
"""

from collections.abc import Iterator, Mapping
from math import isclose, isfinite

from torch import Tensor

from mupfx.core.plan import ParameterPlan, Plan, SitePlan
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


def _audit(plan: Plan) -> Iterator[PlanError]:
    """A folded site's multiplier stands in its parameters, inverted, and nowhere else."""
    expected: dict[str, float] = dict.fromkeys(plan.parameters, 1.0)
    for site in plan.sites.values():
        if _is_unused(site):
            yield PlanError("a multiplier is applied nowhere", where=site.name)
        for name in site.target if site.lowering == "fold" else ():
            if name not in expected:
                yield PlanError("a multiplier is folded into no parameter", where=name)
            expected[name] = expected.get(name, 1.0) / site.multiplier
    for name, value in expected.items():
        planned = plan.parameters.get(name)
        if planned is not None and not isclose(planned.multiplier, value, rel_tol=1e-12):
            yield PlanError(
                "a multiplier is not accounted for exactly once",
                where=name,
                expected=f"{value:.12g}",
                found=f"{planned.multiplier:.12g}",
            )


def _is_unused(site: SitePlan) -> bool:
    return site.multiplier != 1 and (site.lowering == "none" or not site.target)
