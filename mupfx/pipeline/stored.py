"""Multiply numbers into stored values, or out of them again."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mupfx.core.plan import Baked, Plan, SitePlan
from mupfx.passes.carry import carried
from mupfx.pipeline.graph_nodes import gauge_nodes

OUTSIDE = ("hook", "graph")
"""Ways of lowering that leave a multiplier outside the weights."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is multiplied into some entries of a parameter."""

    row: Baked
    multiplier: float


def outside(plan: Plan) -> Iterator[SitePlan]:
    """Sites whose multiplier is outside the weights."""
    for site in plan.sites.values():
        if site.lowering in OUTSIDE:
            yield site


def rows_of(site: SitePlan, *, untie: bool) -> tuple[Baked, ...]:
    """What carries a site's multiplier: untied, or, where there is a choice, as it is tied."""
    return site.baked if untie or not site.baked_before else site.baked_before


def changes(plan: Plan, *, untie: bool) -> tuple[Change, ...]:
    """All that is outside, once for sites with the same entries: of a module called twice."""
    alike = {
        (site.kind, site.multiplier, rows): [Change(row, site.multiplier) for row in rows]
        for site in outside(plan)
        if (rows := rows_of(site, untie=untie))
    }
    return tuple(change for found in alike.values() for change in found)


def multiply_carried(module: nn.Module) -> None:
    """Multiply what is carried into what is stored; what carries it stays."""
    values: dict[object, tuple[Tensor, float]] = {}
    for owner, name, value in carried(module):
        parameter = owner._parameters[name]  # noqa: SLF001 - the attribute is the multiplied one
        if parameter is not None:
            values[_memory(parameter)] = parameter, value
    for _, stored, value in gauge_nodes(module):
        values[_memory(stored)] = stored, value
    for stored, value in values.values():
        _scale(stored, value)


def _scale(parameter: Tensor, value: float) -> None:
    """Gradients that are there become those of what is stored now."""
    parameter.mul_(value)
    if parameter.grad is not None:
        parameter.grad.div_(value)


def multiply(module: nn.Module, change: Change) -> Iterator[str]:
    """Multiply some entries, and say what was untied for it."""
    row, value = change.row, change.multiplier
    parameter = module.get_parameter(row.parameter)
    if row.untied and (others := tuple(_others(module, row.parameter))):
        if torch.equal(parameter, parameter * value):
            return
        parameter = _untie(module, row.parameter)
        yield (
            f"{row.parameter} is {value:g} times {others[0]} now, and a parameter of its own: they "
            "were tied"
        )
    if row.dim is None:
        _scale(parameter, value)
    else:
        _scale_part(parameter, row, value)


def _others(module: nn.Module, name: str) -> Iterator[str]:
    this = _memory(module.get_parameter(name))
    for other, parameter in module.named_parameters(remove_duplicate=False):
        if other != name and _memory(parameter) == this:
            yield other


def _memory(parameter: Tensor) -> object:
    """The same for parameters that share their values, as ``load_state_dict(assign=True)`` ties."""
    local = getattr(parameter, "_local_tensor", parameter)
    return (local.data_ptr(), local.shape, local.stride()) if local.numel() else id(parameter)


def _untie(module: nn.Module, name: str) -> nn.Parameter:
    path, _, own = name.rpartition(".")
    tied = module.get_parameter(name)
    alone = nn.Parameter(tied.detach().clone(), requires_grad=tied.requires_grad)
    setattr(module.get_submodule(path), own, alone)
    return alone


def _scale_part(parameter: Tensor, row: Baked, value: float) -> None:
    assert row.dim is not None
    place = torch.arange(parameter.shape[row.dim], device=parameter.device) % row.period
    factor = torch.ones_like(place, dtype=parameter.dtype)
    factor[(place >= row.start) & (place < row.stop)] = value
    shape = [1] * parameter.dim()
    shape[row.dim] = -1
    parameter.mul_(factor.view(shape))
    if parameter.grad is not None:
        parameter.grad.div_(factor.view(shape))
