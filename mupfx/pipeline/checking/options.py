"""What a check is asked for, read and completed: sizes along each axis, seeds, steps, margins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.errors import TargetError
from mupfx.pipeline.checking.target import Factory
from mupfx.tables.check_modes import MODES, Mode
from mupfx.tables.parametrizations import parametrization as table_of

MARGIN = 0.25
"""How far a slope may be from the one expected."""
_FEWEST = 3
"""Sizes that show whether a power law is one."""

Numbers = int | Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Options:
    """A check, settled."""

    table: Parametrization
    sizes: Mapping[str, tuple[Size, ...]]
    """By axis, smallest first."""
    seeds: tuple[int, ...]
    steps: int
    mode: Mode
    margin: float = MARGIN
    inputs: object = None
    control: Factory | bool = False
    """Whether to try the target unconverted as well, or what to try beside it."""
    static: bool = True
    dynamic: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    """As they are reported."""

    def read(self, axis: str) -> tuple[Size, ...]:
        """Sizes of an axis whose models are read: the ends, and some evenly between."""
        sizes, last = self.sizes[axis], self.mode.read - 1
        return tuple(sizes[round(i * (len(sizes) - 1) / last)] for i in range(self.mode.read))


def axes_of(widths: object, depths: object) -> tuple[str, ...]:
    """What is varied: width, unless depths alone are given."""
    if depths is None:
        return ("width",)
    return ("depth",) if widths is None else ("width", "depth")


def read_options(  # noqa: PLR0913 - each is typed by the user
    *,
    mode: str,
    widths: Sequence[int] | None,
    depths: Sequence[int] | None,
    seeds: Numbers,
    steps: int | None,
    margin: float,
    parametrization: Any,
    inputs: object,
    control: Factory | bool | None,
    static: bool,
    dynamic: bool,
) -> Options:
    """Read what the user said, and complete it by the mode.

    Raises:
        TargetError: A number is none that a check can use.
        ParametrizationError: There is no such table.
    """
    found = MODES[mode]
    sizes = _sizes(widths, depths, found)
    counted = _seeds(seeds, found)
    many = _positive("steps", found.steps if steps is None else steps)
    if not 0 < margin < 1:
        raise TargetError(f"margin={margin} is no margin", expected="a number between 0 and 1")
    if not static and not dynamic:
        raise TargetError("neither static nor dynamic rules are to be tried: nothing is left")
    table = table_of(parametrization)
    return Options(
        table, sizes, counted, many, found, float(margin), inputs,
        found.control if control is None else control, static, dynamic,
        {"mode": mode, "seeds": list(counted), "steps": many, "margin": float(margin)},
    )  # fmt: skip


def _sizes(
    widths: Sequence[int] | None, depths: Sequence[int] | None, mode: Mode
) -> dict[str, tuple[Size, ...]]:
    """Each axis is varied where the other is smallest."""
    axes = axes_of(widths, depths)
    wide = _ascending("widths", mode.widths if widths is None else widths)
    deep = _ascending("depths", mode.depths if depths is None else depths)
    width, depth = wide[0] if "width" in axes else None, deep[0] if "depth" in axes else None
    sizes = {
        "width": tuple(Size(each, depth) for each in wide),
        "depth": tuple(Size(width, each) for each in deep),
    }
    return {axis: sizes[axis] for axis in axes}


def _ascending(name: str, given: object) -> tuple[int, ...]:
    listed = tuple(given) if isinstance(given, Iterable) else ()
    if isinstance(given, str) or not all(map(_is_count, listed)):
        raise TargetError(f"{name}={given!r} are no sizes", expected=f"{name}=(64, 128, 256)")
    found = tuple(sorted(set(listed)))
    if len(found) < _FEWEST:
        raise TargetError(
            f"{len(found)} different {name} show no power law",
            expected=f"at least {_FEWEST}",
            found=", ".join(map(str, found)) or "none",
        )
    return found


def _seeds(given: Numbers, mode: Mode) -> tuple[int, ...]:
    if given is None:
        return tuple(range(mode.seeds))
    if isinstance(given, int):
        return tuple(range(_positive("seeds", given)))
    found = tuple(dict.fromkeys(given))
    if not found or not all(isinstance(each, int) for each in found):
        raise TargetError(f"seeds={given!r} are no seeds", expected="a number of seeds, or a list")
    return found


def _positive(name: str, given: object) -> int:
    if not isinstance(given, int) or not _is_count(given):
        raise TargetError(f"{name}={given!r} is no number", expected="a whole number above 0")
    return given


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given > 0
