"""Checks that a project configures: ``[tool.mupfx.checks.NAME]`` in its ``pyproject.toml``.

::

    [tool.mupfx.checks.gpt]
    target = "train.py:make"
    widths = [64, 128, 256]
    args = { vocabulary = 512 }
"""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mupfx.errors import TargetError, did_you_mean

FILE = "pyproject.toml"
_WHERE = "tool.mupfx.checks"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_whole(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


_Kind = tuple[str, tuple[Callable[[object], bool], ...]]
KEYS: Mapping[str, _Kind] = {
    "target": ("`module:callable` or `file.py:callable`", (_is_text,)),
    "widths": ("a list of whole numbers", (_are_whole,)),
    "depths": ("a list of whole numbers", (_are_whole,)),
    "seeds": ("a number of seeds, or a list", (_is_whole, _are_whole)),
    "steps": ("a whole number", (_is_whole,)),
    "parametrization": ("a name or a .toml file", (_is_text,)),
    "inputs": ("a spec as 'int64[2,16]<100', or a list of them", (_is_text, _are_texts)),
    "control": ("true, false or a target", (_is_switch, _is_text)),
    "fast": ("true or false", (_is_switch,)),
    "full": ("true or false", (_is_switch,)),
    "static": ("true or false", (_is_switch,)),
    "dynamic": ("true or false", (_is_switch,)),
    "margin": ("a number", (_is_number,)),
    "width_arg": ("the name of an argument", (_is_text,)),
    "depth_arg": ("the name of an argument", (_is_text,)),
    "seed_arg": ("the name of an argument", (_is_text,)),
    "args": ("a table of arguments", (_is_table,)),
}
"""What a check can say, and what each may be."""


def configured(path: Path | None) -> tuple[Path, dict[str, dict[str, Any]]]:
    """The file, and the checks in it by name.

    Args:
        path: The file; None for the nearest here or above.

    Raises:
        TargetError: There is none, it cannot be read, or it holds what is no check.
    """
    file = path or _nearest()
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"cannot read `{file}`: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"`{file}` is no TOML", found=str(error)) from error
    checks = data.get("tool", {}).get("mupfx", {}).get("checks", {})
    if not isinstance(checks, dict):
        raise TargetError(
            f"[{_WHERE}] in `{file.name}` holds no checks", expected=f"[{_WHERE}.NAME]"
        )
    return file, {name: _check(name, table) for name, table in checks.items()}


def _nearest() -> Path:
    here = Path.cwd()
    found = next((p / FILE for p in (here, *here.parents) if (p / FILE).is_file()), None)
    if found is None:
        raise TargetError(
            f"there is no {FILE} that configures a check",
            expected="`package.module:callable`, `path/file.py:callable`, or a configured name",
            hint="mupfx check module:callable",
        )
    return found


def _check(name: str, table: object) -> dict[str, Any]:
    where = f"[{_WHERE}.{name}]"
    if not isinstance(table, dict):
        raise TargetError(f"`{_WHERE}.{name}` is no table", expected=where)
    for key, value in table.items():
        if key not in KEYS:
            hint = did_you_mean(key, KEYS, most=1)
            raise TargetError(f"a check has no `{key}`", where=where, hint=hint)
        expected, kinds = KEYS[key]
        if not any(kind(value) for kind in kinds):
            raise TargetError(
                f"`{key}` is not understood", where=where, expected=expected, found=repr(value)
            )
    if "target" not in table:
        raise TargetError("the check has no `target`", where=where, hint='target = "train.py:make"')
    return dict(table)


def named(checks: Mapping[str, dict[str, Any]], name: str, file: Path) -> dict[str, Any]:
    """One of them.

    Raises:
        TargetError: There is none of that name.
    """
    if name not in checks:
        raise TargetError(
            f"`{name}` is neither a target nor a check of `{file.name}`",
            expected="`package.module:callable`, `path/file.py:callable`, or a configured name",
            found=", ".join(checks) or f"no [{_WHERE}.NAME] there",
            hint=did_you_mean(name, checks, most=1),
        )
    return checks[name]
