"""Capture: run the model once and keep the graph under the user's names.

Frontends are tried in order, and the first that can says which it was::

    export               torch.export, non-strict, nothing decomposed
    export after a run   where the model's Python asks for values: answered as one run did
    make_fx              traced on real values, or fake ones where there are none
    recorder             one eager run, every op written down: needs only that the model runs

The model is left as it was, whichever it takes: flags, random state, buffers, hooks, gradients.
"""

import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from typing import Any

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from mupfx.core.ops import CONSTANT
from mupfx.core.program import Program
from mupfx.errors import CaptureError
from mupfx.passes.frontends import FRONTENDS
from mupfx.passes.frontends.places import is_ours
from mupfx.passes.frontends.traced import Subject, Traced
from mupfx.passes.frontends.untouched import untouched
from mupfx.passes.frontends.values import signature_of

WRAPPERS = (
    (nn.DataParallel, "module"),
    (nn.parallel.DistributedDataParallel, "module"),
    (torch._dynamo.OptimizedModule, "_orig_mod"),
)
"""Modules that only run another one, and the name they have for it."""


def capture(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    frontends: Sequence[str] = tuple(FRONTENDS),
) -> Program:
    """The graph of ``model(*args, **kwargs)``.

    Args:
        model: Any module, also on the meta device.
        args: Positional example inputs.
        kwargs: Keyword example inputs.
        frontends: Which to try, in this order.

    Raises:
        CaptureError: The inputs do not fit ``forward``, the model does not run on them, or gives
            no tensor.
    """
    inner, prefix = unwrapped(model)
    check_signature(inner, args, kwargs)
    subject = Subject(inner, *on_device(inner, args, kwargs))
    traced, frontend, refused = _ladder(subject, frontends)
    _require_output(model, traced.graph)
    return _program(model, traced, prefix, frontend, refused)


def from_here(frontend: str) -> tuple[str, ...]:
    """The frontends that give a graph of the same kind, and those after them."""
    names = tuple(FRONTENDS)
    return names[names.index(kind_of(frontend)) :]


def kind_of(frontend: str) -> str:
    """What graphs are alike by: an export after a run is an export."""
    return frontend.partition(" ")[0]


def unwrapped(model: nn.Module) -> tuple[nn.Module, str]:
    """The module that a wrapper runs, and what its parameters' names begin with."""
    prefix = ""
    while kind := next((name for kind, name in WRAPPERS if isinstance(model, kind)), None):
        model, prefix = getattr(model, kind), f"{prefix}{kind}."
    return model, prefix


def _ladder(subject: Subject, frontends: Sequence[str]) -> tuple[Traced, str, dict[str, str]]:
    refused: dict[str, BaseException] = {}
    for name in frontends:
        try:
            with as_it_was(subject.model):
                traced = FRONTENDS[name](subject)
        except Exception as error:  # noqa: BLE001 - tracers raise whatever the model raises, and more
            refused[name] = error
            continue
        return traced, name, {name: _reason(error) for name, error in refused.items()}
    raise _failed(subject.model, refused)


def _require_output(model: nn.Module, graph: fx.Graph) -> None:
    """Refuse a model whose output says nothing of its axes."""
    output = next(node for node in reversed(graph.nodes) if node.op == "output")
    if not output.all_input_nodes:
        raise CaptureError(
            f"{type(model).__name__} returns no tensor",
            expected="logits or a loss, alone or in any container",
            hint="return the tensor itself, not its value: loss, not loss.item()",
        )


@contextmanager
def as_it_was(model: nn.Module) -> Iterator[None]:
    """While open, a model may be traced: in silence, and it is afterwards as it was before."""
    with ExitStack() as stack:
        stack.enter_context(untouched(model))
        stack.enter_context(_quiet())
        stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def _failed(model: nn.Module, refused: Mapping[str, BaseException]) -> CaptureError:
    """What every frontend stopped at; the last one ran the model itself."""
    last = list(refused.values())[-1]
    error = CaptureError(
        f"running {type(model).__name__} on these inputs failed",
        where=_user_frame(last),
        expected="inputs that the model runs on",
        found="\n    ".join(_reasons(refused)),
        hint=VALUES if _on_meta(model) else None,
    )
    error.__cause__ = last
    return error


VALUES = (
    "on the meta device tensors have no values: build the model on the CPU where its Python asks "
    "for some (a branch, item(), numpy)"
)


def _reasons(refused: Mapping[str, BaseException]) -> list[str]:
    """One line a reason, with the frontends that stopped at it where there are several."""
    found: dict[str, list[str]] = {}
    for name, error in refused.items():
        found.setdefault(_reason(error), []).append(name)
    if len(found) == 1:
        return list(found)
    return [f"{', '.join(names)}: {reason}" for reason, names in found.items()]


def _program(
    model: nn.Module, traced: Traced, prefix: str, frontend: str, refused: Mapping[str, str]
) -> Program:
    shared = tied(model)
    first = {other: name for name, others in shared.items() for other in others}
    named = {place: f"{prefix}{name}" for place, name in traced.parameters.items()}
    parameters = {place: first.get(name, name) for place, name in named.items()}
    _note(traced.graph, parameters, traced.constants)
    reached = {parameters[n.name] for n in traced.graph.nodes if n.name in parameters and n.users}
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return Program(
        graph=traced.graph,
        frontend=frontend,
        parameters=parameters,
        buffers=dict(traced.buffers),
        inputs=traced.inputs,
        shapes=shapes,
        tied=shared,
        unreached=tuple(name for name in shapes if name not in reached),
        refused=refused,
        outside=traced.outside,
    )


def _note(graph: fx.Graph, parameters: Mapping[str, str], constants: Mapping[str, float]) -> None:
    for node in graph.nodes:
        if node.name in parameters:
            node.meta["parameter"] = parameters[node.name]
        if node.name in constants:
            node.meta[CONSTANT] = constants[node.name]


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
    signature = signature_of(model)
    if signature is None:
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise CaptureError(
            f"the example inputs do not fit {type(model).__name__}.forward: {error}",
            expected=f"forward{signature}",
            found=f"{len(args)} positional, keywords {sorted(kwargs)}",
            hint="pass example inputs: mupfx.convert(model, (inputs,), base=...)",
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracer's warnings, log lines and graphs on stderr: errors say what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def _user_frame(error: BaseException) -> str | None:
    """The innermost line outside torch and this package."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not is_ours(frame.filename):
            name = frame.filename.replace("\\", "/").rsplit("/", 1)[-1]
            return f"{name}:{frame.lineno} {frame.line}"
    return None


def _on_meta(model: nn.Module) -> bool:
    return {p.device.type for p in model.parameters()} == {"meta"}


def on_device(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Inputs of a model on the meta device go there too; others stay where the user put them."""
    if not _on_meta(model):
        return tuple(args), dict(kwargs)

    def move(leaf: Any) -> Any:
        return leaf.to("meta") if isinstance(leaf, torch.Tensor) else leaf

    moved_args, moved_kwargs = pytree.tree_map(move, (tuple(args), dict(kwargs)))
    return moved_args, moved_kwargs
