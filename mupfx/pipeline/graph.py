"""The second lowering: a model as one graph, in which every multiplier of the plan is a node.

The graph takes over the model's parameters. What it computes is compared with the model before any
multiplier is put in, and nothing is changed before all that can be refused was refused.
"""

from dataclasses import replace

from torch import nn

from mupfx.core.analysis import Analysis
from mupfx.core.conversion import REWRITTEN
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.capture import on_device, unwrapped
from mupfx.passes.frontends.runnable import WAYS
from mupfx.passes.initialize import documented_laws
from mupfx.passes.rewrite.build import assemble, multiplied
from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.rewrite.sizes import UnreadableGuardError
from mupfx.pipeline.graph_capture import Call, Captured, captured
from mupfx.pipeline.graph_check import check, holds
from mupfx.pipeline.graph_places import Places, insertions, split
from mupfx.pipeline.planning import Planned
from mupfx.pipeline.regauging import lower_into


def lower_to_graph(
    model: nn.Module, analyzed: tuple[Analysis, Planned], call: Call, gauge: str, *, exact: bool
) -> Rewritten:
    """The model as a graph with its multipliers, trained from now on in the model's place.

    Raises:
        LoweringError: The model is no such graph, or not the same one for other inputs.
    """
    analysis, planned = analyzed
    require_graph(model, analysis, planned)
    call = on_device(model, *call)
    found, module = _assembled(model, analysis, call)
    notes = check(model, module, call, both=not found.fixed)
    places = Places(analysis, found, module)
    if exact:
        planned = split(planned, places)
    module.documented = documented_laws(model)
    made = multiplied(module, list(insertions(planned, places)))
    plan = replace(
        planned.plan,
        sites={
            name: replace(site, target=made.get(name, site.target))
            for name, site in planned.plan.sites.items()
        },
        notes=(*planned.plan.notes, *found.notes, *notes),
    )
    lower_into(module, replace(planned, plan=plan), gauge, exact=exact)
    model.__dict__[REWRITTEN] = True
    return module


def _assembled(model: nn.Module, analysis: Analysis, call: Call) -> tuple[Captured, Rewritten]:
    """The model as a graph, as open in its sizes as gives what the model gives.

    Raises:
        LoweringError: It gives something else even for the sizes of the example.
    """
    ways, reason = tuple(WAYS), ""
    while ways:
        found = captured(model, analysis, call, ways)
        made, wrong = _tried(model, found, call)
        if made is not None and not wrong:
            return (found.noted(f"not more open, because of {reason}") if reason else found), made
        reason = reason or wrong
        ways = ways[ways.index(found.source.runnable.way) + 1 :]
    raise LoweringError(
        "the graph does not compute what the model computes", found=reason, hint='lowering="eager"'
    )


def _tried(model: nn.Module, found: Captured, call: Call) -> tuple[Rewritten | None, str]:
    """A graph, and where it gives something else than the model; nowhere is empty."""
    try:
        module = _made(model, found)
    except UnreadableGuardError as error:
        return None, f"a condition on sizes, {error}"
    return module, holds(model, module, call, found.source.runnable)


def _made(model: nn.Module, found: Captured) -> Rewritten:
    module = assemble(model, found.source)
    module.fixed = found.fixed
    _require_names(model, module)
    return module


def require_graph(model: nn.Module, analysis: Analysis, planned: Planned) -> None:
    """Refuse what is no graph for more than one example.

    Raises:
        LoweringError: It was captured in another way, is wrapped, or carries a copy of its start.
    """
    inner, _ = unwrapped(model)
    if inner is not model:
        raise LoweringError(
            f"a {type(model).__name__} is a wrapper, and a graph is made of what it wraps",
            hint="convert the inner model, and wrap what comes back",
        )
    frontend = analysis.captured.frontend
    if frontend != "export":
        reasons = "; ".join(analysis.captured.refused.values())
        raise LoweringError(
            "this model is a graph for one example only",
            found=f"captured by {frontend}, because export said: {reasons}",
            expected="Python that does not ask for the values of tensors",
            hint='lowering="eager" leaves the Python as it is',
        )
    initial = [s.name for s in planned.plan.sites.values() if s.kind is SiteKind.INITIAL]
    if initial:
        raise LoweringError(
            f"{planned.plan.parametrization} adds a frozen copy of the model, which no graph has",
            where=initial[0],
            hint='lowering="eager"',
        )


def _require_names(model: nn.Module, module: nn.Module) -> None:
    """Refuse a model that saves more, or under other names, than its modules hold.

    Raises:
        LoweringError: Its state has other keys.
    """
    mine, theirs = module.state_dict().keys(), model.state_dict().keys()
    if list(mine) != list(theirs):
        odd = sorted(set(mine) ^ set(theirs))
        raise LoweringError(
            "this model saves its state in a way of its own, which no graph has",
            where=odd[0] if odd else None,
            hint='lowering="eager"',
        )
