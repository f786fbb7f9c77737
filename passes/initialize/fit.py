"""Which laws a tensor's values could have been drawn from, and how surprising each would be.

Surprise is in nats: minus the log likelihood of the values, relative to the best std of the same
shape, plus how rare the law itself is. A 2500 x 2500 normal matrix of std 0.02::

    constant_normal: std 0.02 at every width   0.1
    lecun_normal: std fan_in^-1/2              0.1

What cannot be (five standard errors off, a value over the bound) is no fit at all.
"""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from mupfx.core.init_law import Distribution, Fan, Fans, Law
from mupfx.passes.initialize.sample import Sample
from mupfx.tables.init_laws import (
    LAST_RESORT,
    MATRIX_LAWS,
    ORTHOGONAL,
    OWNED_LAWS,
    RARE,
    ROUND,
    SHAPES,
    STORED,
    USUAL_STDS,
    VECTOR_LAWS,
)

LIMIT_STD_ERRORS = 5.0
LIMIT_NATS = 14.0
SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Fit:
    """A law that the values could come from."""

    law: Law
    std: float
    """What the law says here."""
    growth: float
    """Std at the base over std here."""
    surprise: float
    """Of the values and of the law."""
    prior: float
    """Of the law alone."""
    layers: int = 1
    """The law's std is divided by the square root of this many residual layers."""
    like: str = ""
    """The tensor whose law this is, where it is another's."""

    @property
    def base_std(self) -> float:
        """What the law says at the base."""
        return self.std * self.growth

    @property
    def key(self) -> tuple[str, Fan, float | None, bool]:
        """What makes two fits of different tensors the same law."""
        divided = self.layers > 1 and self.law.fan is not Fan.ONE
        return self.law.name, self.law.fan, self.law.coefficient, divided

    def __str__(self) -> str:
        """The law, the layers it is divided by, the tensor it was taken from."""
        over = f", over sqrt({self.layers})" if self.layers > 1 else ""
        return f"{self.law}{over}" + (f", as {self.like}" if self.like else "")


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a tensor apart from its values."""

    fans: Fans
    documented: Collection[str] = ()
    """Laws that the module owning it draws from, by name."""
    layers: Collection[int] = ()
    """Numbers of like layers in the model."""


def fits_of(sample: Sample, base: Sample | None, context: Context) -> tuple[Fit, ...]:
    """Every known law that explains the values, here and at the base, least surprising first."""
    if not sample.drawn:
        return ()
    if sample.orthogonal:
        return tuple(_orthogonal(sample, context.fans))
    found = [
        replace(fit, surprise=total)
        for fit in (*_constants(sample), *_by_size(context), *_residual(sample, context))
        if (total := _total(fit, sample, base, context.layers)) is not None
    ]
    return tuple(sorted(found, key=lambda fit: fit.surprise))


def surprise(sample: Sample, distribution: Distribution, std: float) -> float | None:
    """Nats by which values of this std are less likely than with the best std; None: impossible."""
    if not has_shape(sample, distribution):
        return None
    shape = SHAPES[distribution]
    if sample.peak > shape.edge * std * (1 + max(1e-5, sample.precision)):
        return None
    off = math.log(sample.std / std)
    off = math.copysign(max(0.0, abs(off) - max(SLACK, sample.precision)), off)
    nats = sample.count / (shape.kurtosis - 1) * (math.expm1(2 * off) - 2 * off)
    if nats > LIMIT_NATS:
        return None
    if distribution is not Distribution.UNIFORM:
        return nats
    gap = max(0.0, math.log(shape.edge * std / sample.peak) - sample.precision)
    return sample.count * gap if sample.count * gap <= LIMIT_NATS else None


def has_shape(sample: Sample, distribution: Distribution) -> bool:
    """Whether centre, tails and largest value are those of the distribution, whatever its std."""
    root = math.sqrt(sample.count)
    if not sample.drawn or abs(sample.mean) > LIMIT_STD_ERRORS * sample.std / root:
        return False
    shape = SHAPES[distribution]
    off, error = sample.kurtosis - shape.kurtosis, shape.spread / root
    if not -6 * error - 0.02 < off < 6 * error * (1 + 10 / root) + 0.02:
        return False
    if distribution is not Distribution.UNIFORM:
        return True
    widest = 1 + LIMIT_STD_ERRORS * sample.error + LIMIT_NATS / sample.count
    return 1 / widest < shape.edge * sample.std / sample.peak < widest


def _total(fit: Fit, sample: Sample, base: Sample | None, layers: Collection[int]) -> float | None:
    """Surprise at the values here and at the base together, and at the law itself."""
    here = surprise(sample, fit.law.distribution, fit.std)
    if here is None or base is None:
        return None if here is None else here + fit.prior
    depths = {1, fit.layers, *layers} if fit.layers > 1 else {1}
    stds = (fit.base_std * math.sqrt(fit.layers / depth) for depth in depths)
    there = [s for std in stds if (s := surprise(base, fit.law.distribution, std)) is not None]
    return here + min(there) + fit.prior if there else None


def _by_size(context: Context) -> Iterator[Fit]:
    """Laws whose std falls with a size of the tensor, also over residual layers."""
    matrix = Fan.FAN_IN in context.fans.target
    laws = (
        *(MATRIX_LAWS if matrix else VECTOR_LAWS),
        *(law for law in OWNED_LAWS if law.name in context.documented),
    )
    for law in laws:
        for reading in readings(law, context.fans):
            std, growth = reading.std(context.fans.target), reading.growth(context.fans)
            if std is None or growth is None:
                continue
            fit = Fit(reading, std, growth, 0.0, law.surprise)
            yield fit
            if law.residual:
                yield from (_divided(fit, count) for count in context.layers if count > 1)


def readings(law: Law, fans: Fans) -> Iterator[Law]:
    """The law by the graph's reading of its size and, where that differs, by torch's."""
    yield law
    other = STORED.get(law.fan)
    if other is None or other not in fans.target:
        return
    if (fans.target[other], fans.base.get(other)) != (
        fans.target.get(law.fan),
        fans.base.get(law.fan),
    ):
        yield replace(law, fan=other)


def _divided(fit: Fit, layers: int) -> Fit:
    """The same law over residual layers; a normal one would explain too much to count first."""
    uniform = fit.law.distribution is Distribution.UNIFORM
    return replace(
        fit,
        std=fit.std / math.sqrt(layers),
        prior=fit.prior + (RARE if uniform else 2 * RARE),
        layers=layers,
    )


def _constants(sample: Sample) -> Iterator[Fit]:
    """Stds that people write, near the one measured."""
    window = 2 * SLACK + sample.precision + 6 * sample.error
    for distribution, shape in SHAPES.items():
        nominal = sample.std / shape.nominal
        if not has_shape(sample, distribution) or not 1e-12 < nominal < 1e12:
            continue
        usual = distribution is Distribution.NORMAL
        decade = math.floor(math.log10(nominal)) - 1
        for digits, rarity in ROUND.items():
            for power in (decade - 1, decade, decade + 1):
                if abs(math.log(digits * 10.0**power / nominal)) < window:
                    value = float(f"{digits}e{power}")
                    rare = 0.0 if usual or value in USUAL_STDS else RARE
                    yield fixed(distribution, value * shape.nominal, rarity + rare)


def _residual(sample: Sample, context: Context) -> Iterator[Fit]:
    """Round stds over the square root of the number of layers so far, or of all."""
    total = max(context.layers, default=0)
    for distribution in (Distribution.NORMAL, Distribution.TRUNCATED, Distribution.TRUNCATED_3):
        for std in USUAL_STDS:
            fit = fixed(distribution, std * SHAPES[distribution].nominal, 0.0)
            for count in _near((fit.std / sample.std) ** 2, total):
                rare = RARE if count in context.layers else LAST_RESORT
                yield replace(_divided(fit, count), prior=rare)


def _near(count: float, most: int) -> Iterable[int]:
    middle = round(min(count, 1e6))
    reach = middle // 5 + 2
    return range(max(2, middle - reach), min(most, middle + reach) + 1)


def fixed(distribution: Distribution, std: float, prior: float) -> Fit:
    """A std that is the same at every width, as a fit."""
    return Fit(constant(distribution, std), std, 1.0, 0.0, prior)


def constant(distribution: Distribution, std: float) -> Law:
    """The law of a std that is the same at every width."""
    word = {Distribution.TRUNCATED: "truncated", Distribution.TRUNCATED_3: "truncated_3"}
    name = f"constant_{word.get(distribution, distribution.value)}"
    return Law(name, distribution, Fan.ONE, std)


def _orthogonal(sample: Sample, fans: Fans) -> Iterator[Fit]:
    growth = ORTHOGONAL.growth(fans)
    if growth is not None:
        size = float(fans.target[Fan.LARGEST]) ** 0.5
        std = sample.std
        yield Fit(replace(ORTHOGONAL, coefficient=std * size), std, growth, 0.0, 0.0)
