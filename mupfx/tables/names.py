"""Names of parametrizations with parameters in them: ``mup``, ``meta(0.5)``, ``everett(sp, full)``.

A name is a word, or a word and its parameters in brackets, in order or as ``s=1/2``. Numbers are
read exactly: ``0.5`` is one half.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from mupfx.core.parametrization import Parametrization
from mupfx.errors import ParametrizationError, did_you_mean

_FORM = re.compile(r"\s*(?P<word>[\w.-]+)\s*(?:\((?P<given>[^()]*)\))?\s*")
_LIKELY = 3
"""How many similar names an error suggests."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a family of parametrizations: a fraction, or one of some words."""

    name: str
    meaning: str
    low: Fraction | None = None
    high: Fraction | None = None
    words: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What it takes, in words."""
        if self.words:
            return f"one of {', '.join(self.words)}"
        bounds = f" from {self.low} to {self.high}" if self.low is not None else ""
        return f"a fraction{bounds}, such as 1/2 or 0.5"


@dataclass(frozen=True, slots=True)
class Family:
    """Parametrizations that differ by parameters."""

    make: Callable[..., Parametrization]
    parameters: tuple[Parameter, ...]
    about: str
    """One sentence."""
    example: str
    """What is between the brackets of one of them."""

    @property
    def signature(self) -> str:
        """The brackets: ``(q_s, q)``."""
        return f"({', '.join(parameter.name for parameter in self.parameters)})"


def read(
    text: str, tables: Mapping[str, Parametrization], families: Mapping[str, Family]
) -> Parametrization:
    """Find a table by name, or make it.

    Args:
        text: What the user wrote.
        tables: Those without parameters.
        families: Those with.

    Raises:
        ParametrizationError: The name or a parameter is not understood.
    """
    found = _FORM.fullmatch(text)
    word, given = (found["word"], found["given"]) if found else (text, None)
    if word in tables and given is None:
        return tables[word]
    if word in families and given is not None:
        family = families[word]
        return family.make(*_arguments(text, word, family.parameters, given))
    raise _unknown(text, word, given, tables, families)


def _unknown(
    text: str,
    word: str,
    given: str | None,
    tables: Mapping[str, Parametrization],
    families: Mapping[str, Family],
) -> ParametrizationError:
    forms = [*tables, *(f"{name}{family.signature}" for name, family in families.items())]
    if word in tables and given is not None:
        return ParametrizationError(
            f"`{word}` has no parameters", found=f"`{text}`", hint=f'"{word}"'
        )
    if word in families:
        family = families[word]
        return ParametrizationError(
            f"`{word}` needs its parameters",
            expected=f"{word}{family.signature}: {_said(family.parameters)}",
            found=f"`{text}`",
        )
    by_word = {form.partition("(")[0]: form for form in forms}
    likely = get_close_matches(word.lower().replace("-", "_"), by_word, n=_LIKELY)
    return ParametrizationError(
        f"no parametrization `{text}`",
        expected=f"{', '.join(forms)}, a .toml file, or a Parametrization",
        hint=f"did you mean {' or '.join(f'`{by_word[w]}`' for w in likely)}?" if likely else None,
    )


def _arguments(text: str, word: str, parameters: Sequence[Parameter], given: str) -> list[Any]:
    values: dict[str, str] = {}
    for place, piece in enumerate(given.split(",") if given.strip() else ()):
        name, equals, value = (part.strip() for part in piece.rpartition("="))
        key = name if equals else _name_at(parameters, place)
        if key is None or key in values:
            raise _count(text, word, parameters)
        values[key] = value
    if values.keys() != {parameter.name for parameter in parameters}:
        raise _count(text, word, parameters)
    return [_value(text, parameter, values[parameter.name]) for parameter in parameters]


def _name_at(parameters: Sequence[Parameter], place: int) -> str | None:
    return parameters[place].name if place < len(parameters) else None


def _count(text: str, word: str, parameters: Sequence[Parameter]) -> ParametrizationError:
    names = ", ".join(parameter.name for parameter in parameters)
    return ParametrizationError(
        f"`{word}` takes {names}",
        expected=_said(parameters),
        found=f"`{text}`",
    )


def _said(parameters: Sequence[Parameter]) -> str:
    return "; ".join(f"{p.name}, {p.meaning}, {p.expected}" for p in parameters)


def _value(text: str, parameter: Parameter, given: str) -> Fraction | str:
    value = given if parameter.words else _fraction(given)
    outside = isinstance(value, Fraction) and not _within(parameter, value)
    if value is None or outside or (parameter.words and value not in parameter.words):
        raise ParametrizationError(
            f"{parameter.name} = {given or 'nothing'} is not understood",
            where=f"`{text}`",
            expected=f"{parameter.name}, {parameter.meaning}: {parameter.expected}",
            hint=did_you_mean(given, parameter.words, most=1),
        )
    return value


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _within(parameter: Parameter, value: Fraction) -> bool:
    low, high = parameter.low, parameter.high
    return (low is None or low <= value) and (high is None or value <= high)
