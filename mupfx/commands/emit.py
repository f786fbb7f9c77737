"""``mupfx emit``: the starting values of a model as a program that needs no mupfx."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from mupfx import api, shipping
from mupfx.commands.build import base, base_depth, example, hyperparameters, laws, overrides
from mupfx.commands.library import library_of
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.target import Example, arguments, load
from mupfx.commands.terminal import progress, write, write_json
from mupfx.errors import TargetError
from mupfx.pipeline.bases import Base
from mupfx.pipeline.inputs import inputs
from mupfx.render.document import Lines


def emit(subject: Subject, wish: Wish, folder: Path, *, as_json: bool) -> None:
    """Record the laws, convert, write the folder, and say what is in it.

    Raises:
        TargetError: No base was given.
    """
    choices, beside = hyperparameters(wish), _base(subject)
    if beside is None:
        raise TargetError(
            "starting values need a base", hint="--base 64, or --base-arg width=64 for a base model"
        )
    with progress(f"building {subject.target}"):
        call = _call(subject)
    with progress(f"converting {subject.target}"):
        model = api.build(
            _factory(subject.target, arguments(subject.arguments or ())),
            call.args or (),
            dict(call.kwargs),
            base=beside,
            base_depth=base_depth(subject),
            parametrization=wish.parametrization,
            hyperparameters=choices,
            grow=subject.grow,
            strict=wish.strict,
            overrides=overrides(subject),
            init=laws(wish),
            hooks=wish.hooks,
            device="meta",
        )
    with progress(f"writing {folder}"):
        files = shipping.emit(model, folder)
    written = [str(path) for path in files]
    if as_json:
        write_json({"files": written})
    else:
        write((Lines("written", tuple(written)),))


def _base(subject: Subject) -> Base | None:
    """The base; of a target with other arguments, how to make it, so that its laws are seen."""
    if subject.base or not subject.base_arguments:
        return base(subject)
    both = arguments(subject.arguments or ()) | arguments(subject.base_arguments)
    return _factory(subject.target, both)


def _factory(target: str, words: Mapping[str, Any]) -> Callable[[], nn.Module]:
    return lambda: load(target, words).model


def _call(subject: Subject) -> Example:
    """Inputs; the model is made for them where the target or a library gives them."""
    if subject.inputs and library_of(subject.target) is None:
        return Example(nn.Identity(), *inputs(subject.inputs))
    return example(subject, values=False)
