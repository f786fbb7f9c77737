"""A parametrization of the user's own, from a TOML file.

A table for each role, exponents as ``fan_in^-1/2 fan_out``, ``1`` for no change::

    source = "report 7, table 2"              # optional, as is name (else the file's)
    attention = "head_dim^-1/2"               # optional: further factor on logits; else as written
    tied_readout = "fan_in^-1"                # optional: multiplier of a tied embedding's output
    [hidden]                                  # and [input], [output], [vector], [scalar]
    init_std = "fan_in^-1/2"
    lr = {adam = "fan_in^-1", sgd = "1"}      # of any optimizers that settle the others
    eps = {adam = "fan_out^-1"}               # optional: must be lr.adam / lr.sgd; or gradient = ""

``[embedding]`` (looked up) and ``[readout_bias]`` are optional, and ``depth = "1/2"`` is alpha.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from mupfx.core.optimizer_family import GRADIENT, Scaling
from mupfx.core.parametrization import DepthRule, Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.errors import ParametrizationError, did_you_mean
from mupfx.tables.optimizers import FAMILIES

SPECIAL = ("embedding", "readout_bias")
_TOP = ("name", "source", "attention", "tied_readout", "depth", *Role, *SPECIAL)
_ROW = ("init_std", "lr", "eps", "gradient", "contraction", "source")
_FANS = ("fan_in", "fan_out", "depth")


@dataclass(frozen=True, slots=True)
class _Cell:
    """One given number: a product of the two unknown scales and the init std."""

    key: str
    scaling: Scaling
    power: Power


def read_table(path: Path) -> Parametrization:
    """Read a file, and settle what it says.

    Raises:
        ParametrizationError: It cannot be read, lacks a role, or contradicts itself.
    """
    data = _toml(path)
    _known(path, "", data, _TOP)
    missing = [role for role in Role if role not in data]
    if missing:
        raise ParametrizationError(
            f"the table has no [{missing[0]}]",
            where=str(path),
            expected=", ".join(f"[{role}]" for role in Role),
            found=", ".join(f"[{key}]" for key in data if isinstance(data[key], dict)) or "no role",
        )
    name, source = str(data.get("name", path.stem)), str(data.get("source", path))
    rows = {key: _rule(path, key, data[key], source) for key in (*Role, *SPECIAL) if key in data}
    return Parametrization(
        name=name,
        source=source,
        rules={role: rows[role] for role in Role},
        attention=_power(path, "attention", data.get("attention", "1"), ("head_dim",)),
        attention_source=source,
        tied_readout=_power(path, "tied_readout", data.get("tied_readout", "1"), ("fan_in",)),
        tied_readout_source=source,
        depth=_depth(path, data["depth"], source) if "depth" in data else None,
        embedding=rows.get("embedding"),
        readout_bias=rows.get("readout_bias"),
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParametrizationError(
            "the table cannot be read", where=str(path), found=error.strerror or str(error)
        ) from error
    except ValueError as error:
        raise ParametrizationError(
            "the file is no TOML", where=str(path), found=str(error)
        ) from error


def _rule(path: Path, key: str, row: object, source: str) -> Rule:
    if not isinstance(row, dict):
        raise _wrong(path, key, row, "a table, such as init_std and lr under the role's name")
    _known(path, key, row, _ROW)
    if "init_std" not in row:
        raise _wrong(path, f"{key}.init_std", None, 'an init std, such as "fan_in^-1/2" or "1"')
    init_std = _power(path, f"{key}.init_std", row["init_std"])
    lr_adam, gradient = _settle(path, key, init_std, tuple(_cells(path, key, row)))
    spectral = row.get("contraction")
    return Rule(
        init_std=init_std,
        lr_adam=lr_adam,
        gradient=gradient,
        source=str(row.get("source", f"{source}, [{key}]")),
        contraction=None if spectral is None else _power(path, f"{key}.contraction", spectral),
    )


def _cells(path: Path, key: str, row: Mapping[str, Any]) -> Iterator[_Cell]:
    """Everything the row says about learning rates and gradients, rates first."""
    for column in ("lr", "eps"):
        given = row.get(column, {})
        if not isinstance(given, dict):
            raise _wrong(path, f"{key}.{column}", given, f'{column} = {{adam = "fan_in^-1"}}')
        for optimizer, text in given.items():
            at = f"{key}.{column}.{optimizer}"
            yield _Cell(at, _scaling(path, at, column, optimizer), _power(path, at, text))
        if column == "lr" and "gradient" in row:
            at = f"{key}.gradient"
            yield _Cell(at, GRADIENT, _power(path, at, row["gradient"]))


def _scaling(path: Path, at: str, column: str, optimizer: str) -> Scaling:
    """What a number of an optimizer is made of.

    Raises:
        ParametrizationError: It is unknown, or has no such number that a table could give.
    """
    if optimizer not in FAMILIES:
        raise ParametrizationError(
            f"no optimizer family `{optimizer}`",
            where=f"{path}, {at}",
            expected=", ".join(FAMILIES),
            hint=did_you_mean(optimizer, FAMILIES, most=1),
        )
    family = FAMILIES[optimizer]
    found = family.lr if column == "lr" else family.others.get("eps")
    if found is None or found.span or family.adjusts is not None:
        raise ParametrizationError(
            f"{column} of {optimizer} does not belong into a table",
            where=f"{path}, {at}",
            hint="leave it out: it follows from the others and from each shape",
        )
    return found


def _settle(path: Path, key: str, init_std: Power, cells: tuple[_Cell, ...]) -> tuple[Power, Power]:
    """Adam's rate and the gradient's size from any two numbers; the others must agree.

    Raises:
        ParametrizationError: There are too few, or one contradicts those before it.
    """
    first = cells[0] if cells else None
    second = next((c for c in cells if first and _determinant(first.scaling, c.scaling)), None)
    if first is None or second is None:
        raise ParametrizationError(
            f"[{key}] does not settle Adam's and SGD's learning rates",
            where=str(path),
            expected="two of lr.adam, lr.sgd and gradient (or eps.adam): lr.sgd = lr.adam/gradient",
            found=", ".join(cell.key for cell in cells) or "none",
        )
    lr_adam, gradient = _solved(first, second, init_std)
    for cell in cells:
        expected = _made(cell.scaling, lr_adam, gradient, init_std)
        if cell.power != expected:
            raise ParametrizationError(
                f"{cell.key} contradicts {first.key} and {second.key}",
                where=f"{path}, {cell.key}",
                expected=str(expected),
                found=str(cell.power),
                hint="lr.sgd = lr.adam / gradient, and eps.adam = gradient, in any gauge",
            )
    return lr_adam, gradient


def _determinant(one: Scaling, other: Scaling) -> Fraction:
    return Fraction(one.lr_adam) * other.gradient - Fraction(one.gradient) * other.lr_adam


def _solved(one: _Cell, other: _Cell, init_std: Power) -> tuple[Power, Power]:
    """Cramer's rule, in exponents."""
    left = one.power / init_std ** Fraction(one.scaling.init_std)
    right = other.power / init_std ** Fraction(other.scaling.init_std)
    share = 1 / _determinant(one.scaling, other.scaling)
    lr_adam = left ** (share * other.scaling.gradient) / right ** (share * one.scaling.gradient)
    gradient = right ** (share * one.scaling.lr_adam) / left ** (share * other.scaling.lr_adam)
    return lr_adam, gradient


