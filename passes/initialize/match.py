"""The law of one tensor, from its own values; ambiguous where two fit and differ in growth.

Odds decide: laws within a thousand to one of the best are rivals. Laws whose std moves alike from
base to target are not, whatever their names. A law that the owning module documents, and that
fits, is believed.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from torch import Tensor

from mupfx.core.init_law import Distribution, Fan, Fans, Law
from mupfx.core.vocabulary import Status
from mupfx.passes.initialize.fit import Context, Fit, constant, fits_of, has_shape
from mupfx.passes.initialize.sample import Sample, measure
from mupfx.tables.init_laws import LAST_RESORT, RARE, SHAPES

RIVALS = math.log(1000)
IMPLAUSIBLE = 20.0
"""Surprise of a law beyond which it is as good as unknown."""
COARSE = 0.025
"""Relative error of a std from which on coincidences are to be expected."""
MANY = 2000
"""Elements whose largest value shows a bound sharply."""


@dataclass(frozen=True, slots=True)
class Match:
    """What was found out about the law of one tensor."""

    name: str
    fit: Fit | None
    """The law; None where it is not known."""
    status: Status
    near: tuple[Fit, ...] = ()
    """Laws that are about as likely as the likeliest."""
    sample: Sample | None = None
    base_sample: Sample | None = None
    why: str = ""

    @property
    def sole(self) -> bool:
        """Whether the law is the only one, not just the name of several that grow alike."""
        fit = self.fit
        return fit is not None and len({f.key for f in self.near if f.prior <= fit.prior}) == 1

    @property
    def rivals(self) -> tuple[Fit, ...]:
        """Where laws that grow differently fit, the likeliest of each growth; else nothing."""
        if self.fit is not None:
            return ()
        likeliest: dict[str, Fit] = {}
        for fit in sorted(self.near, key=lambda fit: fit.surprise):
            likeliest.setdefault(f"{fit.growth:.9g}", fit)
        return tuple(likeliest.values())

    @property
    def random(self) -> bool:
        """Whether the values are spread as random ones are, known std or not."""
        sample = self.sample
        return sample is not None and any(has_shape(sample, shape) for shape in SHAPES)


def recognise(
    name: str,
    values: Tensor,
    context: Context,
    base_values: Tensor | None = None,
    exact: Sample | None = None,
) -> Match:
    """Find the law that a tensor's values were drawn from.

    Args:
        name: The parameter, for messages.
        values: Its values; they are only read.
        context: Its sizes, and what its module is known to draw from.
        base_values: The values of a base model made the same way.
        exact: What measuring would give, where the law's numbers are known.
    """
    sample = exact or measure(values)
    if sample is None:
        return Match(name, None, Status.UNKNOWN, why="there are no values yet")
    base = None if base_values is None else measure(base_values)
    if sample.fill is not None:
        return Match(name, _filled(sample.fill), Status.CERTAIN, (), sample, base, "one value")
    fits = fits_of(sample, base, context)
    if not fits and base is not None and Fan.FAN_IN in context.fans.target:
        fits = _measured(sample, base, context.fans)
    unknown = Match(name, None, Status.UNKNOWN, (), sample, base)
    return decide(unknown, believed(fits, context) or fits, fits)


def believed(fits: tuple[Fit, ...], context: Context) -> tuple[Fit, ...]:
    """Fits of the laws that the tensor's module documents; else of the usual law of a bias."""
    documented = tuple(fit for fit in fits if fit.law.name in context.documented)
    return documented or tuple(fit for fit in fits if fit.law.name == "torch_bias")


def decide(match: Match, fits: tuple[Fit, ...], possible: tuple[Fit, ...]) -> Match:
    """Settle on the least surprising law, unless a rival of it grows otherwise.

    Args:
        match: What is known; its law is replaced.
        fits: The laws to choose from.
        possible: All that explain the values: certain is what leaves no other.
    """
    lost = replace(match, fit=None, status=Status.UNKNOWN, near=(), why="no known law fits")
    if not fits:
        return lost
    best = min(fits, key=lambda fit: fit.surprise)
    if best.prior > IMPLAUSIBLE:
        return lost
    near = tuple(fit for fit in fits if fit.surprise - best.surprise < RIVALS)
    if not alike(near):
        return replace(lost, near=near, why="several laws fit")
    found = replace(match, fit=best, near=near)
    if _sharp(match, best) and alike((best, *(fit for fit in possible if fit.prior < LAST_RESORT))):
        return replace(found, status=Status.CERTAIN, why="no other law fits")
    return replace(found, status=Status.ASSUMED, why="the likeliest that fits")


def _sharp(match: Match, fit: Fit) -> bool:
    """Whether the fit can hardly be a coincidence: rare constants are everywhere."""
    if match.sample is None or match.sample.error > COARSE:
        return False
    bounded = fit.law.distribution is Distribution.UNIFORM and match.sample.count > MANY
    return fit.prior < (RARE if fit.law.fan is Fan.ONE and not bounded else LAST_RESORT)


def alike(fits: Collection[Fit]) -> bool:
    """Whether all fits make the same of the way from base to target."""
    growths = [fit.growth for fit in fits]
    return math.isclose(min(growths), max(growths), rel_tol=1e-9)


def _filled(value: float) -> Fit:
    law = Law("fill" if value else "zeros", Distribution.FILL, Fan.ONE, 0.0)
    return Fit(law, 0.0, 1.0, 0.0, 0.0)


def _measured(sample: Sample, base: Sample, fans: Fans) -> tuple[Fit, ...]:
    """Families of laws by how the std moved from base to target, whatever it is."""
    if not sample.drawn or not base.drawn:
        return ()
    moved = math.log(base.std / sample.std)
    error = 5 * math.hypot(sample.error, base.error) + 2e-3
    found = []
    for fan in (Fan.ONE, *fans.target):
        ratio = fans.ratio(fan)
        if ratio is None:
            continue
        law = measured(fan, sample.std, fans)
        growth = law.growth(fans)
        if growth is not None and abs(math.log(growth) - moved) < error:
            found.append(Fit(law, sample.std, growth, 0.0, LAST_RESORT))
    return tuple(found)


def measured(fan: Fan, std: float, fans: Fans) -> Law:
    """The law of this size whose coefficient is read off the values."""
    if fan is Fan.ONE:
        return constant(Distribution.OTHER, std)
    return Law(str(fan), Distribution.OTHER, fan, std * math.sqrt(fans.target[fan]))
