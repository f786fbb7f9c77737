"""Whether a converted model still applies what its plan says: no multiplier lost, none twice."""

from collections.abc import Iterator

from torch import nn

from mupfx.core.plan import Plan
from mupfx.passes.carry import carried
from mupfx.passes.initial import NAME as INITIAL
from mupfx.passes.multipliers import installed
from mupfx.passes.verify import Applied, verify_applied
from mupfx.pipeline.graph_nodes import gauge_nodes, site_nodes


def audit(plan: Plan, module: nn.Module) -> None:
    """Compare a plan with the module that carries it.

    Raises:
        PlanError: A multiplier is applied nowhere, twice, or with another value.
    """
    verify_applied(plan, applied(module))


def applied(module: nn.Module) -> Applied:
    """Every multiplier that a module applies, wherever it does."""
    names = {id(p): name for name, p in module.named_parameters()}
    return Applied(
        parameters=tuple(name for name, _ in module.named_parameters(remove_duplicate=False)),
        hooks=tuple(
            (str(plan), plan.hook.multiplier)
            for plan in installed(module)
            if INITIAL not in plan.module.split(".")
        ),
        carried=(
            *((names[id(p)], value) for p, value in _carried(module) if id(p) in names),
            *((names[id(p)], value) for _, p, value in gauge_nodes(module) if id(p) in names),
        ),
        nodes=tuple(site_nodes(module)),
    )


def _carried(module: nn.Module) -> Iterator[tuple[nn.Parameter, float]]:
    for owner, name, value in carried(module):
        parameter = owner._parameters[name]  # noqa: SLF001 - as it is stored
        if parameter is not None:
            yield parameter, value
