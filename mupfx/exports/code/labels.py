"""Multipliers with names: what a plan says of each, and the nodes of a graph that apply it.

While a graph is traced, what a hook computes is marked with the hook's own description; products of
a stored parameter are known by the parameter. Alike ones share a name::

    TIED_READOUT = 0.25  # tied_readout:linear, fan_in^-1: Tensor Programs V, Table 8
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import fx, nn
from torch.fx.traceback import annotate, preserve_node_meta

from mupfx.core.plan import Plan
from mupfx.core.power import ONE
from mupfx.passes.carry import carried
from mupfx.passes.multipliers import HookPlan, ScaleInput, ScaleOutput

MARK = "mupfx"


@dataclass(frozen=True, slots=True)
class Label:
    """A multiplier."""

    what: str
    """The site, or the parameter."""
    kind: str
    """What its name begins with."""
    value: float
    why: str
    """The exact form, and who says so."""


@dataclass(frozen=True)
class _Marked:
    """A hook whose ops are marked in a graph that is traced."""

    hook: Any
    mark: str

    def __call__(self, *args: Any) -> Any:
        with annotate({MARK: self.mark}):
            return self.hook(*args)


@contextmanager
def marked(model: nn.Module) -> Iterator[None]:
    """While open, tracing notes on every op of a hook which hook it is."""
    places = [
        (hooks, key, hook, str(HookPlan(path, hook)))
        for path, module in model.named_modules()
        for hooks in (module._forward_pre_hooks, module._forward_hooks)  # noqa: SLF001
        for key, hook in hooks.items()
        if isinstance(hook, ScaleInput | ScaleOutput)
    ]
    for hooks, key, hook, mark in places:
        hooks[key] = _Marked(hook, mark)
    try:
        with preserve_node_meta():
            yield
    finally:
        for hooks, key, hook, _ in places:
            hooks[key] = hook


def labels(model: nn.Module, plan: Plan | None) -> dict[str, Label]:
    """Every multiplier that is applied in the forward pass, by mark or parameter."""
    found: dict[str, Label] = {}
    for site in plan.sites.values() if plan else ():
        if site.lowering == "hook":
            why = f"{site.power}: {site.source}"
            found[site.target[0]] = Label(site.name, str(site.kind), site.multiplier, why)
    names = {id(p): name for name, p in model.named_parameters()}
    for owner, own, value in carried(model):
        name = names[id(owner._parameters[own])]  # noqa: SLF001 - stored, not multiplied
        planned = plan.parameters.get(name) if plan else None
        exact = f"{planned.gauge}: " if planned and planned.gauge != ONE else ""
        why = f"{exact}what is read of it, over what is stored"
        found[name] = Label(name, "stored", value, why)
    return found


def label_of(node: fx.Node, parameters: Mapping[str, str], known: Mapping[str, Label]) -> str:
    """The mark or parameter of the multiplier that a node applies; empty where it applies none."""
    mark = (node.meta.get("custom") or {}).get(MARK, "")
    if mark:
        return mark if mark in known else ""
    for source in node.all_input_nodes:
        name = parameters.get(source.name, "")
        if name in known and str(node.target).startswith("aten.mul.") and len(node.args) == 2:
            return name if node.args[1] == known[name].value else ""
    return ""


def named(found: Mapping[str, Label]) -> dict[str, str]:
    """A constant's name for every multiplier; those of one kind, value and reason share one."""
    groups: dict[tuple[str, float, str], list[str]] = defaultdict(list)
    for key, label in found.items():
        groups[label.kind, label.value, label.why].append(key)
    kinds = [kind for kind, _, _ in groups]
    names: dict[str, str] = {}
    seen: dict[str, int] = defaultdict(int)
    for (kind, _, _), keys in groups.items():
        number = f"_{seen[kind]}" if kinds.count(kind) > 1 else ""
        seen[kind] += 1
        names |= dict.fromkeys(keys, f"{kind.upper()}{number}")
    return names
