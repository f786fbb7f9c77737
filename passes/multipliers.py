"""Multipliers that no weight can carry: a small hook at a module's boundary.

A hook is an ordinary forward hook whose callable is plain data, so that deepcopy, pickle and
``torch.compile`` treat it like any other::

    lm_head (tied):   input * 0.25           c_attn (fused):   output[..., 0:64] * 0.5
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.ops import data_inputs, is_pick, packet
from mupfx.core.program import Program, module_of, shape_of
from mupfx.tables.linear_ops import KEEPING


@dataclass(frozen=True)
class ScaleInput:
    """Multiply a module's first input."""

    multiplier: float

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The hook: called by the module before its forward."""
        del module
        return (args[0] * self.multiplier, *args[1:])


@dataclass(frozen=True)
class ScaleOutput:
    """Multiply a range of the last axis of a module's output."""

    multiplier: float
    start: int
    stop: int

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], output: torch.Tensor
    ) -> torch.Tensor:
        """The hook: called by the module after its forward."""
        del module, args
        scale = output.new_ones(output.shape[-1])
        scale[self.start : self.stop] = self.multiplier
        return output * scale


@dataclass(frozen=True, slots=True)
class HookPlan:
    """Where a hook goes."""

    module: str
    hook: ScaleInput | ScaleOutput

    def __str__(self) -> str:
        """As the report shows it."""
        if isinstance(self.hook, ScaleInput):
            return f"{self.module}: input * {self.hook.multiplier:g}"
        span = f"{self.hook.start}:{self.hook.stop}"
        return f"{self.module}: output[..., {span}] * {self.hook.multiplier:g}"


def plan_input_hook(program: Program, node: str, operand: str, value: float) -> HookPlan | None:
    """A hook on the input of the module that computes ``node`` from ``operand``."""
    nodes = {n.name: n for n in program.graph.nodes}
    module = _path(nodes[node])
    inside = [n for n in nodes.values() if _within(_path(n), module)]
    readers = [n for n in inside if nodes[operand] in n.all_input_nodes]
    entered = not _within(_path(nodes[operand]), module)
    if not module or not entered or readers != [nodes[node]]:
        return None
    return HookPlan(module, ScaleInput(value))


def plan_output_hook(program: Program, operand: str, value: float) -> HookPlan | None:
    """A hook on the output, or a range of it, of the module that ``operand`` comes from."""
    nodes = {n.name: n for n in program.graph.nodes}
    current = nodes[operand]
    span: tuple[int, int] | None = None
    while True:
        module = _module_with_output(program, current)
        if module is not None and (span is not None or _read_once(current)):
            width = (shape_of(current) or (0,))[-1]
            return HookPlan(module, ScaleOutput(value, *(span or (0, width))))
        source = _source(current)
        if source is None:
            return None
        if is_pick(current):
            if span is not None:
                return None
            span = _span(current, source)
            source = source.all_input_nodes[0]
            if span is None:
                return None
        elif span is None and not _read_once(source):
            return None
        current = source


def _source(node: fx.Node) -> fx.Node | None:
    if is_pick(node) or packet(node) in KEEPING:
        return next(iter(data_inputs(node)), None)
    return None


def _read_once(node: fx.Node) -> bool:
    return len(node.users) == 1


def _span(pick: fx.Node, source: fx.Node) -> tuple[int, int] | None:
    """The range of the last axis that one piece of a split is."""
    pieces = source.meta["val"]
    whole = source.all_input_nodes[0].meta["val"]
    position = pick.args[1]
    assert isinstance(position, int)
    if sum(p.shape[-1] for p in pieces) != whole.shape[-1]:
        return None
    start = sum(p.shape[-1] for p in pieces[:position])
    return start, start + pieces[position].shape[-1]


def _module_with_output(program: Program, node: fx.Node) -> str | None:
    """The module whose last op is ``node``, and whose value everybody outside reads."""
    path = _path(node)
    inside = [n for n in program.graph.nodes if path and _within(_path(n), path)]
    later = [u for n in inside for u in n.users if not _within(_path(u), path) and n is not node]
    return path if inside and inside[-1] is node and not later else None


def _within(path: str, module: str) -> bool:
    return path == module or path.startswith(module + ".")


def _path(node: fx.Node) -> str:
    return module_of(node)


def install(model: nn.Module, hooks: Mapping[str, HookPlan]) -> None:
    """Register every planned hook."""
    for plan in hooks.values():
        module = model.get_submodule(plan.module)
        if isinstance(plan.hook, ScaleInput):
            module.register_forward_pre_hook(plan.hook)
        else:
            module.register_forward_hook(plan.hook)
