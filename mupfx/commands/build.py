"""From what was typed to what is analysed: the model, its inputs, its base, the overrides."""

from pathlib import Path
from typing import Any

from torch import nn

from mupfx.commands.inputs import inputs
from mupfx.commands.subject import Subject
from mupfx.commands.target import Example, arguments, load
from mupfx.errors import TargetError

_BASE_FORMS = "a width, class=size, or a base file that exists"

Base = int | dict[str, int] | Path | nn.Module


def example(subject: Subject) -> Example:
    """Build the model and its inputs.

    Raises:
        TargetError: The target, an argument or an input could not be understood.
    """
    made = load(subject.target, arguments(subject.arguments or ()))
    specs = subject.inputs or ()
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
        return load(subject.target, both).model
    if not subject.base:
        return None
    if len(subject.base) > 1 or "=" in subject.base[0]:
        return _sizes(arguments(subject.base))
    return _width_or_file(subject.base[0])


def overrides(subject: Subject) -> dict[str, str] | None:
    """Read ``class=width`` pairs."""
    pairs = dict(pair.partition("=")[::2] for pair in subject.overrides or ())
    for name, kind in pairs.items():
        if kind not in {"width", "finite"}:
            raise TargetError(
                f"`{name}={kind}` is no override", expected="class=width or class=finite"
            )
    return pairs or None


def _width_or_file(text: str) -> int | Path:
    if text.isdecimal():
        return int(text)
    if not Path(text).is_file():
        raise TargetError(f"`{text}` is no base", expected=_BASE_FORMS)
    return Path(text)


def _sizes(pairs: dict[str, Any]) -> dict[str, int]:
    for name, size in pairs.items():
        if not isinstance(size, int):
            raise TargetError(f"`{name}={size}` is no base size", expected="class=size")
    return pairs
