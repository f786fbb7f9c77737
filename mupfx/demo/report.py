"""The demo's outcome as tables, and in words that follow from its numbers."""

from mupfx.demo.outcome import TOLERANCE, Growth, Outcome, Side
from mupfx.demo.settings import Settings
from mupfx.render.document import Column, Document, Lines, Row, Table


def introduction(settings: Settings) -> Document:
    """What the demo does."""
    widths = ", ".join(map(str, settings.widths))
    lines = (
        f"converts a GPT of width {settings.widths[-1]} to muP, with width {settings.base} as base",
        (
            f"trains widths {widths} as they are (sp) and in muP (mup), {settings.seeds} seeds"
            " each, on the text of Python's own library"
        ),
    )
    return (Lines("demo", lines),)


def report(outcome: Outcome, settings: Settings) -> Document:
    """Updates by layer, losses, and what follows."""
    return (
        update_table(outcome, settings),
        loss_table(outcome, settings),
        Lines(f"from width {settings.widths[0]} to {settings.widths[-1]}", conclusions(outcome)),
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


def conclusions(outcome: Outcome) -> tuple[str, ...]:
    """What the numbers say."""
    return (
        f"mup: {_kept(outcome.mup)}",
        f"sp: {_kept(outcome.sp)}",
        f"loss: mup {_change(outcome.mup)}, sp {_change(outcome.sp)}",
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
    """How many layers keep the size of their update, and how far they all went."""
    kept = sum(growth.keeps for growth in side.layers.values())
    changes = [growth.ratios[-1] for growth in side.layers.values()]
    return (
        f"the updates of {kept} of {len(changes)} layers keep their size (slope within"
        f" {TOLERANCE}); change between x{min(changes):.2f} and x{max(changes):.2f}"
    )


def _change(side: Side) -> str:
    smallest, *_, widest = side.losses.values()
    word = "falls" if widest < smallest else "rises"
    return f"{word} from {smallest:.2f} to {widest:.2f}"
