"""The outcome of a sweep of learning rates, read back: ``transfer.json``, and runs beside it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

from mupfx.core.report import Size, Verdict
from mupfx.core.transfer import Curve, Drift, Grid, Optimum, Recipe, Run, Transfer
from mupfx.errors import TargetError

OUTCOME, RUNS = "transfer.json", "runs.jsonl"


def load_transfer(path: Path) -> Transfer:
    """Read what ``mupfx transfer`` wrote to a folder, or its ``--json``.

    Raises:
        TargetError: There is no such file, or it is something else.
    """
    file = path / OUTCOME if path.is_dir() else path
    try:
        found = read_transfer(json.loads(file.read_text(encoding="utf-8")), str(path))
        return replace(found, runs=_runs(path / RUNS)) if path.is_dir() else found
    except OSError as error:
        raise TargetError(
            f"cannot read `{file}`: {error.strerror}",
            expected="the folder that mupfx transfer wrote to",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"`{file}` holds no sweep", found=str(error)) from error


def read_transfer(data: Mapping[str, Any], folder: str = "") -> Transfer:
    """The inverse of ``Transfer.to_dict``, but for runs."""
    recipe = Recipe(**{**data["recipe"], "base": Size(**data["recipe"]["base"])})
    seeds = tuple(data["seeds"])
    curves: dict[str, dict[Size, Curve]] = {}
    optima: dict[str, dict[Size, Optimum]] = {}
    for each in data["curves"]:
        name, size = each["parametrization"], Size(each["width"], each["depth"])
        losses = tuple(map(tuple, each["losses"]))
        curves.setdefault(name, {})[size] = Curve(tuple(each["rates"]), losses, seeds)
        optima.setdefault(name, {})[size] = _optimum(each["optimum"])
    every = tuple(dict.fromkeys(size for of in curves.values() for size in of))
    rates = sorted({rate for of in curves.values() for c in of.values() for rate in c.rates})
    grid = Grid(every, tuple(rates), seeds, tuple(curves))
    drifts = tuple(map(_drift, data["drifts"]))
    notes = tuple(data["notes"])
    return Transfer(recipe, grid, data["tolerance"], (), curves, optima, drifts, notes, folder)


def _runs(path: Path) -> tuple[Run, ...]:
    """One a line, after a line on how they were made; a last one that is broken off is left out."""
    if not path.is_file():
        return ()
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    return tuple(Run.from_dict(json.loads(line)) for line in whole.splitlines()[1:])


def _pair(value: Any) -> tuple[float, float] | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _optimum(data: Mapping[str, Any]) -> Optimum:
    loss = inf if data["loss"] is None else data["loss"]
    return Optimum(**{**data, "interval": _pair(data["interval"]), "loss": loss})


def _drift(data: Mapping[str, Any]) -> Drift:
    pairs = {key: _pair(data[key]) for key in ("per_doubling_interval", "total_interval")}
    return Drift(**{**data, **pairs, "verdict": Verdict(data["verdict"])})
