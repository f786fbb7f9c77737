"""Capture: run the model once under ``torch.export`` and keep the graph under the user's names.

The model is left as it was: training flags, random state, buffers and hooks. Outputs of any kind
are flattened to tensors, so that a cache object or a dataclass in them does not matter.
"""

import inspect
import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn
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
    exported = _export(model, args, kwargs)
    names = {other: first for first, others in tied(model).items() for other in others}
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
        frontend="export",
        parameters=parameters,
        buffers=_placed(buffers, {}),
        inputs=tuple(signature.user_inputs),
        shapes=shapes,
        tied=tied(model),
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

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> list[torch.Tensor]:
        """Tensors of the model's output, in order."""
        return list(_tensors(self.model(*args, **kwargs)))


def _tensors(value: object) -> Iterator[torch.Tensor]:
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            for field in fields(leaf):
                yield from _tensors(getattr(leaf, field.name))


def _export(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> torch.export.ExportedProgram:
    try:
        with torch.random.fork_rng(devices=_cuda_devices(model)), _quiet():
            return torch.export.export(_Flat(model), tuple(args), dict(kwargs), strict=False)
    except Exception as error:
        raise CaptureError(
            f"tracing {type(model).__name__} with these inputs failed",
            where=_user_frame(error),
            expected="inputs that the model runs on",
            found=f"{type(error).__name__}: {_first_line(error)}",
            hint="if the model itself runs on them, its Python depends on their values (a branch, "
            "item(), numpy), which tracing does not follow",
        ) from error


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
