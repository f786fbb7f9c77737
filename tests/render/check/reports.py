"""Reports put together by hand: one that passes, one that fails, one that is undecided."""

from dataclasses import replace

from mupfx.core.finding import Finding, Level, Place
from mupfx.core.report import Quantity, Report, Size, Slope, Verdict

WIDTHS = (64, 128, 256, 512)
SEEDS = range(3)
PLACE = Place("/home/me/project/src/model one.py", 51, "return self.head(x) * 1.0")


def slope(parameter: str, found: float, expected: float = 0.0, statistic: str = "update") -> Slope:
    """A power law with a little noise that differs between seeds."""
    slopes = tuple(found + 0.02 * (seed - 1) for seed in SEEDS)
    values = tuple(
        tuple(0.01 * (1 + 0.1 * seed) * (width / 64) ** own for width in WIDTHS)
        for seed, own in zip(SEEDS, slopes, strict=True)
    )
    off = abs(found - expected) > 0.25
    verdict = Verdict.FAIL if off else Verdict.PASS
    return Slope(
        parameter,
        0,
        statistic,
        "width",
        values,
        slopes,
        expected,
        (found - 0.05, found + 0.05),
        verdict,
    )


def quantity(parameter: str, name: str, found: float, expected: float) -> Quantity:
    values = tuple(0.02 * (width / 64) ** found for width in WIDTHS)
    return Quantity(parameter, name, "width", values, found, expected)


LAYERS = tuple(f"blocks.{layer}.mlp.{part}.weight" for layer in range(3) for part in (0, 2))
READOUT = Finding(
    code="MUP003",
    parameter="head.weight",
    message="the readout's effective init does not fall with fan-in, so logits start larger the wider the model",
    measured=-0.5,
    expected=-1.0,
    place=PLACE,
    hint="divide the logits by the width multiplier",
)
RATES = tuple(
    Finding(
        code="MUP002",
        parameter=name,
        message=f"Adam's learning rate of {name} is the same at every width; its update grows as n^1",
        measured=0.01 * at,
        expected=-1.0,
        place=replace(PLACE, line=20, code="x = x + self.mlp(x)"),
        hint="divide it by the width multiplier",
    )
    for at, name in enumerate(LAYERS[::2])
)
DECAY = Finding(
    "MUP008",
    "head.weight",
    "weight decay is AdamW's own default at every width",
    0.0,
    1.0,
    Level.WARNING,
)
NOTHING = Finding(
    "MUP019", None, "50% of the parameters were: not, reached\nby the example", level=Level.NOTE
)

PASSES = Report(
    target="src/model one.py:build",
    verdict=Verdict.PASS,
    findings=(),
    sizes={"width": tuple(Size(width) for width in WIDTHS)},
    parametrization="mup",
    quantities=tuple(
        quantity(name, kind, found, found)
        for name in (*LAYERS, "head.weight")
        for kind, found in (("init std", -0.5 if name in LAYERS else -1.0), ("learning rate", -1.0))
    ),
    slopes=(
        *(slope(name, 0.01 * at) for at, name in enumerate(LAYERS)),
        slope("head.weight", -0.5, -0.5, "start"),
    ),
    control=tuple(slope(name, 1.0) for name in LAYERS),
    settings={"seeds": 3, "steps": 4, "margin": 0.25},
    notes=("no optimizer in the target: AdamW by mupfx's groups",),
)
FAILS = replace(
    PASSES,
    verdict=Verdict.FAIL,
    findings=(*RATES, READOUT, DECAY, NOTHING),
    slopes=(
        *(slope(name, 0.98 if at % 2 == 0 else 0.0) for at, name in enumerate(LAYERS)),
        slope("head.weight", 0.0, -0.5, "start"),
    ),
)
UNDECIDED = replace(
    PASSES,
    verdict=Verdict.INCONCLUSIVE,
    slopes=(
        replace(PASSES.slopes[0], interval=(-0.4, 0.4), verdict=Verdict.INCONCLUSIVE),
        *PASSES.slopes[1:],
    ),
)
BY_NAME = {"passes": PASSES, "fails": FAILS, "undecided": UNDECIDED}
