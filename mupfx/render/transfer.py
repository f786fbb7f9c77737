"""A sweep as tables: the best rate of each size, how it drifts, and what that comes to."""

from collections.abc import Iterator
from math import log2

from mupfx.core.report import Size
from mupfx.core.transfer import Curve, Drift, Interval, Optimum, Transfer
from mupfx.render.document import Column, Document, Lines, Row, Table


def transfer_document(found: Transfer) -> Document:
    """Optima, drifts, losses, and sentences that follow."""
    return (optima(found), drifts(found), *losses(found), Lines("transfer", conclusions(found)))


def optima(found: Transfer) -> Table:
    """A row a parametrization and size: the best rate, and how far seeds agree on it."""
    columns = (
        Column("parametrization"),
        Column("size", right=True),
        Column("best lr", right=True),
        Column("log2", right=True),
        Column("interval", right=True),
        Column("loss there", right=True),
    )
    rows = tuple(
        (name, label(size), *_cells(optimum))
        for name, of in found.optima.items()
        for size, optimum in of.items()
    )
    seeds = len(found.grid.seeds)
    return Table(f"best learning rate by size, 90 % intervals over {seeds} seeds", columns, rows)


def drifts(found: Transfer) -> Table:
    """A row a parametrization and axis."""
    columns = (
        Column("parametrization"),
        Column("along"),
        Column("octaves per doubling", right=True),
        Column("octaves from first to last", right=True),
        Column("verdict"),
        Column("why", wraps=True),
    )
    rows = tuple(_drift(drift) for drift in found.drifts)
    return Table(f"drift of the best rate, tolerance {found.tolerance:g} octaves", columns, rows)


def losses(found: Transfer) -> Iterator[Table]:
    """A table a parametrization: mean losses by size and rate."""
    for parametrization, sizes in found.curves.items():
        tried = sorted({rate for curve in sizes.values() for rate in curve.rates})
        columns = (Column("size"), *(Column(exponent(rate), right=True) for rate in tried))
        rows = tuple((label(size), *_losses(curve, tried)) for size, curve in sizes.items())
        seeds = len(found.grid.seeds)
        yield Table(f"{parametrization}: loss by log2 of the rate, {seeds} seeds", columns, rows)


def conclusions(found: Transfer) -> tuple[str, ...]:
    """The verdict, and each drift in words."""
    trained = len(found.runs)
    diverged = sum(run.diverged for run in found.runs)
    seconds = sum(run.seconds for run in found.runs)
    lines = [f"{found.recipe.target}: {found.verdict}"]
    lines += [f"{_name(drift)}: {drift.why}" for drift in found.drifts]
    lines += found.notes
    lines.append(
        f"{trained} trainings of {found.recipe.steps} steps, {diverged} diverged,"
        f" {seconds / 60:.1f} core minutes, in {found.folder}"
    )
    return tuple(lines)


def label(size: Size) -> str:
    """A size as a row is called.

    >>> label(Size(64)), label(Size(64, 2))
    ('64', '64 x 2')
    """
    return " x ".join(str(n) for n in (size.width, size.depth) if n is not None)


def exponent(rate: float) -> str:
    """The power of two that a rate is.

    >>> exponent(0.0078125), exponent(2**-7.5)
    ('-7', '-7.5')
    """
    return f"{log2(rate):.3g}"


def _cells(optimum: Optimum) -> Row:
    beyond = {"low": " or less", "high": " or more"}.get(optimum.edge, "")
    return (
        f"{optimum.lr:.3g}{beyond}",
        f"{log2(optimum.lr):.2f}",
        "" if optimum.interval is None else "{:.2f} to {:.2f}".format(*map(log2, optimum.interval)),
        f"{optimum.loss:.4f}",
    )


def _drift(drift: Drift) -> Row:
    return (
        drift.parametrization,
        drift.axis if drift.other is None else f"{drift.axis} at {drift.other}",
        _with(drift.per_doubling, drift.per_doubling_interval),
        _with(drift.total, drift.total_interval),
        str(drift.verdict),
        drift.why,
    )


def _with(value: float, interval: Interval | None) -> str:
    """A number and its interval.

    >>> _with(0.1, (-0.25, 0.45))
    '+0.10 (-0.25 to +0.45)'
    """
    if interval is None:
        return f"{value:+.2f}"
    low, high = interval
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _losses(curve: Curve, tried: list[float]) -> Row:
    means = dict(zip(curve.rates, curve.means, strict=True))
    return tuple(_loss(means.get(rate)) for rate in tried)


def _loss(mean: float | None) -> str:
    """Of one rate; infinite where a seed diverged, None where it was not tried."""
    if mean is None:
        return ""
    return "diverged" if mean == float("inf") else f"{mean:.4f}"


def _name(drift: Drift) -> str:
    place = "" if drift.other is None else f" at {drift.other}"
    return f"{drift.parametrization}, {drift.axis}{place}"
