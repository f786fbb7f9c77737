"""A target: any callable that makes a model of a size, and how it is called.

Of ``def gpt(width, depth=2, seed=0)`` only what it declares is passed: at ``Size(width=64)`` with
seed 1 it is ``gpt(width=64, seed=1)``. Before every call the random generators are seeded.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from torch import nn

from mupfx.core.report import Size
from mupfx.errors import TargetError, did_you_mean
from mupfx.pipeline.checking.surroundings import seed_all

Factory = Callable[..., object]
_CALLABLES = "a function, a class, a functools.partial or an object that can be called"
_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
_REST = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@dataclass(frozen=True, slots=True)
class Words:
    """What a target calls its sizes."""

    width: str = "width"
    depth: str = "depth"
    seed: str = "seed"
    given: bool = True
    """Whether the user can say others."""


@dataclass(frozen=True, slots=True)
class Target:
    """A callable, and what it takes."""

    factory: Factory
    name: str
    words: Words = Words()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """What is passed at every size."""
    declared: frozenset[str] = frozenset({"width"})
    """Names that may be passed."""

    def call(self, size: Size, seed: int) -> object:
        """What the factory makes of a size.

        Raises:
            TargetError: It raised something; that is the cause.
        """
        words = self.words
        sizes = {words.width: size.width, words.depth: size.depth, words.seed: seed}
        given = {n: v for n, v in sizes.items() if v is not None and n in self.declared}
        seed_all(seed)
        try:
            return self.factory(**{**self.arguments, **given})
        except TargetError:
            raise
        except Exception as error:
            raise raised(f"`{self.name}`", error, spelled(given)) from error


def raised(what: str, error: Exception, where: str) -> TargetError:
    """What to raise from an error of the user's own code."""
    text = " ".join(str(error).split())
    at = f" at {where}" if where else ""
    return TargetError(f"{what} raised {type(error).__name__}{at}", found=text[:200] or None)


def spelled(given: Mapping[str, Any]) -> str:
    """Arguments as they are typed.

    >>> spelled({"width": 64, "seed": 0})
    'width=64, seed=0'
    """
    return ", ".join(f"{name}={value!r}" for name, value in given.items())


def read_target(
    factory: object,
    axes: tuple[str, ...],
    *,
    name: str | None = None,
    words: Words = Words(),
    arguments: Mapping[str, Any] | None = None,
) -> Target:
    """See whether a callable can be a target.

    Args:
        factory: What the user gave.
        axes: What is varied: ``width``, ``depth``, or both.
        name: How reports call it.
        words: How it calls its sizes.
        arguments: What else is passed to it.

    Raises:
        TargetError: It cannot be called with a size, or needs more than that, or a size is fixed.
    """
    called = _require_callable(factory)
    name = name or _name(factory)
    fixed = dict(arguments or {})
    varied = {getattr(words, axis): axis for axis in axes}
    _require_free(name, varied.keys() & fixed.keys(), fixed)
    signature = _signature(called)
    if signature is None:  # written in C
        return Target(called, name, words, fixed, frozenset(varied))
    taken, rest = _taken(signature)
    for word, axis in varied.items():
        if word not in taken and not rest:
            others = [each for each in taken if each not in varied]
            raise _no_size(name, signature, others, word, axis if words.given else "")
    _require_arguments(name, signature, fixed, taken, rest=rest)
    declared = frozenset({*taken, *(varied if rest else ())}) - fixed.keys()
    _require_enough(name, signature, declared & _passed(words, axes) | fixed.keys())
    return Target(called, name, words, fixed, declared & _passed(words, axes))


def _passed(words: Words, axes: tuple[str, ...]) -> frozenset[str]:
    return frozenset({words.seed, *(getattr(words, axis) for axis in axes)})


def _require_callable(factory: object) -> Factory:
    if isinstance(factory, nn.Module):
        raise TargetError(
            "the target is one model; a check compares models of several widths",
            expected=f"{_CALLABLES}, that makes the model of a width",
            found=f"a {type(factory).__name__}",
            hint="mupfx.check(lambda width: Model(width), ...)",
        )
    if not callable(factory):
        raise TargetError(
            "the target cannot be called",
            expected=f"{_CALLABLES}, that makes the model of a width",
            found=repr(factory)[:80],
        )
    return factory


def _name(factory: object) -> str:
    inner = factory.func if isinstance(factory, functools.partial) else factory
    found = str(getattr(inner, "__qualname__", type(inner).__qualname__))
    return found.rpartition("<locals>.")[2].strip("<>")


def _signature(factory: Factory) -> inspect.Signature | None:
    try:
        return inspect.signature(factory)
    except ValueError:
        return None


def _taken(signature: inspect.Signature) -> tuple[list[str], bool]:
    """Names that can be passed by keyword, and whether any other can."""
    parameters = signature.parameters.values()
    named = [p.name for p in parameters if p.kind in _NAMED]
    return named, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _require_free(name: str, both: Iterable[str], fixed: Mapping[str, Any]) -> None:
    for word in both:
        raise TargetError(
            f"`{word}` of `{name}` is varied, and fixed as well",
            found=spelled({word: fixed[word]}),
            hint=f"leave out one: every size would be the same model (--arg {word}=...)",
        )


def _no_size(
    name: str, signature: inspect.Signature, taken: list[str], word: str, axis: str
) -> TargetError:
    (near,) = get_close_matches(word, taken, n=1) or ("...",)
    other = f"def target({word}): return {name.rpartition(':')[2]}({near}={word})"
    return TargetError(
        f"`{name}` takes no `{word}`",
        expected=f"an argument that says what {axis or word} the model has",
        found=_written(name, signature),
        hint="if it is called otherwise: "
        + (f'{axis}_arg="{near}" (--{axis}-arg {near})' if axis else other),
    )


def _written(name: str, signature: inspect.Signature) -> str:
    return f"{name}{signature.replace(return_annotation=inspect.Signature.empty)}"


def _require_arguments(
    name: str,
    signature: inspect.Signature,
    fixed: Mapping[str, Any],
    taken: list[str],
    *,
    rest: bool,
) -> None:
    unknown = [key for key in fixed if key not in taken]
    if unknown and not rest:
        raise TargetError(
            f"`{name}` takes no `{unknown[0]}`",
            expected=_written(name, signature),
            hint=did_you_mean(unknown[0], taken, most=1),
        )


def _require_enough(
    name: str, signature: inspect.Signature, passed: frozenset[str] | set[str]
) -> None:
    missing = [
        p.name
        for p in signature.parameters.values()
        if p.default is p.empty and p.kind not in _REST and p.name not in passed
    ]
    if missing:
        listed = ", ".join(f"`{each}`" for each in missing)
        raise TargetError(
            f"`{name}` needs {listed} as well",
            expected="a callable that a size is enough for",
            found=_written(name, signature),
            hint=f"functools.partial({name}, {missing[0]}=...), or --arg {missing[0]}=...",
        )
