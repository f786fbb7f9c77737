"""The demo's outcome as tables, and in words that follow from its numbers."""

from mupfx.demo.experiment import Settings
from mupfx.demo.outcome import TOLERANCE, Growth, Outcome, Side
from mupfx.render.document import Column, Document, Lines, Row, Table


def report(outcome: Outcome, settings: Settings) -> Document:
    """Updates by layer, losses, and what follows."""
    return (
        update_table(outcome, settings),
        loss_table(outcome, settings),
        Lines("so", conclusions(outcome, settings)),
    )


def update_table(outcome: Outcome, settings: Settings) -> Table:
    """One row a layer: how its update grows with width, without and with muP."""
    smallest, *wider = settings.widths
    columns = [Column("layer"), Column(f"rms at {smallest}", right=True)]
    for name in ("sp", "mup"):
        columns += [Column(f"{name} {width}", right=True) for width in wider]
        columns.append(Column(f"{name} slope", right=True))
    rows = tuple(_row(name, outcome) for name in outcome.mup.layers)
    title = (
        f"size of updates after {settings.measured_at} steps of AdamW(lr={settings.lr}), relative"
        f" to width {smallest}; slope of log2 size on log2 width"
    )
    return Table(title, tuple(columns), rows)


def loss_table(outcome: Outcome, settings: Settings) -> Table:
    """Losses by width."""
    columns = (
        Column("parametrization"),
        *(Column(str(width), right=True) for width in settings.widths),
    )
    sides = (("sp", outcome.sp), ("mup", outcome.mup))
    rows = tuple((name, *(f"{loss:.3f}" for loss in side.losses.values())) for name, side in sides)
    return Table(f"loss on other text after {settings.steps} steps, by width", columns, rows)


def conclusions(outcome: Outcome, settings: Settings) -> tuple[str, ...]:
    """What the numbers say."""
    smallest, widest = settings.widths[0], settings.widths[-1]
    span = f"from width {smallest} to {widest}"
    return (
        f"mup: {_kept(outcome.mup)} {span} (slope within {TOLERANCE})",
        f"sp: {_kept(outcome.sp)} {span}; {_most(outcome.sp)}",
        f"loss {span}: mup {_change(outcome.mup)}, sp {_change(outcome.sp)}",
        "muP's updates keep their size while SP's do not"
        if outcome.shown
        else "this run does not show muP's updates keeping their size while SP's grow",
    )


def _row(name: str, outcome: Outcome) -> Row:
    plain, scaled = outcome.sp.layers[name], outcome.mup.layers[name]
    smallest = next(iter(scaled.sizes.values()))
    return (name, f"{smallest:.3g}", *_cells(plain), *_cells(scaled))


def _cells(growth: Growth) -> Row:
    return (*(f"x{ratio:.2f}" for ratio in growth.ratios), f"{growth.slope:+.2f}")


def _kept(side: Side) -> str:
    lost = [name for name, growth in side.layers.items() if not growth.keeps]
    kept = f"{len(side.layers) - len(lost)} of {len(side.layers)} updates keep their size"
    return f"{kept}, not {', '.join(lost)}" if 0 < len(lost) < 4 else kept


def _most(side: Side) -> str:
    name, growth = max(side.layers.items(), key=lambda item: item[1].ratios[-1])
    return f"that of {name} changes most, x{growth.ratios[-1]:.1f}"


def _change(side: Side) -> str:
    smallest, *_, widest = side.losses.values()
    word = "falls" if widest < smallest else "rises"
    return f"{word} from {smallest:.2f} to {widest:.2f}"
