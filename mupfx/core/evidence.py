"""What a check read from a model and its optimizer at several sizes, as rules judge it.

Every number stands in the canonical gauge, where a weight is what the forward pass multiplies by:
constants in the code are counted to the weights, or to the sites, that they are multiplied onto::

    head.weight   output   init std  measured -1.5  expected -1   multiplier n^-1 from x / m
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mupfx.core.finding import Place
from mupfx.core.report import Size
from mupfx.core.vocabulary import Role, SiteKind

INIT, RATE, DECAY, EPS = "init std", "learning rate", "weight decay", "eps"
"""Names of what is read of a parameter."""
MULTIPLIER = "multiplier"

Values = tuple[float, ...]
"""One a size, smallest first."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of one parameter at every size."""

    stored: Values
    """As it was read."""
    effective: Values
    """In the canonical gauge."""
    measured: float | None
    """The exponent of the size ratio that ``effective`` shows; None where there is none."""
    expected: float | None
    """None where no rule says."""
    written: float | None = None
    """The exponent that ``stored`` shows."""
    error: float = 0.0
    """Standard error of ``measured``."""

    @property
    def deviation(self) -> float | None:
        """How much more than expected it grows; None where that cannot be said."""
        if self.measured is None or self.expected is None:
            return None
        return self.measured - self.expected

    @property
    def breaks_off(self) -> bool:
        """Whether it is zero at some sizes, and not at others."""
        return any(v == 0 for v in self.stored) and any(v > 0 for v in self.stored)

    def deviates(self, tolerance: float) -> bool:
        """Whether that is more than a tolerance and than chance."""
        if self.breaks_off:
            return True
        found = self.deviation
        return found is not None and abs(found) > max(tolerance, 4 * self.error)


@dataclass(frozen=True, slots=True)
class UseEvidence:
    """One use of a parameter."""

    node: str
    role: Role
    update: Values
    """Expected size of ``(W_t - W_0) x`` over that at the smallest: the table's rate times the
    fan-in's ratio, before ``after``."""
    after: Values
    """Ratio of the constants that are counted to this weight and come after the op."""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class ParameterEvidence:
    """Everything that rules need to know of one parameter."""

    name: str
    role: Role
    shape: tuple[int, ...]
    """At the largest size."""
    fan_in: Values
    """Ratio of its fan-in to that at the smallest size."""
    fan_out: Values
    branch: str | None
    depth: Values
    """Ratio of the depth of the streams that its branch adds to."""
    tied_to: tuple[str, ...]
    tied_readout: bool
    """Looked up in one place, a readout in another."""
    embedding: bool
    """Looked up by index."""
    companion: str | None
    """For a bias: the weight beside it."""
    place: Place | None
    """Where the model uses it first."""
    why: str
    """Why it has this role."""
    family: str | None
    """Of its optimizer; None where that is not known or it is in none."""
    rate_gauge: float
    """The power of a growing multiplier that a stored learning rate follows: -1 of Adam."""
    adjusts: bool
    """Whether the optimizer itself scales steps by a matrix's shape (Muon)."""
    coupled: bool
    """Whether weight decay is added to a gradient that is then normalised."""
    trained: bool
    """It requires a gradient."""
    in_optimizer: int
    """In how many entries of groups it stands."""
    multiplier: Values
    """Effective over stored weight, by the constants that were counted to it; ratios."""
    multiplier_exponent: float
    constants: tuple[str, ...]
    """Nodes of these constants."""
    free: bool
    """Its scale does not matter: what it makes goes straight into a norm."""
    measures: Mapping[str, Measure]
    """By ``INIT``, ``RATE``, ``DECAY`` and ``EPS``."""
    uses: tuple[UseEvidence, ...] = ()
    gradient: float | None = None
    """Rms of its gradient at the largest size at the start, where it was taken."""
    expected_init: float | None = None
    """The table's exponent of its init std, also where the values are zero."""
    default_decay: float | None = None
    """The optimizer class's own weight decay."""

    def deviation(self, quantity: str) -> float | None:
        """How much more than expected a quantity grows."""
        measure = self.measures.get(quantity)
        return None if measure is None else measure.deviation


@dataclass(frozen=True, slots=True)
class SiteEvidence:
    """A multiplier that belongs to no single weight."""

    name: str
    kind: SiteKind
    node: str
    place: Place | None
    """Of a constant in force that differs between sizes, else of the op."""
    values: Values
    """Ratio of the constants in force to those at the smallest size."""
    measured: float | None
    expected: float | None
    carried: tuple[str, ...]
    """Parameters whose stored values make up for what is missing here."""
    parameter: str | None = None
    """The tied parameter, of a tied readout."""
    branch: str | None = None

    @property
    def deviation(self) -> float | None:
        """How much more than expected the constants in force grow, and what weights carry."""
        if self.measured is None or self.expected is None:
            return None
        return self.measured - self.expected


@dataclass(frozen=True, slots=True)
class ConstantEvidence:
    """A constant in the code that differs between sizes, outside the sites that count it."""

    node: str
    place: Place | None
    values: Values
    exponent: float | None
    carried: tuple[str, ...]
    """Parameters that it was counted to."""
    vanishes: bool = False
    """What it multiplies goes into norms alone."""
    over: float = 0.0
    """What is left of its exponent that no weight can carry."""


@dataclass(frozen=True, slots=True)
class OptimizerEvidence:
    """One optimizer of the target."""

    name: str
    family: str | None
    refused: str = ""
    """Why there is no family."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read along one axis."""

    axis: str
    """``width`` or ``depth``."""
    sizes: tuple[Size, ...]
    """Those analysed, smallest first."""
    parametrization: str
    parameters: Mapping[str, ParameterEvidence]
    """By the names of the largest model."""
    sites: tuple[SiteEvidence, ...] = ()
    constants: tuple[ConstantEvidence, ...] = ()
    optimizers: tuple[OptimizerEvidence, ...] = ()
    depth_rule: bool = False
    """Whether the table says anything of depth."""
    unreached: tuple[str, ...] = ()
    """Parameters that the example never reaches."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """Parameters that could not be judged, and why."""
    said: tuple[str, ...] = ()
    """Findings of analysis, a sentence each."""
    refused: str = ""
    """Why there is nothing: analysis refused."""
    place: Place | None = None
    """Where the model itself is defined, if known."""
    converted: bool = False
    """Whether the models were converted by mupfx."""
