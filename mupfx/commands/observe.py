"""``mupfx observe``: from what was typed to a table on disk, and what it says in short."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mupfx import observing
from mupfx.commands.target import arguments, find
from mupfx.commands.terminal import meter, write, write_json
from mupfx.core.observed import Exponent
from mupfx.errors import ObserveError, TargetError
from mupfx.observables.observations import AXES, Observations, require_parquet
from mupfx.render.observations import observations_document

_WRITERS = {".csv": "to_csv", ".parquet": "to_parquet"}


def observe(
    target: str,
    settings: Mapping[str, Any],
    given: Sequence[str] | None,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """Observe a target; write the table, and print exponents.

    Raises:
        TargetError: The file is of no kind that a table is written to, or cannot be.
    """
    if out is not None:
        _require_writable(out)
    factory = find(target)
    fixed = arguments(given or ())
    with meter(f"observing {target}") as watch:
        seen = observing.observe(
            partial(factory, **fixed) if fixed else factory, progress=watch, **settings
        )
    if out is not None:
        getattr(seen, _WRITERS[out.suffix])(out)
    found = exponents(seen)
    if as_json:
        rows = [asdict(row) for row in seen.rows]
        fitted = [asdict(e) for e in found]
        write_json({"rows": rows, "exponents": fitted, "notes": list(seen.notes)})
    else:
        write(observations_document(seen.rows, found, seen.notes))


def _require_writable(out: Path) -> None:
    """Refuse before hours of training what could not be written after them.

    Raises:
        TargetError: The file is of no kind that a table is written to, or has no place.
        ObserveError: What writes it is not installed.
    """
    if out.suffix not in _WRITERS:
        raise TargetError(
            f"no table is written to `{out.name}`", expected=" or ".join(f"*{s}" for s in _WRITERS)
        )
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise TargetError(f"`{out}` cannot be written", expected="a file in a folder that there is")
    if out.suffix == ".parquet":
        require_parquet()


def exponents(seen: Observations) -> list[Exponent]:
    """Every exponent that can be fitted, each at the last step that has it."""
    found: list[Exponent] = []
    for by in AXES:
        for quantity in seen.quantities:
            try:
                found += seen.slopes(quantity, by)
            except ObserveError:  # one size, or nothing positive
                continue
    return found
