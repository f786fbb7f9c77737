"""Whether the best learning rate of a small model is that of a large one: sweeps, and verdicts."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from math import inf, log2
from pathlib import Path
from typing import Any

from mupfx.core.report import Size
from mupfx.core.transfer import DECAYS, SP, Grid, Recipe, Transfer
from mupfx.errors import TargetError, did_you_mean
from mupfx.pipeline.checking.target import Factory
from mupfx.pipeline.transfer.engines import LOCAL, Work, engine
from mupfx.pipeline.transfer.optimizers import RATE
from mupfx.pipeline.transfer.sweep import How, Watch, sweep

__all__ = ["Transfer", "Watch", "rates", "transfer"]


def transfer(  # noqa: PLR0913 - each is an answer that only the user can give
    factory: Factory,
    *,
    widths: Sequence[int],
    rates: Sequence[float],
    folder: str | Path,
    depths: Sequence[int] = (),
    seeds: int | Sequence[int] = 3,
    parametrizations: Sequence[str] = ("mup", SP),
    base: int | None = None,
    base_depth: int | None = None,
    steps: int = 100,
    optimizer: str = "AdamW",
    hyperparameters: Mapping[str, Any] | None = None,
    warmup: int = 0,
    decay: str = "none",
    tail: float = 0.1,
    arguments: Mapping[str, Any] | None = None,
    extend: int = 2,
    refine: int = 0,
    tolerance: float = 0.5,
    engine: str = LOCAL,
    jobs: int | None = None,
    name: str | None = None,
    find: Callable[[], Factory] | None = None,
    progress: Watch | None = None,
) -> Transfer:
    """Train a target at every size and learning rate, and see how the best rate moves with size.

    Runs are written to the folder as they come; called again, it goes on where it was. A script
    that calls this with several jobs needs ``if __name__ == "__main__":`` around the call, as all
    that starts processes.

    Args:
        factory: Any callable that makes what is trained at a width:
            ``f(width, depth=..., seed=..., lr=...)``, of which only what it declares is passed. It
            returns a dict with ``model``, ``loss`` (``loss(model, batch)`` is a scalar), and
            ``batches``, any iterable of them, or one ``batch`` for every step; if it likes,
            ``held_out``, a batch for the final loss, and, if it declares ``lr``, ``optimizer`` with
            that rate. A tuple ``(model, optimizer, batch, loss)`` will do.
        widths: Sizes, two or more of one kind.
        rates: Learning rates; ``mupfx.transferring.rates(2**-10, 2**-3)`` gives octaves.
        folder: Where runs are kept; one folder a sweep.
        depths: Passed as ``depth``, with every width.
        seeds: How many, or which.
        parametrizations: Tables to convert to; ``"sp"`` is the target as written, with nothing that
            mupfx does to it, and ``"own"`` the target as it converts itself.
        base: The width whose rates all are relative to; the smallest if not said.
        base_depth: Likewise.
        steps: Of each training.
        optimizer: Of ``torch.optim``, where the target makes none.
        hyperparameters: Of that optimizer.
        warmup: Steps over which the rate rises.
        decay: How it falls after that: ``"none"``, ``"linear"`` or ``"cosine"``.
        tail: The part of the last steps whose losses are averaged, where nothing is held out.
        arguments: What else is passed to the factory.
        extend: How often the grid may grow where its end is best.
        refine: How often rates between the best and its neighbours are tried.
        tolerance: Octaves that the best rate may move from the first size to the last.
        engine: ``"local"``, or ``"ray"`` where Ray is installed.
        jobs: Trainings at a time; one for each core if not said.
        name: What reports call the target.
        find: Finds the factory in another process, where it cannot be sent there.
        progress: Told what is ahead, and of every run.

    Returns:
        Losses, the best rate of each size with an interval, and how it drifts.

    Raises:
        TargetError: The factory cannot be called so, or brings no data.
        MupfxError: The folder holds results of other settings, or a model cannot be converted.
    """
    grid = _grid(widths, depths, rates, seeds, parametrizations)
    _require_known(decay, steps, warmup)
    _require_free(arguments or {}, hyperparameters or {})
    _require_counts(jobs, extend, refine, tolerance)
    smallest = grid.sizes[0]
    recipe = Recipe(
        target=name or str(getattr(factory, "__qualname__", type(factory).__qualname__)),
        base=Size(base or smallest.width, base_depth or smallest.depth),
        source=digest(factory),
        arguments=dict(arguments or {}),
        steps=steps,
        optimizer=optimizer,
        hyperparameters=dict(hyperparameters or {}),
        warmup=warmup,
        decay=decay,
        tail=tail,
    )
    at_a_time = jobs or os.cpu_count() or 1
    how = How(
        Path(folder), _engine(engine, at_a_time), at_a_time, extend, refine, tolerance,
        progress or Watch(),
    )  # fmt: skip
    return sweep(Work(find or partial(_itself, factory), recipe), grid, how)


def rates(low: float, high: float, octaves: float = 1.0) -> tuple[float, ...]:
    """Learning rates in equal steps of the logarithm, both ends included.

    >>> rates(0.25, 2.0)
    (0.25, 0.5, 1.0, 2.0)
    """
    count = round(log2(high / low) / octaves)
    return tuple(low * 2.0 ** (octaves * step) for step in range(count + 1))


_engine = engine
"""The argument of the same name hides it."""


def _itself(factory: Factory) -> Factory:
    return factory


def digest(factory: Factory) -> str:
    """Of the file that a target is defined in; empty where there is none."""
    inner = factory.func if isinstance(factory, partial) else factory
    try:
        file = inspect.getsourcefile(inspect.unwrap(inner))
        return sha256(Path(file or "").read_bytes()).hexdigest()[:16]
    except (TypeError, OSError):
        return ""


def _grid(
    widths: Sequence[int],
    depths: Sequence[int],
    rates: Sequence[float],
    seeds: int | Sequence[int],
    parametrizations: Sequence[str],
) -> Grid:
    """Every size with every other, smallest first.

    Raises:
        TargetError: There is nothing to compare.
    """
    pairs = {(width, depth) for width in widths for depth in depths or (None,)}
    sizes = tuple(Size(*pair) for pair in sorted(pairs, key=lambda pair: (pair[0], pair[1] or 0)))
    which = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if len(sizes) < 2:
        raise TargetError("one size shows no drift", expected="two widths, better four")
    if any(n is not None and n < 1 for pair in pairs for n in pair):
        raise TargetError("sizes are whole numbers from 1 on", found=str(sorted(pairs, key=str)))
    if len(set(rates)) < 3 or not all(0 < rate < inf for rate in rates):
        raise TargetError("a best rate needs others on both sides", expected="three rates above 0")
    if not which or not parametrizations:
        raise TargetError("nothing is to be trained", expected="a seed, and a parametrization")
    return Grid(sizes, tuple(sorted(set(rates))), which, tuple(dict.fromkeys(parametrizations)))


def _require_free(arguments: Mapping[str, Any], hyperparameters: Mapping[str, Any]) -> None:
    """Refuse to fix what a sweep varies: all its trainings would be one.

    Raises:
        TargetError: It is fixed.
    """
    fixed = [*({"seed", RATE} & arguments.keys()), *({RATE} & hyperparameters.keys())]
    if fixed:
        raise TargetError(
            f"a sweep varies `{fixed[0]}`, and it is fixed as well",
            hint="leave it out: --rates and --seeds say which",
        )


def _require_counts(jobs: int | None, extend: int, refine: int, tolerance: float) -> None:
    least = {"jobs": (jobs or 1, 1), "extend": (extend, 0), "refine": (refine, 0)}
    for name, (given, lowest) in least.items():
        if given < lowest:
            raise TargetError(f"{name}={given}", expected=f"{lowest} or more")
    if not tolerance > 0:
        raise TargetError(f"tolerance={tolerance:g}", expected="octaves, more than 0")


def _require_known(decay: str, steps: int, warmup: int) -> None:
    if decay not in DECAYS:
        raise TargetError(
            f"decay={decay!r} says nothing",
            expected=", ".join(DECAYS),
            hint=did_you_mean(decay, DECAYS),
        )
    if not 0 <= warmup < steps:
        raise TargetError(
            f"{steps} steps with a warmup of {warmup}", expected="fewer steps of warmup than steps"
        )
