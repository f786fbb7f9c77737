"""Laws that the user names: ``init={"blocks.*.weight": "lecun_normal"}``.

A name is a law of ``mupfx.tables.init_laws``, ``constant`` (the same std at every width), or the
size that the std falls with: ``fan_in``, ``fan_out``; or another parameter, whose law it shares.
The std itself is read off the values.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from mupfx.core.init_law import Distribution, Fan, Fans, Law
from mupfx.errors import InitError
from mupfx.passes.initialize.fit import Fit, constant, readings
from mupfx.passes.initialize.sample import Sample
from mupfx.tables.init_laws import MATRIX_LAWS, ORTHOGONAL, OWNED_LAWS, SHAPES, VECTOR_LAWS

_FAMILIES = {str(fan): Law(str(fan), Distribution.OTHER, fan) for fan in Fan if fan is not Fan.ONE}
LAWS: Mapping[str, Law] = {
    "constant": Law("constant", Distribution.OTHER),
    **_FAMILIES,
    **{law.name: law for law in (*MATRIX_LAWS, *VECTOR_LAWS, *OWNED_LAWS, ORTHOGONAL)},
}
"""Every law by the name that a user gives it."""
_OF_CONSTANT = {constant(shape, 1.0).name: shape for shape in SHAPES}

Choice = Law | str
"""A law, or the parameter whose law it is."""


def choices(overrides: Mapping[str, str], names: Collection[str]) -> dict[str, Choice]:
    """The law that the user named for each parameter, an exact name before a pattern.

    Raises:
        InitError: A law is unknown, a pattern matches nothing, or two patterns disagree.
    """
    chosen: dict[str, Choice] = {}
    for pattern, word in sorted(overrides.items(), key=lambda item: item[0] in names):
        found = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        law = word if word in names else _law(word, pattern)
        if not found:
            raise InitError(
                f"init names {pattern!r}, which is no parameter of the model",
                expected="a parameter's name, or a pattern such as '*.weight'",
                hint=_closest(pattern, names),
            )
        for name in found:
            if pattern not in names and chosen.get(name, law) != law:
                raise InitError(
                    f"two patterns of init give {name!r} different laws",
                    found=f"{_word(chosen[name])} and {_word(law)}",
                    hint=f"add its exact name: init={{{name!r}: {_word(law)!r}}}",
                )
            chosen[name] = law
    return chosen


def distribution_of(law: str | None) -> Distribution:
    """The shape of a law, by the name that a plan gives it.

    >>> distribution_of("torch_linear"), distribution_of("constant_normal")
    (<Distribution.UNIFORM: 'uniform'>, <Distribution.NORMAL: 'normal'>)
    """
    if law in {"fill", "zeros"}:
        return Distribution.FILL
    known = LAWS.get(law or "")
    return _OF_CONSTANT.get(law or "", known.distribution if known else Distribution.OTHER)


def chosen_fit(name: str, law: Law, fans: Fans, sample: Sample | None) -> Fit:
    """The user's law, with the std that the values have.

    Raises:
        InitError: The law depends on a size that the parameter does not have.
    """
    reading = next((law for law in readings(law, fans) if fans.ratio(law.fan) is not None), None)
    growth = None if reading is None else reading.growth(fans)
    if reading is None or growth is None:
        raise InitError(
            f"the law {law.name!r} depends on the {law.fan} of a tensor, which {name!r} has not",
            where=name,
            found=", ".join(fan for fan in fans.target) or "no sizes",
            hint=f"name another law: init={{{name!r}: 'constant'}}",
        )
    std = reading.std(fans.target) if sample is None else sample.std
    std = math.nan if std is None else std
    return Fit(replace(reading, coefficient=None), std, growth, 0.0, 0.0)


def _law(word: str, pattern: str) -> Law:
    if word in LAWS:
        return LAWS[word]
    raise InitError(
        f"init gives {pattern!r} the unknown law {word!r}",
        expected="constant, fan_in, fan_out, a law of mupfx.tables.init_laws, or a parameter",
        hint=_closest(word, LAWS),
    )


def _word(choice: Choice) -> str:
    return choice.name if isinstance(choice, Law) else choice


def _closest(word: str, words: Collection[str]) -> str:
    return "did you mean " + " or ".join(get_close_matches(word, words, 2, 0) or ["another"])
