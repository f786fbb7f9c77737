"""The words of the field, as enumerations.

A *role* says how the graph uses a parameter; a *kind* whether an axis factor grows with the model;
a *status* how sure the compiler is of either.
"""

from enum import StrEnum


class Role(StrEnum):
    """What a parameter does, by which of its width axes are contracted."""

    INPUT = "input"
    """Finite fan-in, width fan-out: embeddings, first layers, depthwise convolutions."""
    HIDDEN = "hidden"
    """Width fan-in, width fan-out."""
    OUTPUT = "output"
    """Width fan-in, finite fan-out: readouts, routers, projections to a fixed size."""
    VECTOR = "vector"
    """Width axes, nothing contracted: biases, gains, class tokens."""
    SCALAR = "scalar"
    """No width axis."""


class Kind(StrEnum):
    """Whether a factor class grows with the model."""

    WIDTH = "width"
    FINITE = "finite"


class Reason(StrEnum):
    """Why a factor class is finite."""

    INPUT = "input"
    OUTPUT = "output"
    INDEX = "index"
    SPATIAL = "spatial"
    BATCH = "batch"
    SELECTION = "selection"
    PARTS = "parts"
    """A number of pieces that the code takes apart or puts together by count (q, k, v)."""
    USER = "user"
    BASE = "base"
    """Equal in the model and its base."""
    GROWTH = "growth"
    """Its neighbour in the same axis grows instead (head count against head size)."""


class Status(StrEnum):
    """How sure an answer is."""

    CERTAIN = "certain"
    ASSUMED = "assumed"
    UNKNOWN = "unknown"


class SiteKind(StrEnum):
    """Where a multiplier can sit that belongs to no single weight."""

    ATTENTION = "attention"
    """Attention logits."""
    TIED_READOUT = "tied_readout"
    """The output use of an embedding that is tied to it."""
    PRODUCT = "product"
    """An inner product of two width activations that is the model's output."""
    BRANCH = "branch"
    """What a residual branch adds to its stream."""
    INITIAL = "initial"
    """What a last readout made at the start."""
    READOUT = "readout"
    """What a last output weight makes, where the user chose a multiplier."""
    EMBEDDING = "embedding"
    """What is looked up to feed a residual stream, where the code or the user multiplies it."""
