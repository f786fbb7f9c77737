"""Targets that name a model of a library: ``hf:config.json``, ``timm:resnet50(num_classes=10)``.

A large model whose values nobody asks for is built on the meta device, so that one of 70 billion
parameters takes seconds. Example inputs are the first of the library's candidates that run.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mupfx.errors import TargetError
from mupfx.integrations import hugging_face, hugging_face_inputs, timm
from mupfx.pipeline.inputs import Inputs, first_that_runs

LARGE = 2**26
"""Parameters from which on a model is built without values, where none are needed."""


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
