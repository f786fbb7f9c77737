"""Put a plan on a model: hooks, values, and the record that it was done."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import nn

from mupfx.core.conversion import ATTRIBUTE, REWRITTEN, Conversion, unmark_standard
from mupfx.core.plan import Plan
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import ModelError, PlanError
from mupfx.passes.initialize import Hints, documented_laws, finish_init, rescale_
from mupfx.passes.multipliers import install, watch
from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.verify import verify
from mupfx.pipeline.initial import keep_initial
from mupfx.pipeline.planning import Planned
from mupfx.pipeline.stored import changes, multiply


def lower(model: nn.Module, planned: Planned) -> None:
    """Change the model in place; everything that can be refused was refused before.

    Raises:
        PlanError: The plan does not hold together.
    """
    parameters = dict(model.named_parameters())
    verify(planned.plan, parameters)
    install(model, planned.hooks)
    request = planned.request
    rescale_(parameters, planned.plan.parameters)
    if not planned.on_meta:
        _take_out(model, planned.plan, keep=request.keep)
        keep_initial(model, planned.plan)
    _watch(model, planned.plan)
    pending = planned.fans if planned.on_meta else None
    made = Conversion(
        planned.plan, pending, dict(request.init), request.strict, request.keep, request.drawn
    )
    unmark_standard(model)
    setattr(model, ATTRIBUTE, made)


def _watch(model: nn.Module, plan: Plan) -> None:
    initial = [s.target[0] for s in plan.sites.values() if s.kind is SiteKind.INITIAL and s.target]
    watch(model, initial)


def _take_out(model: nn.Module, plan: Plan, *, keep: bool) -> None:
    """Values that are kept have every multiplier in them: out go those that are applied outside."""
    with torch.no_grad():
        for change in changes(plan, untie=True) if keep else ():
            list(multiply(model, replace(change, multiplier=1 / change.multiplier)))


def converted(model: nn.Module) -> tuple[nn.Module, Conversion]:
    """The module that carries a conversion: this one, or the one it wraps.

    Raises:
        PlanError: There is none.
    """
    found = next(conversions(model), None)
    if found is None and REWRITTEN in model.__dict__:
        raise PlanError(
            "the parameters of this model belong to its graph: it lacks the multipliers that the "
            "graph has",
            where=type(model).__name__,
            hint='use what mupfx.convert(model, ..., lowering="graph") returned',
        )
    if found is None:
        raise PlanError(
            f"this {type(model).__name__} was not converted by mupfx",
            hint="model = mupfx.convert(model, example_inputs, base=...)",
        )
    return found


def conversions(model: nn.Module) -> Iterator[tuple[nn.Module, Conversion]]:
    """Every module that carries a conversion: the model, or parts of it."""
    for module in model.modules():
        conversion = module.__dict__.get(ATTRIBUTE)
        if isinstance(conversion, Conversion):
            yield module, conversion


def require_unconverted(model: nn.Module) -> None:
    """Refuse a second conversion.

    Raises:
        ModelError: The model, or a part of it, carries a plan.
    """
    found = next(conversions(model), None)
    if REWRITTEN in model.__dict__:
        raise ModelError(
            "the parameters of this model belong to its graph since it was converted",
            where=type(model).__name__,
            hint="build the model afresh to convert it differently",
        )
    if found is not None:
        raise ModelError(
            "this model is already converted",
            where=f"{type(found[0]).__name__}, to {found[1].plan.parametrization!r}",
            hint="build the model afresh to convert it differently",
        )


def finish(model: nn.Module) -> None:
    """Rescale values that were made after a conversion on the meta device.

    Raises:
        PlanError: The values were rescaled already, are still on the meta device, or a tie broke.
    """
    module, conversion = converted(model)
    parameters = dict(module.named_parameters())
    if conversion.pending is None:
        raise PlanError("the values of this model were rescaled when it was converted")
    if any(p.is_meta for p in parameters.values()):
        raise PlanError(
            "some parameters are still on the meta device",
            hint="model.to_empty(device=...), initialise it, then mupfx.rescale_(model)",
        )
    _require_ties(module, conversion.plan)
    if conversion.keep:
        _take_out(module, conversion.plan, keep=True)
        setattr(module, ATTRIBUTE, Conversion(conversion.plan))
        return
    deeper = any(site.kind is SiteKind.BRANCH for site in conversion.plan.sites.values())
    hints = Hints(conversion.init, documented=_documented(module), by_depth=deeper)
    planned = finish_init(
        parameters,
        conversion.plan.parameters,
        conversion.pending,
        hints,
        strict=conversion.strict,
    )
    rescale_(parameters, planned)
    keep_initial(module, conversion.plan)
    _watch(module, conversion.plan)
    plan = replace(conversion.plan, parameters=planned)
    setattr(module, ATTRIBUTE, Conversion(plan, drawn=conversion.drawn))


def _documented(module: nn.Module) -> Mapping[str, tuple[str, ...]]:
    """Of a graph, whose parts are of no class, as the model's were."""
    return module.documented if isinstance(module, Rewritten) else documented_laws(module)


def _require_ties(module: nn.Module, plan: Plan) -> None:
    every = dict(module.named_parameters(remove_duplicate=False))
    for other, name in plan.aliases.items():
        if every.get(other) is not every.get(name):
            raise PlanError(
                f"{other!r} was tied to {name!r} when the model was converted, and is not any more",
                where=other,
                hint="tie them again (to_empty breaks ties) before mupfx.rescale_(model)",
            )
