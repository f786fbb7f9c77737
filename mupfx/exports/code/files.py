"""``model.py`` and ``weights.safetensors``: a folder that runs with torch and safetensors alone."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from pprint import pformat
from types import ModuleType
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from mupfx.core.plan import Plan
from mupfx.exports.code.blocks import without_identities
from mupfx.exports.code.interpreted import interpreted, multipliers
from mupfx.exports.code.labels import Label, label_of, labels, marked, named
from mupfx.exports.code.scope import Source
from mupfx.exports.code.spell import TORCHS_OWN
from mupfx.exports.code.template import TEMPLATE
from mupfx.exports.code.text import comment, functions
from mupfx.exports.hugging_face import batch_experts
from mupfx.exports.outputs import flat
from mupfx.exports.parcel import Artefact, Call, Parcel, device_of
from mupfx.exports.program import Traced, input_names, trace

MODEL, WEIGHTS = "model.py", "weights.safetensors"


@dataclass(frozen=True, slots=True)
class _Name:
    """A variable, printed as such inside containers."""

    text: str

    def __repr__(self) -> str:
        return self.text


def write_python(parcel: Parcel, folder: Path) -> Artefact:
    """Trace, write code and weights, and import what was written."""
    traced, known = _traced(parcel)
    if _foreign(traced.program) and batch_experts(parcel.model):
        traced, known = _traced(parcel)
    program = traced.program
    stored = _stored(program)
    folder.mkdir()
    save_file(_values(program, stored, parcel.tied), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / MODEL).write_text(_text(parcel, program, stored, known), encoding="utf-8")
    module = _imported(folder / MODEL)
    model = module.load().eval().to(device_of(parcel.model))

    def run(call: Call) -> list[Tensor]:
        leaves = pytree.tree_leaves((call.args, dict(call.kwargs)))
        return flat(model(*(leaf for leaf in leaves if isinstance(leaf, Tensor))))

    named_ = f"{len(known)} multiplier{'' if len(known) == 1 else 's'} by name"
    return Artefact(run, traced.calls, (traced.note, named_))


def _traced(parcel: Parcel) -> tuple[Traced, dict[str, Label]]:
    """The program, and the multipliers that are marked in it."""
    model = parcel.model
    if isinstance(model, fx.GraphModule):
        with interpreted(model):
            return trace(model, parcel.call), multipliers(model.graph)
    with marked(model):
        return trace(model, parcel.call), labels(model, parcel.plan)


def _foreign(program: ExportedProgram) -> bool:
    """Whether it calls an op of another library."""
    targets = (node.target for node in program.graph.nodes)
    ops = (target for target in targets if isinstance(target, OpOverload))
    return any(op.namespace not in TORCHS_OWN for op in ops)


def _imported(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"_written_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def _stored(program: ExportedProgram) -> dict[str, str]:
    """Placeholders of parameters, buffers and constants, with their names in the file."""
    signature = program.graph_signature
    return {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }


def _values(
    program: ExportedProgram, stored: Mapping[str, str], tied: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """What the file holds: each name that the graph reads, a tied parameter once."""
    every = {**program.state_dict, **program.constants}
    others = _others(tied, stored)
    names = [name for name in dict.fromkeys(stored.values()) if name not in others]
    return {name: every[name].detach().clone().contiguous() for name in names}


def _others(tied: Mapping[str, Sequence[str]], stored: Mapping[str, str]) -> dict[str, str]:
    """Other names of a parameter, to the one it is stored under."""
    names = set(stored.values())
    groups = ([name for name in (first, *more) if name in names] for first, more in tied.items())
    return {other: group[0] for group in groups for other in group[1:]}


def _text(
    parcel: Parcel,
    program: ExportedProgram,
    stored: Mapping[str, str],
    known: Mapping[str, Label],
) -> str:
    constants = named(known)
    graph = program.graph_module.graph
    without_identities(graph)
    nodes = {node.name: node for node in graph.nodes if node.op == "placeholder"}

    def numbers(node: fx.Node) -> dict[float, str]:
        label = label_of(node, stored, known)
        return {known[label].value: constants[label]} if label else {}

    source = Source(
        program.graph_module, {nodes[place]: name for place, name in stored.items()}, numbers
    )
    inputs = {nodes[name]: name for name in _inputs(program)}
    made = functions(graph, source, inputs, lambda names: _result(program, names))
    buffers = {name for name in stored.values() if name not in _parameters(program)}
    return TEMPLATE.format(
        title=_title(parcel),
        multipliers=_multipliers(known, constants, parcel.plan),
        functions="\n\n\n".join(made),
        buffers=pformat(buffers, width=96) if buffers else "set[str]()",
        tied=pformat(_others(parcel.tied, stored), width=96),
        inputs=pformat(_inputs(program), width=96, sort_dicts=False),
    )


def _parameters(program: ExportedProgram) -> set[str]:
    return set(program.graph_signature.inputs_to_parameters.values())


def _title(parcel: Parcel) -> str:
    kind = type(parcel.model).__name__
    return f"{kind}, in the parametrization {parcel.plan.parametrization}." if parcel.plan else kind


def _result(program: ExportedProgram, names: Sequence[str]) -> str:
    """The output in its containers."""
    spec = program.call_spec.out_spec
    assert spec is not None
    return repr(pytree.tree_unflatten([_Name(name) for name in names], spec))


def _multipliers(
    known: Mapping[str, Label], constants: Mapping[str, str], plan: Plan | None
) -> str:
    """One constant for those alike, under what it is on and which rule says so."""
    by_name: dict[str, list[Label]] = {}
    for key, name in constants.items():
        by_name.setdefault(name, []).append(known[key])
    lines = ["# Multipliers of the parametrization, and the rules behind them."] if by_name else []
    for name, group in by_name.items():
        lines.append(comment(f"{_alike(label.what for label in group)}: {group[0].why}"))
        lines.append(f"{name} = {group[0].value!r}")
    lines += _folded(plan)
    return "\n".join([*lines, "", "", ""]) if lines else ""


def _alike(names: Iterable[str]) -> str:
    """Names with a star for numbers, each once."""
    return ", ".join(dict.fromkeys(re.sub(r"\d+", "*", name) for name in names))


def _folded(plan: Plan | None) -> list[str]:
    """What is in the weights already."""
    sites = [s for s in plan.sites.values() if s.lowering == "fold"] if plan else []
    if not sites:
        return []
    head = "# Others are in the weights that they would multiply."
    rows = dict.fromkeys(
        f"{_alike([s.name])}, {s.multiplier:g} = {s.power}: in {_alike(s.target)}" for s in sites
    )
    return [head, *map(comment, rows)]


def _inputs(program: ExportedProgram) -> dict[str, tuple[str, tuple[int, ...], int]]:
    leaves = pytree.tree_leaves(program.example_inputs)
    return {
        name: (str(leaf.dtype).removeprefix("torch."), tuple(leaf.shape), _below(leaf))
        for name, leaf in zip(input_names(program), leaves, strict=True)
        if isinstance(leaf, Tensor)
    }


def _below(leaf: Any) -> int:
    whole = leaf.numel() and not (leaf.is_floating_point() or leaf.is_complex())
    return int(leaf.to(torch.int64).max()) + 1 if whole else 0
