"""The rules of ``mupfx check``, one a module ``mupNNN_name.py``; finding them, and what they say.

A rule's module has ``CODE`` and ``TITLE``, one public function from evidence to findings, and a
docstring of five sections, which ``mupfx explain MUP002`` prints: ``What:``, ``Why:``,
``Example:``, ``Fix:`` and ``Reference:``, each on a line of its own with its text indented below.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType

from mupfx.core.rule import SECTIONS, Rule
from mupfx.errors import TargetError, did_you_mean

CODE = re.compile(r"MUP[-_ ]?\d+", re.IGNORECASE)
"""What somebody types who means a code."""
_MODULE = re.compile(r"mup\d{3}_\w+")
_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):[ \t]*\n", re.MULTILINE)


@cache
def rules() -> Mapping[str, Rule]:
    """All rules of this package by code, in order.

    Raises:
        ValueError: Two modules have one code.
    """
    names = sorted(found.name for found in iter_modules(__path__) if _MODULE.fullmatch(found.name))
    found: dict[str, Rule] = {}
    for name in names:
        read = _rule(import_module(f"{__name__}.{name}"))
        if read.code in found:
            raise ValueError(f"{read.module} and {found[read.code].module} both are {read.code}")
        found[read.code] = read
    return MappingProxyType(found)


def rule(word: str) -> Rule:
    """One rule by its code, in either case, or by its name.

    Raises:
        TargetError: There is none.
    """
    known = {key: found for code, found in rules().items() for key in (code, found.name.upper())}
    if word.upper() not in known:
        likely = did_you_mean(word.upper(), rules())
        raise TargetError(f"there is no rule `{word}`", hint=likely or "mupfx explain rules")
    return known[word.upper()]


def is_rule(word: str) -> bool:
    """Whether somebody who types this means a rule, known or not."""
    names = {found.name for found in rules().values()}
    return CODE.fullmatch(word) is not None or word.lower() in names


def _rule(module: ModuleType) -> Rule:
    sections = MappingProxyType(sections_of(module.__doc__ or ""))
    return Rule(module.CODE, module.TITLE, sections, module.__name__)


def sections_of(docstring: str) -> dict[str, str]:
    r"""The sections of a rule's docstring, each without its indent.

    >>> sections_of("A title.\n\nWhat:\n    One\n    thing.\n\nFix:\n    Another.")
    {'What': 'One\nthing.', 'Fix': 'Another.'}
    """
    _, *parts = _HEADING.split(cleandoc(docstring))
    return {name: cleandoc("\n" + text) for name, text in zip(parts[::2], parts[1::2], strict=True)}
