"""Back to an ordinary module: every multiplier goes into stored values, and nothing is left behind.

Carried multipliers and those of hooks are multiplied into what they multiply::

    lm_head.weight (stored 1, carried 0.25)    ->  lm_head.weight * 0.25
    c_attn: output[..., 0:64 of 192] * 0.5     ->  rows 0:64 of its weight and bias * 0.5
    lm_head (tied): input * 0.25               ->  lm_head.weight * 0.25, untied from wte.weight
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mupfx.core.conversion import ATTRIBUTE, STANDARD, Conversion, Standard
from mupfx.core.plan import Baked, SitePlan
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError, MupfxWarning, PlanError
from mupfx.passes.capture import unwrapped
from mupfx.passes.carry import carried, drop_carriers
from mupfx.passes.multipliers import remove
from mupfx.pipeline.auditing import audit
from mupfx.pipeline.lowering import conversions, converted


@dataclass(frozen=True, slots=True)
class _Change:
    """What is multiplied into one stored parameter."""

    row: Baked
    multiplier: float


@dataclass(frozen=True, slots=True)
class _Return:
    """One converted module, and all that is to be done to it."""

    module: nn.Module
    conversion: Conversion
    changes: tuple[_Change, ...]


def standard(model: nn.Module, *, untie: bool) -> nn.Module:
    """Multiply all that is outside the weights into them; refused before anything is changed.

    Raises:
        PlanError: The model was not converted, or is no longer as it was left.
        LoweringError: A multiplier cannot be multiplied into any weight.
    """
    converted(model)
    for work in [_return(*found, untie=untie) for found in conversions(model)]:
        _put(work)
    inner, _ = unwrapped(model)
    _forget_compiled(model)
    return inner


def _forget_compiled(model: nn.Module) -> None:
    """What was compiled does not look whether hooks are still there."""
    compiled = [m for m in model.modules() if m._compiled_call_impl is not None]  # noqa: SLF001
    for module in compiled:
        module._compiled_call_impl = None  # noqa: SLF001 - as nn.Module.compile sets it
    wrapped = any(isinstance(m, torch._dynamo.OptimizedModule) for m in model.modules())  # noqa: SLF001
    if compiled or wrapped:
        torch.compiler.reset()


def _return(module: nn.Module, conversion: Conversion, *, untie: bool) -> _Return:
    plan = conversion.plan
    _require_values(module, conversion)
    audit(plan, module)
    sites = [s for s in plan.sites.values() if s.lowering in ("hook", "graph")]
    rows = {
        (site.target, site.multiplier, row): _Change(row, site.multiplier)
        for site in sites
        for row in _rows(site, untie=untie)
    }
    return _Return(module, conversion, tuple(rows.values()))


def _require_values(module: nn.Module, conversion: Conversion) -> None:
    if conversion.pending is not None or any(p.is_meta for p in module.parameters()):
        raise PlanError(
            "this model has no values yet, or they are not rescaled",
            hint="initialise it, then mupfx.rescale_(model)",
        )


def _rows(site: SitePlan, *, untie: bool) -> tuple[Baked, ...]:
    rows = site.baked if untie or not site.baked_before else site.baked_before
    if site.kind is SiteKind.INITIAL:
        raise LoweringError(
            "the initial function is added to what the weights make, and no weights make it",
            where=site.target[0],
            hint="ship the code with it: torch.save(model), or torch.export",
        )
    if not rows:
        raise LoweringError(
            f"no weight can carry the multiplier {site.multiplier:g} of {site.name}",
            where=", ".join(site.target),
            found=site.unbaked,
            hint="keep the multiplier in the code: export the model itself, hooks and all",
        )
    if not untie and any(row.untied for row in rows):
        raise LoweringError(
            f"the multiplier {site.multiplier:g} of {site.name} asks for a weight of its own",
            where=", ".join(row.parameter for row in rows),
            hint="untie=True gives it one",
        )
    return rows


def _put(work: _Return) -> None:
    module = work.module
    with torch.no_grad():
        _multiply_carried(module)
        drop_carriers(module)
        notes = [note for change in work.changes for note in _multiply(module, change)]
    remove(module)
    delattr(module, ATTRIBUTE)
    plan = work.conversion.plan
    setattr(module, STANDARD, Standard(plan.parametrization, tuple(notes)))
    for note in notes:
        warnings.warn(note, MupfxWarning, stacklevel=4)


def _multiply_carried(module: nn.Module) -> None:
    values: dict[int, tuple[Tensor, float]] = {}
    for owner, name, value in carried(module):
        parameter = owner._parameters[name]  # noqa: SLF001 - the attribute is the multiplied one
        if parameter is not None:
            values[id(parameter)] = parameter, value
    for stored, value in values.values():
        _scale(stored, value)


def _scale(parameter: Tensor, value: float) -> None:
    """Gradients that are there become those of what is stored now."""
    parameter.mul_(value)
    if parameter.grad is not None:
        parameter.grad.div_(value)


def _multiply(module: nn.Module, change: _Change) -> Iterator[str]:
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
    this = module.get_parameter(name)
    for other, parameter in module.named_parameters(remove_duplicate=False):
        if parameter is this and other != name:
            yield other


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
