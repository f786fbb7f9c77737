"""Targets: where a model comes from, as ``package.module:callable`` or ``path/file.py:callable``.

``zoo/gpt.py:small`` with ``width=256`` calls ``small(width=256)``, which returns the model, or
``(model, args)``, or ``(model, args, kwargs)``. What the user's own code raises is left as it is:
its traceback is what helps. ``hf:`` and ``timm:`` name models of these libraries.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from mupfx.commands import library
from mupfx.errors import TargetError, did_you_mean

_FORMS = "`package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`"
_RETURNS = "a torch.nn.Module, or (model, args), or (model, args, kwargs)"


@dataclass(frozen=True, slots=True)
class Example:
    """A model, and what to call it with."""

    model: nn.Module
    args: tuple[Any, ...] | None = None
    """None where the target returned the model alone."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def load(target: str, arguments: Mapping[str, Any], *, values: bool = True) -> Example:
    """Import a target, call it, and sort out what it returned.

    Args:
        target: What was typed.
        arguments: Its keywords.
        values: Whether the values of parameters matter; a library's large model is else without.

    Raises:
        TargetError: Nothing is there, it does not accept the arguments, or it returns no module.
    """
    if library.library_of(target) is not None:
        return Example(library.model(target, arguments, values=values))
    found = find(target)
    if isinstance(found, nn.Module):
        if arguments:
            raise TargetError(f"`{target}` is a model already and takes no arguments")
        return Example(found)
    _check_call(found, target, arguments)
    return _example(found(**arguments), target)


def find(target: str) -> Callable[..., Any]:
    """Import the module of a target and look the callable up in it.

    Raises:
        TargetError: The module or the callable does not exist.
    """
    place, _, path = target.rpartition(":")
    if not place or not path:
        raise TargetError(f"`{target}` is no target", expected=_FORMS)
    module = _from_file(Path(place)) if place.endswith(".py") else _from_name(place)
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    if found is None:
        raise TargetError(f"`{place}` has no `{path}`", hint=_similar(path, module))
    if not callable(found):
        raise TargetError(
            f"`{target}` cannot be called",
            expected="a function or class that returns the model",
            found=type(found).__name__,
        )
    return found  # type: ignore[no-any-return]


def arguments(pairs: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value is a Python literal, else a string.

    >>> arguments(["width=256", "norm=rms", "sizes=(1, 2)"])
    {'width': 256, 'norm': 'rms', 'sizes': (1, 2)}
    """
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise TargetError(f"`{pair}` is no argument", expected="name=value")
        if name in read:
            raise TargetError(f"argument `{name}` is given twice")
        read[name] = literal(text)
    return read


def literal(text: str) -> Any:
    """Read a Python literal, else take the text itself.

    >>> literal("1e-3"), literal("silu")
    (0.001, 'silu')
    """
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _from_name(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it imports is not
        raise TargetError(f"there is no module `{error.name}`", expected=_FORMS) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"there is no file `{path}`", expected=_FORMS)
    name = f"_target_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"`{path}` is no Python file", expected=_FORMS)
    _make_importable(path.resolve().parent)
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    spec.loader.exec_module(module)
    return module


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _similar(name: str, module: ModuleType) -> str | None:
    names = [each for each, value in vars(module).items() if callable(value)]
    return did_you_mean(name, names)


def _check_call(found: Callable[..., Any], target: str, arguments: Mapping[str, Any]) -> None:
    """Tell a mistake in ``--arg`` from one inside the user's code."""
    try:
        signature = inspect.signature(found)
    except ValueError:  # a callable written in C
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        name = target.rpartition(":")[2]
        raise TargetError(
            f"`{target}` cannot be called so: {error}",
            expected=f"{name}{signature}",
            hint="give each argument as --arg name=value",
        ) from error


def _example(made: object, target: str) -> Example:
    parts = made if isinstance(made, tuple) else (made,)
    match parts:
        case (nn.Module() as model,):
            return Example(model)
        case (nn.Module() as model, tuple() | list() as args):
            return Example(model, tuple(args))
        case (nn.Module() as model, tuple() | list() as args, Mapping() as kwargs):
            return Example(model, tuple(args), dict(kwargs))
    found = ", ".join(type(part).__name__ for part in parts)
    found = f"({found})" if isinstance(made, tuple) else found
    raise TargetError(f"`{target}` returned no model", expected=_RETURNS, found=found)
