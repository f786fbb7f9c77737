"""Axes of tensors as tuples of factor classes, and how each parameter is used along them.

The output axis of a grouped-query projection is ``("c1", "c2", "c3")``: kv_heads x group x
head_dim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from mupfx.core.vocabulary import Kind, Reason, Role, Status

Axis = tuple[str, ...]
"""Factor class names of one dimension, outermost first; empty for a dimension of size one."""


@dataclass(frozen=True, slots=True)
class FactorClass:
    """Factors that must be equal, everywhere in the graph."""

    name: str
    size: int
    kind: Kind
    status: Status
    reason: Reason | None
    """Why it is finite; None for width."""
    evidence: str
    """The sentence behind the answer, naming an op."""
    label: str
    """A word for people: ``head_dim``, ``kv_heads``, ``width``; else the name."""
    base_size: int | None = None
    """Its size in the base, where a base model was given."""
    parts: tuple[Axis, ...] = ()
    """A concatenation's pieces in order, where they are all known."""

    @property
    def ratio(self) -> Fraction | None:
        """Size over base size; None without a base model."""
        return Fraction(self.size, self.base_size) if self.base_size else None

    @property
    def override(self) -> str | None:
        """What overturns an answer that is not certain, for all of its label: ``c4=finite``."""
        if self.status is Status.CERTAIN:
            return None
        other = Kind.FINITE if self.kind is Kind.WIDTH else Kind.WIDTH
        return f"{self.label}={other}"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a parameter by the graph."""

    parameter: str
    node: str
    op: str
    fan_in: tuple[int, ...]
    """Dimensions contracted with an activation."""
    fan_out: tuple[int, ...]
    """Dimensions that live on in the result."""
    index: tuple[int, ...] = ()
    """Dimensions looked up by index: a contraction with a one-hot vector."""
    where: str = ""
    """The user's source line."""
    companion: str | None = None
    """For a bias: the weight it is added beside."""
    within: Axis = ()
    """What is contracted of dimensions that are fan-in and fan-out both: of a flat weight."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """A product of two activations: attention logits or values, a scan, an inner product."""

    node: str
    left: str
    right: str
    contracted: tuple[str, ...]
    """Factor classes summed over."""
    beside: tuple[str, ...]
    """Factor classes of either operand that are not summed over."""


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axis pass found."""

    classes: Mapping[str, FactorClass]
    nodes: Mapping[str, tuple[Axis, ...]]
    """Axes of each tensor-valued node."""
    parameters: Mapping[str, tuple[Axis, ...]]
    uses: tuple[Use, ...]
    contractions: tuple[Contraction, ...]
    unknown_ops: Mapping[str, str]
    """Node name to op, where neither a rule nor a probe could answer."""
    base_shapes: Mapping[str, tuple[int, ...]]
    """Shapes of the parameters in the base model; empty without one."""
    conflicts: tuple[str, ...] = ()
    """Axes that had to be equal and are not, a sentence each."""
    probed: tuple[str, ...] = ()
    """Ops without a rule, whose axes an experiment found."""
    doubts: Mapping[str, str] = field(default_factory=dict)
    """Why an axis of these parameters may be width that has no factor to say so."""

    def size_of(self, axis: Axis) -> int:
        """Entries along an axis."""
        return prod(self.classes[c].size for c in axis)


@dataclass(frozen=True, slots=True)
class Part:
    """Entries of one dimension that the code takes apart: the rows of a query, key or value.

    They are those ``i`` with ``start <= i % period < stop``.
    """

    dim: int
    start: int
    stop: int
    period: int
    axis: Axis
    """Factor classes of these entries, what the code counts left out."""
    role: Role
    fan_in: int
    fan_out: int


@dataclass(frozen=True, slots=True)
class ParameterRole:
    """The role of one parameter, from all of its uses."""

    name: str
    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    role: Role
    fan_in: tuple[int, ...]
    fan_out: tuple[int, ...]
    status: Status
    uses: tuple[tuple[Role, Use], ...]
    tied_to: tuple[str, ...]
    why: str
    """One sentence of evidence."""
    tied_readout: bool = False
    """Used as an embedding and as a readout."""
    companion: str | None = None
    """For a bias: the weight it is added beside."""
    parts: tuple[Part, ...] = ()
    """Of a fused parameter: what it is put together of, each with its own role and fans."""
    within: Axis = ()
    """What is contracted of dimensions that are fan-in and fan-out both: of a flat weight."""
