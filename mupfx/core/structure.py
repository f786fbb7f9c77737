"""What the graph says beyond single tensors: residual streams, branches, attention sites."""

from dataclasses import dataclass

from mupfx.core.vocabulary import SiteKind


@dataclass(frozen=True, slots=True)
class Branch:
    """The sub-graph between a stream value and the add that returns to it."""

    name: str
    stream: str
    block: int
    """Position along the stream; parallel branches share one."""
    start: str
    end: str
    """The add."""
    nodes: frozenset[str]
    layers: int
    """Weight layers in sequence inside the branch."""
    result: str = ""
    """What it adds to the stream: the operand of ``end`` that is not the skip."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A chain of residual adds."""

    name: str
    factor_class: str
    depth: int
    """Number of residual adds (parallel branches count once)."""
    block_depth: int
    """Most weight layers in sequence inside one branch."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Every stream of the model, with its branches."""

    streams: tuple[Stream, ...]
    branches: tuple[Branch, ...]
    parameters: "tuple[tuple[str, str], ...]"
    """(parameter, branch name) for every parameter inside a branch."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a multiplier may be needed that belongs to no single weight."""

    name: str
    kind: SiteKind
    node: str
    """The contraction."""
    operands: tuple[str, ...]
    """Nodes that a multiplier could be pushed into, preferred first."""
    classes: tuple[str, ...]
    """Factor classes summed over (head_dim)."""
    scale: float
    """Product of the constants in force between the operands and the softmax."""
    base_scale: float | None
    """The same at the base, where a base model was given."""
    where: str = ""
    parameter: str | None = None
    """The tied parameter, of a tied readout."""
    constants: tuple[str, ...] = ()
    """Nodes whose constant factors ``scale`` counts."""
    unit_operands: int = 0
    """How many operands were divided by their own length, whose entries then fall with the axis."""
    stream: str | None = None
    """The stream that a branch adds to."""
