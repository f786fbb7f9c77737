"""``make_fx``: the model run on its own values, with every op traced on the way.

It follows whatever Python does that does not ask for values. Ops are traced before autograd, so
that they arrive whole; where a forward differentiates something itself, after it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.fx import traceback as meta_of_nodes
from torch.fx.experimental.proxy_tensor import make_fx as trace
from torch.overrides import TorchFunctionMode

from mupfx.passes.frontends.bodies import require_ops
from mupfx.passes.frontends.lines import every_line
from mupfx.passes.frontends.places import Places, Stack
from mupfx.passes.frontends.traced import OutOfTraceError, Subject, Traced, like, numbers
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.frontends.values import kept, named_inputs, tensors

LEAVING = frozenset({torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.__dlpack__})
"""Functions through which other libraries see a tensor's memory."""


class LeavesTorchError(RuntimeError):
    """Values went where they cannot be traced."""


def make_fx(subject: Subject) -> Traced:
    """The graph that ``make_fx`` makes of one call."""
    try:
        return _made(subject, whole=True)
    except OutOfTraceError:
        return _made(subject, whole=False)


def _made(subject: Subject, *, whole: bool) -> Traced:
    model = subject.model
    parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    given = dict(named_inputs(model, subject.args, subject.kwargs))
    flat = [*parameters.values(), *buffers.values(), *given.values()]

    def run(_: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return tensors(model(*subject.args, **subject.kwargs))

    module = _traced(model, run, flat, whole=whole)
    require_ops(module.graph)
    places = iter([node for node in module.graph.nodes if node.op == "placeholder"])
    prefixes: dict[str, dict[str, torch.Tensor]] = {"p_": {**parameters}, "b_": buffers, "": given}
    named = [
        {_renamed(next(places), prefix + name): name for name in held}
        for prefix, held in prefixes.items()
    ]
    constants = dict(_constants(module, model))
    values = constants | {place: buffers[name] for place, name in named[1].items()}
    return Traced(
        graph=module.graph,
        parameters=named[0],
        buffers=named[1] | {place: place for place in constants},
        inputs=tuple(named[2]),
        constants=numbers(values),
    )


def _traced(
    model: nn.Module,
    run: Callable[..., list[torch.Tensor]],
    flat: Sequence[torch.Tensor],
    *,
    whole: bool,
) -> fx.GraphModule:
    with ExitStack() as stack:
        stack.enter_context(unwritten())
        stack.enter_context(_said_to_compile())
        stack.enter_context(_Watch())
        stack.enter_context(every_line())
        stack.enter_context(meta_of_nodes.preserve_node_meta())
        stack.enter_context(Places(model, _tell).watched())
        return trace(run, pre_dispatch=whole, record_stack_traces=True)(list(flat))


def _renamed(node: fx.Node, name: str) -> str:
    node._rename(name.replace(".", "_"))
    return node.name


class _Watch(TorchFunctionMode):
    """Stops where values leave torch: what comes back would look constant."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, unless it hands values to another library."""
        if func in LEAVING:
            raise LeavesTorchError(f"{func.__name__} hands values to another library")
        return func(*args, **kwargs or {})


def _tell(stack: Stack) -> None:
    """Nodes made from now on are of these modules."""
    meta_of_nodes.get_current_meta()["nn_module_stack"] = stack


@contextmanager
def _said_to_compile() -> Iterator[None]:
    """Models that look at values of a mask take another way while a compiler looks on."""
    before = torch.compiler.is_compiling
    torch.compiler.is_compiling = lambda: True
    try:
        yield
    finally:
        torch.compiler.is_compiling = before


def _constants(module: fx.GraphModule, model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Tensors kept in the graph, made placeholders."""
    graph, own = module.graph, kept(model)
    for node in [n for n in graph.nodes if n.op == "get_attr"]:
        value = getattr(module, str(node.target))
        if not isinstance(value, torch.Tensor):
            continue
        _require_traced(node, value, own)
        with graph.inserting_before(next(iter(graph.nodes))):
            place = graph.create_node("placeholder", "constant", name="constant")
        place.target, place.meta["val"] = place.name, like(value)
        node.replace_all_uses_with(place)
        graph.erase_node(node)
        yield place.name, value


def _require_traced(node: fx.Node, value: torch.Tensor, own: set[int]) -> None:
    """Refuse a graph where values that the model computed look like constants."""
    literal = all(str(user.target).startswith("aten.lift_fresh") for user in node.users)
    numbers = value.dtype.is_floating_point or value.dtype.is_complex
    if numbers and value.numel() > 1 and not literal and id(value) not in own:
        raise OutOfTraceError(
            f"a tensor of {list(value.shape)} came back from outside torch, and looks constant"
        )
