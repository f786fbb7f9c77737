"""What one model alone cannot prove: which of its sizes grow.

A residual stream is width where there is one alone, and so is a size that every open axis has.
Any other size is a knob of its own, an axis of the output may be an embedding's, and a stream that
starts in the inputs may be as wide as they are. Those answers stay, but as ``assumed``::

    c4  172  width  assumed   contracted at linear_6; its size is its own, and may stay

A base model settles them all, an override one.
"""

from collections.abc import Iterator
from dataclasses import replace

from mupfx.core.axes import Axes, FactorClass
from mupfx.core.structure import Streams
from mupfx.core.vocabulary import Kind, Reason, Status

OWN = "its size is its own, and may stay"
EMBEDDING = "taken for classes: an embedding would grow"
ENTRY = "the residual stream starts in it, and may grow"


def doubt(axes: Axes, streams: Streams) -> Axes:
    """The same answers; certain only where no other growth of the model would contradict them."""
    known = set(_anchored(axes, streams))
    entries = {s.factor_class for s in streams.streams}
    classes = dict(axes.classes)
    for name, found in axes.classes.items():
        why = _why(found, enters=name in entries, known=name in known)
        if why is not None and found.status is Status.CERTAIN:
            evidence = f"{found.evidence}; {why}"
            classes[name] = replace(found, status=Status.ASSUMED, evidence=evidence)
    return replace(axes, classes=classes)


def _anchored(axes: Axes, streams: Streams) -> Iterator[str]:
    """Width classes that grow if anything does: the one along which every residual adds."""
    stored = {name for dims in axes.parameters.values() for dim in dims for name in dim}
    growing = {n: axes.classes[n] for n in stored if axes.classes[n].kind is Kind.WIDTH}
    if len({c.size for c in growing.values()}) == 1:
        yield from growing
    adds = {branch.end for branch in streams.branches}
    along = {c for end in adds for axis in axes.nodes.get(end, ()) for c in axis if c in growing}
    if len(along) == 1:
        yield from along


def _why(found: FactorClass, *, enters: bool, known: bool) -> str | None:
    if found.kind is Kind.WIDTH:
        return None if known else OWN
    if found.reason is Reason.OUTPUT:
        return EMBEDDING
    return ENTRY if found.reason is Reason.INPUT and enters else None
