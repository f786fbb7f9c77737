"""A table of observations, read back from CSV: a row a number, columns as in ``Row``."""

import csv
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from mupfx.core.observed import Row
from mupfx.errors import TargetError

COLUMNS = tuple(field.name for field in fields(Row))


def load_observed(path: Path) -> tuple[Row, ...]:
    """Read what ``Observations.to_csv`` wrote.

    Raises:
        TargetError: There is no such file, or it is another table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            rows = () if missing else tuple(map(_row, reader))
    except OSError as error:
        raise TargetError(f"cannot read `{path}`: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise TargetError(f"`{path}` holds no observations", found=str(error)) from error
    if missing:
        raise TargetError(
            f"`{path}` holds no observations",
            expected=f"columns {', '.join(COLUMNS)}",
            found=f"none called {', '.join(sorted(missing))}",
        )
    return rows


def _row(data: Mapping[str, str]) -> Row:
    return Row(
        _size(data["width"]),
        _size(data["depth"]),
        int(data["seed"]),
        int(data["step"]),
        data["block"],
        data["op"],
        data["parameter"],
        data["quantity"],
        float(data["value"]),
    )


def _size(text: str) -> int | None:
    return int(float(text)) if text else None
