"""Whether a graph computes what the model computes: on the example, in both modes, at other sizes.

Tracing may have taken something for granted that the example does not show. A graph that differs is
refused; one that differs by rounding, because the model's Python takes another way while it is
traced, says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from mupfx.core.runnable import Runnable
from mupfx.errors import LoweringError
from mupfx.passes.capture import as_it_was
from mupfx.passes.frontends.runnable import call_of, taken_apart
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.frontends.values import tensors
from mupfx.passes.rewrite.module import Rewritten

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
RELATIVE = {torch.float64: 1e-9, torch.float32: 1e-4}
ROUGH = 5e-2
"""Of types that keep fewer digits."""
OTHER_WAY = (
    "traced, the model's Python takes another way than in eager mode: the graph agrees with it up "
    "to rounding, not bit for bit"
)


def check(model: nn.Module, module: Rewritten, call: Call, *, both: bool) -> tuple[str, ...]:
    """Compare a graph without multipliers with its model; notes say what is not bit for bit.

    Args:
        model: The model.
        module: Its graph.
        call: The example.
        both: Whether the graph follows the mode.

    Raises:
        LoweringError: They differ.
    """
    if has_no_values(model, call):
        return ("no values yet: what the graph computes was not compared with the model",)
    found = False
    for training in (model.training, not model.training)[: 1 + both]:
        expected = _run(model, call, training)
        if isinstance(expected, Exception):
            raise expected
        error = _error(expected, _run(module, call, training))
        if isinstance(error, str):
            raise LoweringError(
                "the graph does not compute what the model computes",
                where="the example, in " + ("training" if training else "inference"),
                found=error,
                hint='lowering="eager"',
            )
        found = found or error > 0
    return (OTHER_WAY,) if found else ()


def holds(model: nn.Module, module: Rewritten, call: Call, runnable: Runnable) -> str:
    """Where a graph gives something else than its model at other sizes; nowhere is empty."""
    if has_no_values(model, call):
        return ""
    taken = taken_apart(model, *call)
    for what, other in _resized(runnable, taken.leaves):
        resized = call_of(model, taken.arguments, other)
        expected = _run(model, resized, model.training)
        found = _run(module, resized, model.training)
        if isinstance(expected, Exception) or isinstance(found, LoweringError):
            continue  # the model itself, or the graph, refuses these sizes
        error = _error(expected, found)
        if isinstance(error, str):
            return f"{what}: {error}"
    return ""


def has_no_values(model: nn.Module, call: Call) -> bool:
    """Whether something is on the meta device."""
    held = (*tensors(call), *model.parameters(), *model.buffers())
    return any(tensor.is_meta for tensor in held)


def _error(expected: Sequence[torch.Tensor], found: list[torch.Tensor] | Exception) -> float | str:
    """How far results are apart, in units of what rounding allows; a sentence where it is more."""
    if isinstance(found, Exception):
        return str(found).strip().splitlines()[0]
    error = _difference(expected, found)
    return error if error <= 1 else f"results are apart {error:.3g} times what rounding allows"


@contextmanager
def _in_mode(module: nn.Module, training: bool) -> Iterator[None]:  # noqa: FBT001
    before = [(m, m.training) for m in module.modules()]
    if training != module.training:
        module.train(training)
    try:
        yield
    finally:
        for part, flag in before:
            part.training = flag


def _run(module: nn.Module, call: Call, training: bool) -> list[torch.Tensor] | Exception:  # noqa: FBT001
    """Tensors of one run that changes nothing, or why there are none."""
    args, kwargs = call
    try:
        with as_it_was(module), unwritten(), _in_mode(module, training), torch.no_grad():
            torch.manual_seed(0)
            return [t.clone() for t in tensors(module(*args, **kwargs))]
    except Exception as error:  # noqa: BLE001 - whatever a model raises on sizes it cannot take
        return error


def _difference(expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> float:
    """The largest difference, in units of what is tolerated."""
    if [t.shape for t in expected] != [t.shape for t in found]:
        return float("inf")
    return max(_relative(a, b) for a, b in zip(expected, found, strict=True))


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    if a.dtype == b.dtype and torch.equal(a, b):
        return 0.0
    if a.dtype != b.dtype or not a.is_floating_point():
        return float("inf")
    tolerated = RELATIVE.get(a.dtype, ROUGH)
    same = (a == b) | (a.isnan() & b.isnan())
    a, b = a[~same].double(), b[~same].double()
    error = (
        (a - b).abs().max() / (a.abs().max() or 1.0) / tolerated if a.numel() else a.new_zeros(())
    )
    return float("inf") if error.isnan() else float(error)


def _resized(
    runnable: Runnable, leaves: Sequence[torch.Tensor]
) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """The example in another order, and with one more, and with one, of all that is open."""
    rolled = [leaf.flatten().roll(i + 1).view_as(leaf) for i, leaf in enumerate(leaves)]
    yield "another order of values", rolled
    for names, held in _open(runnable, leaves):
        for length in (held + 1, 1):
            found = [
                _with_length(leaf, [i for i, size in enumerate(sizes) if size in names], length)
                for leaf, sizes in zip(leaves, runnable.sizes, strict=True)
            ]
            yield f"sizes {[list(leaf.shape) for leaf in found]}", found


def _open(
    runnable: Runnable, leaves: Sequence[torch.Tensor]
) -> Iterator[tuple[frozenset[str], int]]:
    """Names of sizes to change, with how long they are: those alike together, then each."""
    lengths = {
        name: length
        for leaf, sizes in zip(leaves, runnable.sizes, strict=True)
        for name, length in zip(sizes, leaf.shape, strict=True)
        if isinstance(name, str) and name.isidentifier()
    }
    alike = {n: frozenset(m for m in lengths if lengths[m] == lengths[n]) for n in lengths}
    alone = {name: frozenset({name}) for name in lengths}
    groups = {**dict.fromkeys(alike.values()), **dict.fromkeys(alone.values())}
    yield from ((names, lengths[next(iter(names))]) for names in groups)


def _with_length(leaf: torch.Tensor, dims: Sequence[int], length: int) -> torch.Tensor:
    for dim in dims:
        entries = torch.arange(length, device=leaf.device) % leaf.shape[dim]
        leaf = leaf.index_select(dim, entries)
    return leaf
