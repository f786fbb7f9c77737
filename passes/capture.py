"""Capture: run the model once under ``torch.export`` and keep the graph under the user's names.

The model is left as it was: training flags, random state, buffers and hooks. Outputs of any kind
are flattened to tensors, so that a cache object or a dataclass in them does not matter. Where the
model's Python asks for values (``if mask.any():``), one plain run answers, and tracing follows it.
"""

import inspect
import io
import logging
import sys
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from mupfx.core.ops import CONSTANT
from mupfx.core.program import Program
from mupfx.errors import CaptureError


def capture(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Program:
    """The graph of ``model(*args, **kwargs)``.

    Args:
        model: Any module, also on the meta device.
        args: Positional example inputs.
        kwargs: Keyword example inputs.

    Raises:
        CaptureError: The inputs do not fit ``forward``, or the model cannot be traced with them.
    """
    check_signature(model, args, kwargs)
    args, kwargs = _on_device(model, args, kwargs)
    exported, frontend = _export(model, args, kwargs)
    shared = tied(model)
    names = {other: first for first, others in shared.items() for other in others}
    graph = exported.graph_module.graph
    signature = exported.graph_signature
    parameters = _placed(signature.inputs_to_parameters, names)
    buffers = signature.inputs_to_buffers | signature.inputs_to_lifted_tensor_constants
    constants = _constants(exported, buffers)
    for node in graph.nodes:
        if node.name in parameters:
            node.meta["parameter"] = parameters[node.name]
        value = constants.get(node.name)
        if value is not None:
            node.meta[CONSTANT] = value
    reached = {parameters[n.name] for n in graph.nodes if n.name in parameters and n.users}
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return Program(
        graph=graph,
        frontend=frontend,
        parameters=parameters,
        buffers=_placed(buffers, {}),
        inputs=tuple(signature.user_inputs),
        shapes=shapes,
        tied=shared,
        unreached=tuple(name for name in shapes if name not in reached),
    )


def _constants(
    exported: torch.export.ExportedProgram, places: Mapping[str, str]
) -> dict[str, float]:
    """Values of buffers and literals that are one number each, by placeholder."""
    values = {**exported.constants, **exported.state_dict}
    tensors = {place: values.get(name) for place, name in places.items()}
    return {
        place: value.item()
        for place, value in tensors.items()
        if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_meta
    }


def tied(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """First name of every parameter that has several, to the others."""
    first: dict[int, str] = {}
    groups: dict[str, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        known = first.setdefault(id(parameter), name)
        if known != name:
            groups.setdefault(known, []).append(name)
    return {name: tuple(others) for name, others in groups.items()}


def check_signature(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse inputs that ``forward`` does not take, before anything runs.

    Raises:
        CaptureError: A required argument is missing, or there is one too many.
    """
    signature = inspect.signature(model.forward)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise CaptureError(
            f"the example inputs do not fit {type(model).__name__}.forward: {error}",
            expected=f"forward{signature}",
            found=f"{len(args)} positional, keywords {sorted(kwargs)}",
            hint="pass example inputs: mupfx.convert(model, (inputs,), base=...)",
        ) from None


class _Flat(nn.Module):
    """The user's model, returning nothing but tensors."""

    def __init__(self, model: nn.Module, answers: "_Answers | None" = None) -> None:
        super().__init__()
        self.model = model
        self.answers = answers
        self.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> list[torch.Tensor]:
        """Tensors of the model's output, in order."""
        with self.answers.given() if self.answers else nullcontext():
            return list(_tensors(self.model(*args, **kwargs)))


ASKING = frozenset(
    {
        torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__,
        torch.Tensor.__index__, torch.Tensor.__contains__, torch.Tensor.item, torch.Tensor.tolist,
        torch.equal, torch.allclose, torch.is_nonzero,
    }
)  # fmt: skip
"""Functions that turn tensors into Python's own values."""


class _Answers(TorchFunctionMode):
    """What the model's Python asked of tensors in one run, by line and in order.

    ``if mask.any():`` at ``net.py:7`` is noted as ``{("__bool__", "net.py", 7): [True]}``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: defaultdict[tuple[str, str, int], list[Any]] = defaultdict(list)
        self.waiting: dict[tuple[str, str, int], Iterator[Any]] | None = None

    @contextmanager
    def given(self) -> Iterator[None]:
        """While tracing: questions get the answers of the run."""
        self.waiting = {place: iter(answers) for place, answers in self.noted.items()}
        with self:
            yield

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer a question, or note what its answer is."""
        if func not in ASKING:
            return func(*args, **kwargs or {})
        caller = sys._getframe(1)
        place = (func.__name__, caller.f_code.co_filename, caller.f_lineno)
        for known in self.waiting.get(place, ()) if self.waiting is not None else ():
            return known
        answer = func(*args, **kwargs or {})
        if self.waiting is None:
            self.noted[place].append(answer)
        return answer


def _answers(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> _Answers | None:
    """Questions of one run that changes nothing; None without questions or values."""
    leaves = pytree.tree_leaves((args, kwargs, list(model.parameters()), list(model.buffers())))
    if any(isinstance(leaf, torch.Tensor) and leaf.is_meta for leaf in leaves):
        return None
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    answers = _Answers()
    with answers:
        torch.func.functional_call(model, buffers, tuple(args), dict(kwargs))
    return answers if answers.noted else None


def _tensors(value: object) -> Iterator[torch.Tensor]:
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            for field in fields(leaf):
                yield from _tensors(getattr(leaf, field.name))


Exported = tuple[torch.export.ExportedProgram, str]
"""A graph, and the way it took."""


def _export(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exported:
    try:
        with torch.random.fork_rng(devices=_cuda_devices(model)), _quiet(), _restored(model):
            return _trace(model, args, kwargs)
    except Exception as error:
        raise CaptureError(
            f"tracing {type(model).__name__} with these inputs failed",
            where=_user_frame(error),
            expected="inputs that the model runs on",
            found=f"{type(error).__name__}: {_first_line(error)}",
            hint="if the model itself runs on them, its Python depends on their values (a branch, "
            "item(), numpy), which tracing follows only where there are values (not on meta)",
        ) from error


def _trace(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Exported:
    """Export; where values decide, export again with the answers of one run."""
    inputs = tuple(args), dict(kwargs)
    try:
        return torch.export.export(_Flat(model), *inputs, strict=False), "export"
    except GuardOnDataDependentSymNode:
        answers = _answers(model, args, kwargs)
        if answers is None:
            raise
        flat = _Flat(model, answers)
        return torch.export.export(flat, *inputs, strict=False), "export after a run"


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Attributes as they were: what a forward keeps for later would be a tracer's fake tensor."""
    before = [(m, dict(m.__dict__), _contents(m)) for m in model.modules()]
    try:
        yield
    finally:
        for module, attributes, contents in before:
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for container, items in contents:
                _refill(container, items)


Container = dict[Any, Any] | list[Any]


def _contents(module: nn.Module) -> list[tuple[Container, Container]]:
    """The module's own dicts and lists, such as its buffers, with copies."""
    return [(v, v.copy()) for v in module.__dict__.values() if isinstance(v, dict | list)]


def _refill(container: Container, items: Container) -> None:
    container.clear()
    if isinstance(container, dict):
        container.update(items)
    else:
        container.extend(items)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracer's warnings, log lines and graphs on stderr: errors say what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _cuda_devices(model: nn.Module) -> list[int]:
    return sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def _user_frame(error: BaseException) -> str | None:
    """The innermost line outside torch and this package."""
    ours = __name__.partition(".")[0]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = frame.filename.replace("\\", "/")
        generated = path.startswith("<")
        if not generated and not any(f"/{p}/" in path for p in ("torch", ours, "passes")):
            return f"{path.rsplit('/', 1)[-1]}:{frame.lineno} {frame.line}"
    return None


def _on_device(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs of a model on the meta device go there too; others stay where the user put them."""
    if {p.device.type for p in model.parameters()} != {"meta"}:
        return tuple(args), dict(kwargs)

    def move(leaf: Any) -> Any:
        return leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf

    moved_args, moved_kwargs = pytree.tree_map(move, (tuple(args), dict(kwargs)))
    return moved_args, moved_kwargs


def _placed(table: Mapping[str, str], canonical: Mapping[str, str]) -> dict[str, str]:
    names = {place: name.removeprefix("model.") for place, name in table.items()}
    return {place: canonical.get(name, name) for place, name in names.items()}
