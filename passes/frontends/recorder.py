"""The recorder: run the model once, and write down every op that was called.

It needs nothing of the model but that it runs, so capture ends here at the latest. Loops are
unrolled and one branch is taken. Below autograd ops arrive whole (``linear``, not ``t`` and
``addmm``); a model that differentiates inside its forward is run again with autograd.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from mupfx.passes.frontends.bodies import entered
from mupfx.passes.frontends.ledger import Ledger
from mupfx.passes.frontends.places import Places, stack_trace
from mupfx.passes.frontends.traced import Subject, Traced, like, numbers
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.frontends.values import kept, named_inputs, tensors

aten = torch.ops.aten

LEAVING = aten.resolve_neg.default
"""What ``Tensor.numpy`` asks of torch before it hands over the memory."""


def record(subject: Subject) -> Traced:
    """The ops of one run, as a graph."""
    try:
        return _run(subject, whole=True)
    except RuntimeError as error:
        if "grad" not in str(error):
            raise
    return _run(subject, whole=False)


def _run(subject: Subject, *, whole: bool) -> Traced:
    places = Places(subject.model)
    recorder = Recorder(places)
    recorder.start(subject)
    with ExitStack() as stack:
        stack.enter_context(unwritten())
        stack.enter_context(places.watched())
        stack.enter_context(_without_fast_path())
        if whole:
            stack.enter_context(torch._C._AutoDispatchBelowAutograd())
        stack.enter_context(recorder)
        out = subject.model(*subject.args, **subject.kwargs)
    return recorder.finish(tensors(out))


@contextmanager
def _without_fast_path() -> Iterator[None]:
    """Attention as its parts, not as the one kernel that torch takes for inference."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes a node for every op."""

    supports_higher_order_operators = True

    def __init__(self, places: Places) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph = fx.Graph()
        self.ledger = Ledger()
        self.places = places
        self.parameters: dict[str, str] = {}
        self.buffers: dict[str, str] = {}
        self.inputs: list[str] = []
        self.constants: dict[str, float] = {}
        self.own: set[int] = set()
        self.left = False
        """Whether numbers left torch, which may come back from numpy."""
        self.outside: list[str] = []
        self.first: fx.Node | None = None
        """The first op: placeholders come before it."""

    def start(self, subject: Subject) -> None:
        """Placeholders of everything that is there before the run."""
        model = subject.model
        self.own = kept(model)
        for name, parameter in model.named_parameters():
            node = self._placeholder(f"p_{name}", parameter)
            self.parameters[node.name] = name
        for name, buffer in model.named_buffers():
            self._buffer(f"b_{name}", name, buffer)
        for name, tensor in named_inputs(model, subject.args, subject.kwargs):
            if self.ledger.find(tensor) is None:
                self.inputs.append(self._placeholder(name, tensor).name)

    def finish(self, out: Sequence[torch.Tensor]) -> Traced:
        """The graph, with the tensors that the model returned."""
        self.graph.output(tuple(self._node(tensor) for tensor in out))
        return Traced(
            self.graph,
            self.parameters,
            self.buffers,
            tuple(self.inputs),
            self.constants,
            tuple(self.outside),
        )

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the op and write it down."""
        given = dict(kwargs or {})
        inside = entered(func, args, given)
        if inside is not None:
            with self:
                return inside()
        self.left = self.left or func is LEAVING
        nodes = self._arguments(args), self._arguments(given)
        out = func(*args, **given)
        if _gives_something(func, (args, given), out):
            self._write(func, nodes, out)
        return out

    def _arguments(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self._node(value)
        if isinstance(value, dict):
            return {key: self._arguments(member) for key, member in value.items()}
        if isinstance(value, tuple | list):
            return type(value)([self._arguments(member) for member in value])
        return None if isinstance(value, torch.Generator) or callable(value) else value

    def _write(self, func: Any, nodes: tuple[Any, Any], out: Any) -> None:
        node = self._op(func, nodes, pytree.tree_map_only(torch.Tensor, like, out))
        written = func._schema.is_mutable
        if isinstance(out, torch.Tensor):
            self.ledger.note(out, node, written=written)
            return
        for i, member in enumerate(out):
            if isinstance(member, torch.Tensor):
                pick = self._op(operator.getitem, ((node, i), {}), node.meta["val"][i])
                self.ledger.note(member, pick, written=written)

    def _op(self, target: Any, nodes: tuple[Any, Any], value: Any) -> fx.Node:
        name = getattr(getattr(target, "overloadpacket", target), "__name__", "op")
        node = self.graph.create_node("call_function", target, *nodes, name=name)
        node.meta |= {
            "val": value,
            "nn_module_stack": self.places.stack(),
            "stack_trace": stack_trace(),
        }
        self.first = self.first or node
        return node

    def _node(self, tensor: torch.Tensor) -> fx.Node:
        """The node that a tensor is; one never seen is a constant of the code."""
        found = self.ledger.find(tensor)
        if isinstance(found, fx.Node):
            return found
        if found is None:
            return self._constant(tensor)
        size, value = list(tensor.shape), like(tensor)
        node = (
            self._op(aten.view.default, ((found.source, size), {}), value)
            if found.whole
            else self._op(aten.as_strided.default, (_strided(found.source, tensor), {}), value)
        )
        self.ledger.note(tensor, node)
        return node

    def _constant(self, tensor: torch.Tensor) -> fx.Node:
        """A tensor never seen, which is told of where numpy may have computed it."""
        node = self._buffer("constant", "", tensor)
        real = tensor.dtype.is_floating_point or tensor.dtype.is_complex
        if self.left and real and tensor.numel() > 1 and id(tensor) not in self.own:
            node.meta["stack_trace"] = stack_trace()
            self.outside.append(node.name)
        return node

    def _buffer(self, wanted: str, name: str, tensor: torch.Tensor) -> fx.Node:
        node = self._placeholder(wanted, tensor)
        self.buffers[node.name] = name or node.name
        self.constants |= numbers({node.name: tensor})
        return node

    def _placeholder(self, wanted: str, tensor: torch.Tensor) -> fx.Node:
        name = wanted.replace(".", "_")
        with self.graph.inserting_before(self.first) if self.first else nullcontext():
            node = self.graph.create_node("placeholder", name, name=name)
        node.target = node.name
        node.meta["val"] = like(tensor)
        self.ledger.note(tensor, node)
        return node


def _strided(source: fx.Node, tensor: torch.Tensor) -> tuple[Any, ...]:
    return source, list(tensor.shape), list(tensor.stride()), tensor.storage_offset()


def _gives_something(func: Any, given: Any, out: Any) -> bool:
    """Whether an op makes or writes a tensor; one that hands its input on does neither."""
    made = [leaf for leaf in pytree.tree_leaves(out) if isinstance(leaf, torch.Tensor)]
    if not made or func._schema.is_mutable:
        return bool(made)
    known = {id(leaf) for leaf in pytree.tree_leaves(given)}
    return any(id(tensor) not in known for tensor in made)
