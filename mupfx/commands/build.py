"""From what was typed to what is analysed: the model, its inputs, its base, the overrides."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path

from torch import nn

from mupfx.commands.library import example_inputs, library_of
from mupfx.commands.subject import Subject, Texts, Wish
from mupfx.commands.target import Example, arguments, load
from mupfx.core.hyperparameters import Hyperparameters
from mupfx.errors import TargetError, did_you_mean
from mupfx.pipeline.inputs import inputs

_BASE_FORMS = "a width, class=size, a target, or a base file that exists"
_DEPTH_FORMS = "a number, or stream=number"

Base = int | dict[str, int] | Path | nn.Module


def example(subject: Subject, *, values: bool) -> Example:
    """Build the model and its inputs.

    Args:
        subject: What was typed.
        values: Whether the values of parameters matter.

    Raises:
        TargetError: The target, an argument or an input could not be understood.
    """
    made = load(subject.target, arguments(subject.arguments or ()), values=values)
    specs = subject.inputs or ()
    if not specs and library_of(subject.target) is not None:
        return Example(made.model, *example_inputs(subject.target, made.model))
    if made.args is None and not specs:
        raise TargetError(
            f"no inputs to run `{subject.target}` with",
            hint="--input 'int64[2,16]<100', or return (model, args) from the target",
        )
    if made.args is not None and specs:
        raise TargetError(f"`{subject.target}` returns its own inputs, and --input is given too")
    if made.args is not None:
        return made
    args, kwargs = inputs(specs)
    return Example(made.model, args, kwargs)


def base(subject: Subject) -> Base | None:
    """Read the base; None where none is given.

    Raises:
        TargetError: It has none of the forms, or is given twice.
    """
    if subject.base and subject.base_arguments:
        raise TargetError("the base is given twice, by --base and by --base-arg")
    if subject.base_arguments:
        both = arguments(subject.arguments or ()) | arguments(subject.base_arguments)
        return load(subject.target, both, values=False).model
    if not subject.base:
        return None
    return _number_or_sizes(subject.base) or _target(subject.base) or _file(subject.base)


def base_depth(subject: Subject) -> int | dict[str, int] | None:
    """Read the depth of the base: one number, or one for each stream.

    Raises:
        TargetError: It has neither form.
    """
    if not subject.base_depth:
        return None
    found = _number_or_sizes(subject.base_depth)
    if found is None:
        raise TargetError(f"`{subject.base_depth[0]}` is no depth", expected=_DEPTH_FORMS)
    return found


def overrides(subject: Subject) -> dict[str, str] | None:
    """Read ``class=width`` pairs."""
    return _pairs(subject.overrides, "class=width or class=finite", {"width", "finite"})


def laws(wish: Wish) -> dict[str, str] | None:
    """Read ``pattern=law`` pairs."""
    return _pairs(wish.init, "pattern=law")


def hyperparameters(wish: Wish) -> Hyperparameters:
    """Read ``name=value`` pairs.

    Raises:
        TargetError: There is no hyperparameter of that name.
    """
    given = arguments(wish.hyperparameters or ())
    names = tuple(field.name for field in fields(Hyperparameters))
    for name in given:
        if name not in names:
            raise TargetError(
                f"`{name}` is no hyperparameter",
                expected=", ".join(names),
                hint=did_you_mean(name, names, most=1),
            )
    return Hyperparameters(**given)


def _pairs(texts: Texts, form: str, values: Collection[str] = ()) -> dict[str, str] | None:
    pairs = dict(text.partition("=")[::2] for text in texts or ())
    for name, value in pairs.items():
        if not name or not value or (values and value not in values):
            raise TargetError(f"`{name}={value}` is not understood", expected=form)
    return pairs or None


def _number_or_sizes(texts: Sequence[str]) -> int | dict[str, int] | None:
    if len(texts) == 1 and texts[0].isdecimal():
        return int(texts[0])
    if not all("=" in text and ":" not in text for text in texts):
        return None
    sizes = arguments(texts)
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TargetError(f"`{name}={size}` is no size", expected="name=number")
    return sizes


def _target(texts: Sequence[str]) -> nn.Module | None:
    """The model of a base that is itself a target."""
    (text, *others) = texts
    if others or ":" not in text or Path(text).is_file():
        return None
    return load(text, {}, values=False).model


def _file(texts: Sequence[str]) -> Path:
    path = Path(texts[0])
    if len(texts) > 1 or not path.is_file():
        raise TargetError(f"`{' '.join(texts)}` is no base", expected=_BASE_FORMS)
    return path
