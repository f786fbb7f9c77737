"""ONNX through torch's own exporter, and run by onnxruntime."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mupfx.errors import ExportError
from mupfx.exports.hugging_face import batch_experts
from mupfx.exports.parcel import Artefact, Call, Parcel
from mupfx.exports.program import Traced, input_names, trace
from mupfx.exports.quiet import quiet

NEEDED = ("onnx", "onnxscript", "onnxruntime")
EXPERTS = "experts are batched products (batched_mm): ONNX has no grouped ones"
ONE_FILE = 2**30
"""Bytes of weights from which on they lie in a file beside: protobuf ends at twice that."""


def write_onnx(parcel: Parcel, path: Path) -> Artefact:
    """Export, write, and open with onnxruntime.

    Raises:
        ExportError: A package is missing, or the exporter or onnxruntime refuses the model.
    """
    _, _, runtime = (_required(name) for name in NEEDED)
    experts = (EXPERTS,) if batch_experts(parcel.model) else ()
    traced = trace(parcel.model, parcel.call)
    large = sum(t.nbytes for t in parcel.model.state_dict().values()) > ONE_FILE
    with quiet():
        made = _exported(traced)
        made.save(str(path), external_data=large)
        session = _session(runtime, path)
    wanted = {entry.name for entry in session.get_inputs()}
    names = input_names(traced.program)

    def run(call: Call) -> list[Tensor]:
        given = dict(_named(call, names, wanted))
        return [torch.from_numpy(value) for value in session.run(None, given)]

    return Artefact(run, traced.calls, (traced.note, _versions(made), *experts))


def _required(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ExportError(
            "ONNX needs packages that are not there",
            expected=", ".join(NEEDED),
            found=f"no {error.name}",
            hint=f"pip install {' '.join(NEEDED)}",
        ) from error


def _exported(traced: Traced) -> Any:
    try:
        return torch.onnx.export(traced.program, dynamo=True, verbose=False)
    except Exception as error:
        raise ExportError("torch.onnx cannot write this model", found=_last(error)) from error


def _session(runtime: Any, path: Path) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ExportError(
            "onnxruntime cannot run this model, so nothing would have checked it",
            found=_last(error),
            hint="it has few kernels for half precision: model.float()",
        ) from error


def _named(call: Call, names: list[str], wanted: set[str]) -> Iterator[tuple[str, Any]]:
    leaves = pytree.tree_leaves((call.args, dict(call.kwargs)))
    for name, leaf in zip(names, leaves, strict=True):
        if name in wanted:
            yield name, leaf.detach().cpu().numpy()


def _versions(made: Any) -> str:
    opsets = made.model.opset_imports
    return "opset " + ", ".join(f"{name or 'onnx'} {version}" for name, version in opsets.items())


def _last(error: BaseException) -> str:
    """What the innermost error says."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:300] if lines else 'no message'}"
