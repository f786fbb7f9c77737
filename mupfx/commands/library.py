"""Targets that name a model of a library: ``hf:config.json``, ``timm:resnet50(num_classes=10)``.

A large model whose values nobody asks for is built on the meta device, so that one of 70 billion
parameters takes seconds. Example inputs are the first of the library's candidates that run.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mupfx.commands.inputs import inputs
from mupfx.errors import TargetError
from mupfx.integrations import hugging_face, hugging_face_inputs, timm

LARGE = 2**26
"""Parameters from which on a model is built without values, where none are needed."""
_SHOWN = 6

Inputs = tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Library:
    """Where models of one prefix come from."""

    build: Callable[[str, Mapping[str, Any], str], nn.Module]
    candidates: Callable[[nn.Module], Iterator[tuple[str, ...]]]


LIBRARIES: Mapping[str, Library] = {
    "hf": Library(hugging_face.build, hugging_face_inputs.candidates),
    "timm": Library(timm.build, timm.candidates),
}


def library_of(target: str) -> Library | None:
    """The library that a target names; None for the user's own code."""
    return LIBRARIES.get(target.partition(":")[0])


def model(target: str, changes: Mapping[str, Any], *, values: bool) -> nn.Module:
    """Build the model of a target, with reproducible values where they are wanted or cheap."""
    prefix, _, name = target.partition(":")
    build = LIBRARIES[prefix].build
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if values:
            return build(name, changes, "cpu")
        try:
            shapes = build(name, changes, "meta")
        except TargetError:  # some constructors compute with values
            return build(name, changes, "cpu")
        small = sum(p.numel() for p in shapes.parameters()) < LARGE
        return build(name, changes, "cpu") if small else shapes


def example_inputs(target: str, model: nn.Module) -> Inputs:
    """Inputs that the model runs on.

    Raises:
        TargetError: It runs on none of the candidates.
    """
    library = library_of(target)
    assert library is not None
    return first_that_runs(target, model, library.candidates(model))


def first_that_runs(target: str, model: nn.Module, candidates: Iterable[tuple[str, ...]]) -> Inputs:
    """Run the model on one candidate after another."""
    tried: list[str] = []
    for texts in candidates:
        args, kwargs = inputs(texts)
        problem = _problem(model, args, kwargs)
        if problem is None:
            return args, kwargs
        tried.append(f"{' '.join(texts)} ({problem})")
    more = [f"and {len(tried) - _SHOWN} more"] if len(tried) > _SHOWN else []
    raise TargetError(
        f"no example inputs were found that `{target}` runs on",
        found="; ".join([*tried[:_SHOWN], *more]) or "nothing known in its forward's arguments",
        hint="--input 'input_ids=int64[2,16]<100', one for each argument that it needs",
    )


def _problem(
    model: nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]
) -> str | None:
    """Why the model does not run; None where it does, or stops only for want of values."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    moved = tuple(a.to(device) for a in args), {n: a.to(device) for n, a in kwargs.items()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            torch.func.functional_call(model, buffers, *moved)
    except NotImplementedError as error:
        return None if device.type == "meta" else _line(error)
    except Exception as error:  # noqa: BLE001 - whatever a model raises, these are not its inputs
        return _line(error)
    return None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:80]}"
