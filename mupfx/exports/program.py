"""A model through ``torch.export``, with sizes of its inputs that may change.

Every size is left open first; torch fixes those that the model's Python asks for. The program
returns plain containers, and no caches, so that reading it needs nothing but torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, ShapesCollection
from torch.utils import _pytree as pytree

from mupfx.errors import ExportError
from mupfx.exports.hugging_face import without_cache
from mupfx.exports.outputs import plain
from mupfx.exports.parcel import Call
from mupfx.exports.quiet import quiet

Shape = tuple[int | torch.SymInt, ...]


@dataclass(frozen=True, slots=True)
class Traced:
    """A program, and which sizes it takes."""

    program: ExportedProgram
    calls: tuple[Call, ...]
    """The example with other sizes, where they may change."""
    note: str


def trace(model: nn.Module, call: Call) -> Traced:
    """Export the model, with open sizes where it can be.

    Raises:
        ExportError: torch.export cannot follow the model.
    """
    hook = model.register_forward_hook(lambda _module, _args, output: plain(output))
    try:
        with quiet(), without_cache(model), torch.no_grad():
            program = _open(model, call, every=True) or _open(model, call, every=False)
            return _traced(program or _fixed(model, call))
    finally:
        hook.remove()


def _fresh(call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Copies of the inputs: tracing leaves marks on tensors, which later tracing obeys."""

    def copied(leaf: Any) -> Any:
        return leaf.detach().clone() if isinstance(leaf, Tensor) else leaf

    args, kwargs = pytree.tree_map(copied, (call.args, dict(call.kwargs)))
    return args, kwargs


def _open(model: nn.Module, call: Call, *, every: bool) -> ExportedProgram | None:
    """With every size open, or the first of each input, its batch; None where that fails."""
    args, kwargs = _fresh(call)
    shapes = ShapesCollection()  # type: ignore[no-untyped-call]
    for leaf in pytree.tree_leaves((args, kwargs)):
        if isinstance(leaf, Tensor) and leaf.dim():
            shapes[leaf] = dict.fromkeys(range(leaf.dim() if every else 1), Dim.AUTO)
    try:
        dynamic = shapes.dynamic_shapes(model, args, kwargs)  # type: ignore[no-untyped-call]
        return torch.export.export(model, args, kwargs, dynamic_shapes=dynamic, strict=False)
    except Exception:  # noqa: BLE001 - tried again with fixed sizes, which says what is wrong
        return None


def _fixed(model: nn.Module, call: Call) -> ExportedProgram:
    args, kwargs = _fresh(call)
    try:
        return torch.export.export(model, args, kwargs, strict=False)
    except Exception as error:
        raise ExportError(
            f"torch.export cannot follow {type(model).__name__}",
            found=_line(error),
            hint='format="state_dict" or "safetensors" needs no graph',
        ) from error


def _traced(program: ExportedProgram) -> Traced:
    sizes = _sizes(program)
    names = [f"{name}[{dim}]" for name, dims in sizes.items() for dim in dims]
    shapes = _shapes(program)
    note = f"sizes that may change: {', '.join(names)}" if names else "sizes are the example's"
    ones = not names and any(1 in shape for shape in shapes.values())
    note += "; one of 1 stays, so give an example of 2 to open it" if ones else ""
    chosen = [_chosen(program, shapes, batch=batch) for batch in (False, True)]
    others = [sizes for i, sizes in enumerate(chosen) if sizes and sizes not in chosen[:i]]
    return Traced(program, tuple(_resized(program, shapes, sizes) for sizes in others), note)


def _sizes(program: ExportedProgram) -> dict[str, list[int]]:
    """Dimensions of inputs that may have any size."""
    found = {}
    for name, shape in _shapes(program).items():
        open_ = [dim for dim, size in enumerate(shape) if _is_open(size)]
        if open_:
            found[name] = open_
    return found


def _is_open(size: int | torch.SymInt) -> TypeGuard[torch.SymInt]:
    """Whether a size may change: not if it is a symbol that the model's Python has fixed."""
    return isinstance(size, torch.SymInt) and bool(size.node.expr.free_symbols)


def _shapes(program: ExportedProgram) -> dict[str, Shape]:
    names = set(map(str, program.graph_signature.user_inputs))
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.name in names}
    return {name: tuple(value.shape) for name, value in values.items() if isinstance(value, Tensor)}


def input_names(program: ExportedProgram) -> list[str]:
    """Names of the leaves of a call, in order."""
    return [str(name) for name in program.graph_signature.user_inputs]


def _resized(
    program: ExportedProgram, shapes: Mapping[str, Shape], chosen: Mapping[Any, int]
) -> Call:
    """The example with other sizes."""
    leaves, spec = pytree.tree_flatten(program.example_inputs)
    names = map(str, program.graph_signature.user_inputs)
    moved = [
        _cut(leaf, shapes[name], chosen) if name in shapes else leaf
        for leaf, name in zip(leaves, names, strict=True)
    ]
    args, kwargs = pytree.tree_unflatten(moved, spec)
    return Call(tuple(args), kwargs)


def _chosen(program: ExportedProgram, shapes: Mapping[str, Any], *, batch: bool) -> dict[Any, int]:
    """A size for every symbol, one less, or one more where it is 2 or the least.

    With ``batch``, of each input the first size alone is another.
    """
    sizes = [size for shape in shapes.values() for size in shape if _is_open(size)]
    firsts = {
        s for shape in shapes.values() if shape and _is_open(shape[0]) for s in _free(shape[0])
    }
    symbols: dict[Any, int] = {}
    for size in sizes:
        for symbol in _free(size):
            hint = int(size.node.shape_env.backed_var_to_val[symbol])
            limits = program.range_constraints.get(symbol)
            least = max(2, int(limits.lower)) if limits is not None else 2
            other = hint - 1 if hint > least else hint + 1
            symbols[symbol] = hint if batch and symbol not in firsts else other
    return symbols


def _free(size: torch.SymInt) -> set[Any]:
    found: set[Any] = size.node.expr.free_symbols
    return found


def _cut(leaf: Tensor, shape: Shape, chosen: Mapping[Any, int]) -> Tensor:
    for dim, size in enumerate(shape):
        if _is_open(size):
            wanted = int(size.node.expr.subs(chosen))
            places = torch.arange(wanted, device=leaf.device) % leaf.shape[dim]
            leaf = leaf.index_select(dim, places)
    return leaf


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
