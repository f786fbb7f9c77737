"""Multipliers that no weight can carry: a small hook at a module's boundary.

A hook is an ordinary forward hook whose callable is plain data, so that deepcopy, pickle and
``torch.compile`` treat it like any other::

    lm_head (tied):   input * 0.25           c_attn (fused):   output[..., 0:64 of 192] * 0.5
"""

import warnings
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import torch
from torch import fx, nn
from torch._ops import OpOverload

from mupfx.core.conversion import MULTIPLIERS
from mupfx.core.ops import data_inputs, holds_floats, is_pick, packet
from mupfx.core.program import Program, module_of, shape_of
from mupfx.errors import ModelError, MupfxWarning
from mupfx.tables.linear_ops import CASTS, JOINS, KEEPING, PARTIAL, SCALING, SUMS


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
    """Multiply a range of the last axis of a module's output, once in every period.

    Of several results, such as an expert layer's and its router's, the one with that axis.
    """

    multiplier: float
    start: int
    stop: int
    period: int
    length: int
    """Of the last axis."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """The hook: called by the module after its forward."""
        del args
        if isinstance(output, torch.Tensor):
            return self._scaled(output)
        several = list(output) if isinstance(output, tuple | list) else []
        places = [i for i, value in enumerate(several) if self._fits(value)]
        if len(places) != 1:
            raise ModelError(
                "which result of this module is to be multiplied cannot be told",
                where=type(module).__name__,
                expected=f"one tensor whose last axis is {self.length} long",
                found=f"{len(places)} of them in a {type(output).__name__}",
                hint="compute what is added to the stream in a module of its own",
            )
        several[places[0]] = self._scaled(several[places[0]])
        return output._make(several) if hasattr(output, "_make") else type(output)(several)

    def _fits(self, value: object) -> bool:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return False
        return value.shape[-1:] == (self.length,)

    def _scaled(self, output: torch.Tensor) -> torch.Tensor:
        scale = output.new_ones(output.shape[-1])
        scale.view(-1, self.period)[:, self.start : self.stop] = self.multiplier
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
        span = f"{self.hook.start}:{self.hook.stop} of {self.hook.period}"
        return f"{self.module}: output[..., {span}] * {self.hook.multiplier:g}"


def plan_input_hook(program: Program, node: str, operand: str, value: float) -> HookPlan | None:
    """A hook on the input of the module that computes ``node`` from ``operand``."""
    nodes = {n.name: n for n in program.graph.nodes}
    module = module_of(nodes[node])
    inside = [n for n in nodes.values() if _within(module_of(n), module)]
    readers = [n for n in inside if nodes[operand] in n.all_input_nodes]
    entered = not _within(module_of(nodes[operand]), module)
    if not module or not entered or readers != [nodes[node]]:
        return None
    return HookPlan(module, ScaleInput(value))


def plan_output_hook(program: Program, operand: str, value: float) -> HookPlan | None:
    """A hook on the output, or a part of it, of a module that ``operand`` is linearly made of."""
    target = next(n for n in program.graph.nodes if n.name == operand)
    if not _read_once(target):
        return None
    for source in _behind(target):
        module = module_with_output(program, source)
        entries = None if module is None else _entries(source, target)
        part = None if entries is None else _part(entries)
        if module is not None and part is not None:
            return HookPlan(module, ScaleOutput(value, *part, len(entries or ())))
    return None


def made_of(program: Program, operand: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Values, and the part of their last axis, that ``operand`` and nothing else is made of.

    The part is a range in every period: start, stop and period.
    """
    target = next(n for n in program.graph.nodes if n.name == operand)
    for source in _behind(target) if _read_once(target) else ():
        entries = None if source.op == "placeholder" else _entries(source, target)
        part = None if entries is None else _part(entries)
        if part is not None:
            yield source.name, part


def _read_once(node: fx.Node) -> bool:
    read: list[fx.Node] = []
    for user in node.users:
        fx.map_arg((user.args, user.kwargs), read.append)
    return read.count(node) == 1


def _behind(target: fx.Node) -> Iterator[fx.Node]:
    """A value and what it is made of by ops that a factor passes through."""
    seen = {target}
    queue = [target]
    while queue:
        node = queue.pop(0)
        yield node
        found = data_inputs(node) if _is_linear(node) else []
        queue += [n for n in found if n not in seen]
        seen.update(found)


def _is_linear(node: fx.Node) -> bool:
    return is_pick(node) or packet(node) in KEEPING | PARTIAL | SUMS | JOINS | SCALING


def _entries(source: fx.Node, target: fx.Node) -> list[bool] | None:
    """Entries of a value's last axis that ``target`` is made of, and nothing else is.

    Found by running the ops between them on random numbers: those with a gradient. Doubled, they
    must double the target and change nothing that others read.
    """
    shape = shape_of(source)
    if not shape or 0 in shape:
        return None
    x = _random(source).requires_grad_()
    before = _run(source, x, target)
    if target not in before:
        return None
    (slope,) = torch.autograd.grad(before[target].sum(), x)
    chosen = (slope != 0).reshape(-1, shape[-1]).any(0)
    after = _run(source, x * (1 + chosen.double()), target)
    read = [n for n in before if n is not target and any(u not in before for u in n.users)]
    same = all(torch.equal(after[n], before[n]) for n in read)
    doubled = torch.allclose(after[target], 2 * before[target], rtol=1e-9)
    return chosen.tolist() if same and doubled else None


def _random(node: fx.Node) -> torch.Tensor:
    """Numbers that no two nodes share, so that nothing cancels by accident."""
    generator = torch.Generator().manual_seed(crc32(node.name.encode()))
    return torch.rand(shape_of(node) or (), dtype=torch.float64, generator=generator) + 0.5