def _made(scaling: Scaling, lr_adam: Power, gradient: Power, init_std: Power) -> Power:
    return (
        lr_adam ** Fraction(scaling.lr_adam)
        * gradient ** Fraction(scaling.gradient)
        * init_std ** Fraction(scaling.init_std)
    )


def _power(path: Path, key: str, text: object, symbols: tuple[str, ...] = _FANS) -> Power:
    expected = f"exponents of {', '.join(symbols)} as fractions, such as `{symbols[0]}^-1/2`, or 1"
    if text == 1 and not isinstance(text, bool):
        return ONE
    if not isinstance(text, str):
        raise _wrong(path, key, text, expected)
    try:
        power = Power.parse(text)
    except ValueError as error:
        raise _wrong(path, key, text, f"{expected}: {error}") from error
    if any(symbol not in symbols for symbol, _ in power.exponents):
        raise _wrong(path, key, text, expected)
    return power


def _depth(path: Path, given: object, source: str) -> DepthRule:
    try:
        alpha = Fraction(str(given))
    except (ValueError, ZeroDivisionError) as error:
        raise _wrong(path, "depth", given, 'alpha as a fraction, such as "1/2"') from error
    return DepthRule.of(alpha, source)


def _known(path: Path, key: str, table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in table:
        if name not in names:
            raise ParametrizationError(
                f"`{name}` means nothing here",
                where=f"{path}, {key or 'top level'}",
                expected=", ".join(names),
                hint=did_you_mean(name, names, most=1),
            )


def _wrong(path: Path, key: str, found: object, expected: str) -> ParametrizationError:
    return ParametrizationError(
        f"{key} is not understood" if found is not None else f"{key} is missing",
        where=f"{path}, {key}",
        expected=expected,
        found=None if found is None else repr(found),
    )
