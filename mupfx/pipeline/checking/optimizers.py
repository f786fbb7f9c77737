"""The optimizer of a target that comes without: AdamW, with every rate in the parametrization."""

from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan
from mupfx.passes.assign import assign
from mupfx.passes.groups import build_groups, construct
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import Given
from mupfx.pipeline.deepening import branches_of
from mupfx.pipeline.lowering import conversions
from mupfx.pipeline.plain import table_for
from mupfx.tables.optimizers import FAMILIES

LEARNING_RATE = 2**-10
"""Of the smallest size: small beside any init, so that a few steps stay where slopes are clean."""


def supply_optimizer(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    smallest: nn.Module | None,
    table: Parametrization,
) -> tuple[tuple[Optimizer, ...], str]:
    """An optimizer by the plan that the model carries, else by one made for it.

    Args:
        model: What it trains; nothing of it is changed.
        args: What the model is called with.
        kwargs: The same by keyword.
        smallest: The model of the smallest size, which rates are relative to.
        table: What they follow.

    Returns:
        The optimizer, and what to say of it.
    """
    found = next(conversions(model), None)
    settings = {"lr": LEARNING_RATE}
    if found is not None:
        module, conversion = found
        groups = build_groups(
            conversion.plan, module.named_parameters(), AdamW, settings, alone=False
        )
        return (construct(AdamW, groups, settings),), "the optimizer is mupfx.optimizer(AdamW, ...)"
    plan = _plan(model, args, kwargs, smallest, table)
    known = {*plan.parameters, *plan.aliases}
    reached = [(name, p) for name, p in model.named_parameters() if name in known]
    groups = build_groups(plan, reached, AdamW, settings)
    plain = [{key: value for key, value in group.items() if key != "mupfx"} for group in groups]
    return (
        AdamW(plain, lr=LEARNING_RATE),
    ), f"the optimizer is AdamW, its groups scaled by {table.name}"


def _plan(
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    smallest: nn.Module | None,
    table: Parametrization,
) -> Plan:
    """Rates alone: nothing is converted, and no law of initialisation is asked for."""
    with torch.random.fork_rng():
        found = run_analysis(model, args, kwargs, Given(model=smallest), Options())
    fitting = table_for(found, table)
    ratios = found.ratios or Ratios({})
    rows = assign(found.roles, ratios, fitting, FAMILIES, branches_of(found, ratios, fitting))
    return Plan(table.name, {}, rows, {}, aliases=_aliases(found))


def _aliases(analysis: Analysis) -> dict[str, str]:
    return {o: name for name, others in analysis.program.tied.items() for o in others}