def _run(source: fx.Node, value: torch.Tensor, target: fx.Node) -> dict[fx.Node, Any]:
    """Values of what is linear in ``source``, up to ``target``; what else it meets is random."""
    values: dict[fx.Node, Any] = {source: value}
    node = source.next
    while node.op != "root":
        inside = [n for n in node.all_input_nodes if n in values]
        others = [n for n in node.all_input_nodes if n not in values]
        beyond = target in node.all_input_nodes
        if inside and not beyond and _is_linear(node) and all(map(holds_floats, others)):
            values[node] = _value(node, values)
        node = node.next
    return values


def _value(node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    first = node.all_input_nodes[0]
    if packet(node) in CASTS and first in values:
        return values[first]
    args, kwargs = fx.map_arg(
        (node.args, dict(node.kwargs)), lambda n: values[n] if n in values else _random(n)
    )
    return _functional(node.target)(*args, **kwargs)


def _functional(target: Any) -> Any:
    """An op that leaves its inputs alone: ``mul`` for ``mul_``."""
    if not isinstance(target, OpOverload) or not target._schema.is_mutable:
        return target
    name, overload = str(target).split(".")[1:]
    return getattr(getattr(torch.ops.aten, name.removesuffix("_")), overload)


def _part(entries: list[bool]) -> tuple[int, int, int] | None:
    """Start, stop and period of the entries; None where they are no such range."""
    for period in range(len(entries), 0, -1):
        first = entries[:period]
        start, count = first.index(True) if True in first else 0, sum(first)
        whole = len(entries) % period == 0 and entries == first * (len(entries) // period)
        if whole and count and all(first[start : start + count]):
            return start, start + count, period
    return None


def module_with_output(program: Program, node: fx.Node) -> str | None:
    """The module whose last op is ``node``, and whose value everybody outside reads."""
    path = module_of(node)
    inside = [n for n in program.graph.nodes if path and _within(module_of(n), path)]
    later = [
        u for n in inside for u in n.users if not _within(module_of(u), path) and n is not node
    ]
    return path if inside and inside[-1] is node and not later else None


def _within(path: str, module: str) -> bool:
    return path == module or path.startswith(module + ".")


def install(model: nn.Module, hooks: Mapping[str, HookPlan]) -> None:
    """Register every planned hook, once where several sites share it: a module called twice."""
    for plan in dict.fromkeys(hooks.values()):
        module = model.get_submodule(plan.module)
        if isinstance(plan.hook, ScaleInput):
            module.register_forward_pre_hook(plan.hook)
        else:
            module.register_forward_hook(plan.hook)


def installed(model: nn.Module) -> Iterator[HookPlan]:
    """Every hook of ours, as it was planned."""
    for name, module in model.named_modules():
        for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
            if isinstance(hook, ScaleInput | ScaleOutput):
                yield HookPlan(name, hook)


def remove(model: nn.Module) -> None:
    """Take every hook of ours off again."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key in [k for k, h in hooks.items() if isinstance(h, ScaleInput | ScaleOutput)]:
                del hooks[key]


@contextmanager
def unhooked(*models: nn.Module) -> Iterator[None]:
    """While open, models are without hooks of ours."""
    kept = [
        (hooks, dict(hooks))
        for model in models
        for module in model.modules()
        for hooks in (module._forward_pre_hooks, module._forward_hooks)
    ]
    for model in models:
        remove(model)
    try:
        yield
    finally:
        for hooks, before in kept:
            hooks.clear()
            hooks.update(before)


class Watched(OrderedDict[str, Any]):
    """What a module keeps its children in, where one of them carries a multiplier.

    ``torch.compile`` asks for its class, and not for hooks, before it takes code that it compiled
    for another model; and what takes the place of such a child, as adapters do, is warned of.
    """

    def __setitem__(self, name: str, value: Any) -> None:
        """As of any dict; with a warning where a multiplier is wrapped."""
        old = self.get(name)
        wrapped = isinstance(value, torch._dynamo.OptimizedModule) or value is old
        if isinstance(old, nn.Module) and not wrapped and carries(old):
            warnings.warn(
                f"`{name}` carries a multiplier, and a {type(value).__name__} takes its place: "
                "what is added to its weight from outside, such as a merged adapter, is multiplied "
                "as well or lost; mupfx.to_standard(model) before that leaves no multiplier",
                MupfxWarning,
                stacklevel=3,
            )
        super().__setitem__(name, value)


def carries(module: nn.Module) -> bool:
    """Whether a module has a hook of ours, or hands out a parameter multiplied."""
    hooks = (*module._forward_pre_hooks.values(), *module._forward_hooks.values())
    return MULTIPLIERS in vars(module) or any(
        isinstance(h, ScaleInput | ScaleOutput) for h in hooks
    )


def watch(model: nn.Module, also: Collection[str] = ()) -> None:
    """Watch over every module that carries a multiplier, and some others."""
    others = {id(model.get_submodule(name)) for name in also}
    for parent in (nn.Sequential(model), *model.modules()):
        kept = [m for m in parent.children() if carries(m) or id(m) in others]
        if kept:
            parent.__dict__["_modules"] = Watched(parent._modules)
        for child in kept:
            child.__dict__["_parameters"] = Watched(child._parameters)


def unwatch(model: nn.Module) -> None:
    """The dicts that modules have."""
    for module in model.modules():
        for key in ("_modules", "_parameters"):
            if isinstance(module.__dict__[key], Watched):
                module.__dict__[key] = dict(module.__dict__[key])
