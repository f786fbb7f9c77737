"""What some steps of training showed of one size and seed, as numbers alone.

::

    updates  head.weight, use 0 of addmm, contracts 256:  0.031      rates  {head.weight: 0.001}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mupfx.core.report import Size


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One way a forward pass uses a parameter; the same at every size."""

    parameter: str
    """Its name; several, with commas, of parameters in one piece of memory."""
    number: int
    """Which of its uses, in the order of the forward pass."""
    op: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The size of one statistic of a use."""

    size: float
    """Rms, over entries and recorded steps."""
    contracted: int | None = None
    """How many products each entry sums; None where the op does not say."""
    coherent: float | None = None
    """The same less what as many products of random sign would give; None where not known.

    Of a batch as large as the model is wide, random signs are most of what there is, and they
    shrink as the width grows; in the limit there is nothing else than this."""
    beside: float | None = None
    """Rms of the data that the parameter meets; what fused kernels give, where they hide it."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """One parameter's gradient at one step."""

    norm: float
    largest: float
    kept: float = 1.0
    """Of its norm, by what came between backward and the update."""
    kept_largest: float = 1.0
    """Of its largest entry."""


@dataclass(frozen=True, slots=True)
class Run:
    """Some steps of training."""

    size: Size
    seed: int
    losses: tuple[float, ...]
    updates: Mapping[Use, Seen]
    """Rms of ``(W_t - W_0) x_t``, by use."""
    starts: Mapping[Use, Seen]
    """Rms of ``W_0 x_0``, by use; empty where it was not asked for."""
    given: Mapping[str, float]
    """Learning rates by parameter before the first step, without a schedule's factor."""
    rates: tuple[Mapping[str, float], ...]
    """Those in force, a step each: what an optimizer makes of them in its own step included."""
    scheduled: tuple[Mapping[str, float], ...]
    """Those that optimizers are called with, a step each."""
    gradients: tuple[Mapping[str, Gradient], ...]
    """A step each."""
    families: Mapping[str, str] = field(default_factory=dict)
    """Class of the optimizer, by parameter."""
    schedules: tuple[str, ...] = ()
    """What of the schedulers is one number for groups of different rates, a sentence each."""
    pinned: tuple[str, ...] = ()
    """Schedulers that give all groups one rate, a sentence each; right if rates are to be equal."""
    floors: tuple[float, ...] = ()
    """Rates that schedulers keep as one number for several groups, the lowest that they set."""
    means: Mapping[str, float] = field(default_factory=dict)
    """Mean of ``|x|`` after every op, where it was asked for."""
    first: Mapping[str, float] = field(default_factory=dict)
    """Rms of the first gradients, of the entries that have one; where it was asked for."""
    whole: frozenset[str] = frozenset()
    """Parameters whose first update was orthogonal, by optimizers of which nothing is known."""
    not_finite: str = ""
    """The first thing that was not finite, and when."""
    unwatched: tuple[str, ...] = ()
    """Ops whose updates could not be computed, and why."""
