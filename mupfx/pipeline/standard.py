"""Back to an ordinary module: every multiplier goes into stored values, and nothing is left behind.

Carried multipliers and those of hooks are multiplied into what they multiply::

    lm_head.weight (stored 1, carried 0.25)    ->  lm_head.weight * 0.25
    c_attn: output[..., 0:64 of 192] * 0.5     ->  rows 0:64 of its weight and bias * 0.5
    lm_head (tied): input * 0.25               ->  lm_head.weight * 0.25, untied from wte.weight
"""

import warnings
from dataclasses import dataclass

import torch
from torch import nn

from mupfx.core.conversion import ATTRIBUTE, Conversion, mark_standard
from mupfx.core.plan import SitePlan
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError, MupfxWarning, PlanError
from mupfx.passes.capture import unwrapped
from mupfx.passes.carry import drop_carriers
from mupfx.passes.multipliers import remove, unwatch
from mupfx.pipeline.auditing import audit
from mupfx.pipeline.graph_nodes import drop_nodes
from mupfx.pipeline.lowering import conversions, converted
from mupfx.pipeline.stored import Change, changes, multiply, multiply_carried, outside, rows_of


@dataclass(frozen=True, slots=True)
class _Return:
    """One converted module, and all that is to be done to it."""

    module: nn.Module
    conversion: Conversion
    changes: tuple[Change, ...]


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
    return inner


def _return(module: nn.Module, conversion: Conversion, *, untie: bool) -> _Return:
    plan = conversion.plan
    _require_values(module, conversion)
    for site in outside(plan):
        _require_rows(site, untie=untie)
    audit(plan, module)
    return _Return(module, conversion, changes(plan, untie=untie))


def _require_values(module: nn.Module, conversion: Conversion) -> None:
    if conversion.pending is not None or any(p.is_meta for p in module.parameters()):
        raise PlanError(
            "this model has no values yet, or they are not rescaled",
            hint="initialise it, then mupfx.rescale_(model)",
        )


def _require_rows(site: SitePlan, *, untie: bool) -> None:
    rows = rows_of(site, untie=untie)
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


def _put(work: _Return) -> None:
    module = work.module
    with torch.no_grad():
        multiply_carried(module)
        drop_carriers(module)
        drop_nodes(module)
        notes = [note for change in work.changes for note in multiply(module, change)]
    remove(module)
    unwatch(module)
    delattr(module, ATTRIBUTE)
    mark_standard(module, work.conversion.plan.parametrization, notes)
    for note in notes:
        warnings.warn(note, MupfxWarning, stacklevel=4)
