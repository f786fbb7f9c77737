"""The result of observing: rows, the table of them, and exponents in width or depth."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from math import inf, log
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from mupfx.core.observed import Exponent, Row
from mupfx.core.statistics import log_slope, t_quantile
from mupfx.errors import ObserveError, did_you_mean

COLUMNS = tuple(f.name for f in fields(Row))
CONFIDENCE = 0.95
AXES = ("width", "depth")


def require_parquet() -> tuple[Any, Any]:
    """The package that writes Parquet, and its part for files.

    Raises:
        ObserveError: It is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        from pyarrow import parquet  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ObserveError(
            "Parquet needs pyarrow, which is not installed",
            hint="pip install pyarrow, or write CSV",
        ) from error
    return pa, parquet


@contextmanager
def _said(path: str | Path) -> Iterator[None]:
    """Errors of the file system as ours."""
    try:
        yield
    except OSError as error:
        raise ObserveError(
            "the table cannot be written", where=str(path), found=error.strerror or str(error)
        ) from error


@dataclass(frozen=True, slots=True)
class Observations:
    """What ``mupfx.observe`` returns."""

    target: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """What was supplied because the target does not bring it, and what could not be told."""

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what was observed, in order."""
        return tuple(dict.fromkeys(row.quantity for row in self.rows))

    def where(self, **columns: Any) -> "Observations":
        """The rows that have these values, ``where(quantity="rms", step=0)``."""
        for name in columns:
            if name not in COLUMNS:
                raise ObserveError(f"rows have no `{name}`", expected=", ".join(COLUMNS))
        found = [r for r in self.rows if all(getattr(r, n) == v for n, v in columns.items())]
        return Observations(self.target, tuple(found), self.notes)

    def table(self) -> Any:
        """A ``pandas.DataFrame``, one row a number; a list of dicts where pandas is missing."""
        found = [dict(zip(COLUMNS, astuple(row), strict=True)) for row in self.rows]
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ImportError:
            return found
        made = pd.DataFrame(found, columns=list(COLUMNS))
        sizes = dict.fromkeys(AXES, "Int64")
        return made.astype(sizes)

    def to_csv(self, path: str | Path) -> None:
        """Write the table; what has no width or depth has an empty cell.

        Raises:
            ObserveError: The file cannot be written.
        """
        with _said(path), Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(map(astuple, self.rows))

    def to_parquet(self, path: str | Path) -> None:
        """Write the table as Parquet.

        Raises:
            ObserveError: pyarrow is not installed, or the file cannot be written.
        """
        pa, parquet = require_parquet()
        columns = {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}
        with _said(path):
            parquet.write_table(pa.table(columns), str(path))

    def slopes(
        self,
        quantity: str,
        by: str = "width",
        *,
        step: int | None = None,
        op: str | None = None,
    ) -> tuple[Exponent, ...]:
        """Exponents of a quantity in width or depth, one for every op that all sizes have.

        Args:
            quantity: As in the rows.
            by: ``"width"`` or ``"depth"``.
            step: At which step; the last one that it was taken at, where this is None.
            op: Of this op alone; ``""`` for what is of the whole model.

        Raises:
            ObserveError: There is nothing to fit.
        """
        if quantity not in self.quantities:
            known = self.quantities
            raise ObserveError(
                f"`{quantity}` was not observed",
                expected=", ".join(known),
                hint=did_you_mean(quantity, known),
            )
        if by not in AXES:
            raise ObserveError(f"slopes are by width or by depth, not by {by}")
        rows = [r for r in self.rows if r.quantity == quantity and (op is None or r.op == op)]
        step = max((r.step for r in rows), default=0) if step is None else step
        found = _exponents([r for r in rows if r.step == step and 0 < r.value < inf], by)
        if not found:
            raise ObserveError(
                f"`{quantity}` has no exponent in {by} at step {step}",
                expected=f"positive values at two or more {by}s",
            )
        return found

    def slope(self, quantity: str, by: str = "width", *, step: int | None = None) -> Exponent:
        """The one exponent of what is of the whole model, such as ``output``.

        Raises:
            ObserveError: There is none, or there are several.
        """
        if quantity in self.quantities and not self.where(quantity=quantity, op="").rows:
            raise ObserveError(
                f"`{quantity}` is of ops, not of the whole model",
                hint=f'slopes("{quantity}") has one exponent for each',
            )
        found = self.slopes(quantity, by, step=step, op="")
        if len(found) > 1:
            raise ObserveError(
                f"`{quantity}` has {len(found)} exponents in {by}", hint="use slopes(...)"
            )
        return found[0]


Key = tuple[str, str, str, int | None]


def _exponents(rows: Sequence[Row], by: str) -> tuple[Exponent, ...]:
    other = next(axis for axis in AXES if axis != by)
    series: dict[Key, dict[int, dict[int, float]]] = {}
    for row in rows:
        size = getattr(row, by)
        if size is not None:
            key = (row.block, row.op, row.parameter, getattr(row, other))
            series.setdefault(key, {}).setdefault(row.seed, {})[size] = row.value
    sizes = {size for seeds in series.values() for values in seeds.values() for size in values}
    return tuple(
        _exponent(rows[0], key, by, whole)
        for key, seeds in series.items()
        if len(sizes) > 1 and (whole := _complete(seeds, sizes))
    )


def _complete(
    seeds: Mapping[int, Mapping[int, float]], sizes: Iterable[int]
) -> dict[int, dict[int, float]]:
    """Seeds that have a value at every size."""
    order = sorted(sizes)
    return {
        seed: {size: values[size] for size in order}
        for seed, values in seeds.items()
        if len(values) == len(order)
    }


def _exponent(row: Row, key: Key, by: str, seeds: Mapping[int, Mapping[int, float]]) -> Exponent:
    block, op, parameter, at = key
    slopes = tuple(log_slope(tuple(v), tuple(v.values())) for v in seeds.values())
    own = tuple(_interval_of_fit(v, s) for v, s in zip(seeds.values(), slopes, strict=True))
    whole = _interval_of_mean(slopes) if len(slopes) > 1 else own[0]
    return Exponent(
        row.quantity, block, op, parameter, row.step, by, at, tuple(seeds), slopes, own,
        fmean(slopes), whole,
    )  # fmt: skip


def _interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    middle = fmean(values)
    reach = t_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return middle - reach, middle + reach


def _interval_of_fit(values: Mapping[int, float], slope: float) -> tuple[float, float]:
    """By what a line leaves over; without bounds for two sizes."""
    freedom = len(values) - 2
    if freedom < 1:
        return float("-inf"), float("inf")
    x, y = [log(s) for s in values], [log(v) for v in values.values()]
    left, top = fmean(x), fmean(y)
    over = sum((b - top - slope * (a - left)) ** 2 for a, b in zip(x, y, strict=True))
    spread = sum((a - left) ** 2 for a in x)
    reach = t_quantile((1 + CONFIDENCE) / 2, freedom) * (over / freedom / spread) ** 0.5
    return slope - reach, slope + reach
