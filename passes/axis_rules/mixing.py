"""Which factors weights make and mix, and which they only meet.

A width is made by some weight and contracted by another. A factor that every weight contracts and
none makes comes from a constant in the code (a grid of coordinates); one that no weight makes or
contracts, though parameters lie along it, counts things (slots, latents, induced points)::

    grid (x y c) -> Linear(c, d)      c is given
    latents (n d) -> Linear(d, d)     n is counted
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mupfx.passes.axis_rules.factors import Dim, Factor, Piece, expand
from mupfx.passes.axis_rules.tracker import CONTRACTED, Tracker

Parameters = Mapping[str, Sequence[Dim]]
Found = set[int]


def given(tracker: Tracker, parameters: Parameters, factors: Sequence[Factor]) -> list[Factor]:
    """Factors of constants that weights contract, and no parameter has but as fan-in."""
    kept = _with_kin(tracker, factors, _kept(tracker, parameters, bare=True))
    fixed = _of_constants(tracker)
    fixed |= {id(f) for f in factors if f.parts and _parts_of(f) <= fixed}
    return [f for f in factors if CONTRACTED in f.marks and id(f) in fixed - kept]


def counted(tracker: Tracker, parameters: Parameters, factors: Sequence[Factor]) -> list[Factor]:
    """Factors that parameters lie along, and that no weight makes or contracts."""
    mixed = {id(f) for f in factors if CONTRACTED in f.marks}
    mixed |= _kept(tracker, parameters, bare=False)
    mixed = _with_kin(tracker, factors, mixed)
    stored = _ids(p for dims in parameters.values() for dim in dims for p in dim)
    return [f for f in factors if id(f) in stored and id(f) not in mixed]


def _of_constants(tracker: Tracker) -> Found:
    """Factors of tensors that depend on neither inputs nor parameters."""
    return _ids(
        piece
        for node, dims in tracker.env.items()
        if isinstance(dims, tuple) and node not in tracker.active and not tracker.is_weight(node)
        for dim in dims
        for piece in dim
    )


def _kept(tracker: Tracker, parameters: Parameters, *, bare: bool) -> Found:
    """Factors of parameters that live on; ``bare`` where nothing was contracted beside, too."""
    found: Found = set()
    for use in tracker.uses:
        dims = parameters.get(use.parameter, ())
        contracts = bool(use.fan_in or use.index)
        if bare or contracts:
            kept = (d for d in range(len(dims)) if d not in {*use.fan_in, *use.index})
            found |= _ids(p for d in {*kept, *use.fan_out} & set(range(len(dims))) for p in dims[d])
    for name, d in tracker.inner:
        found |= _ids(p for p in parameters[name][d]) if name in parameters else set()
    return found


def _with_kin(tracker: Tracker, factors: Sequence[Factor], found: Found) -> Found:
    """The same with wholes of these parts, parts of these wholes, and what is reshaped of them."""
    links = [*_parts(factors), *(_ids([*a, *b]) for a, b in tracker.depends)]
    touching: dict[int, list[Found]] = {}
    for link in links:
        for one in link:
            touching.setdefault(one, []).append(link)
    queue, seen = list(found), set(found)
    while queue:
        for link in touching.pop(queue.pop(), ()):
            queue += link - seen
            seen |= link
    return seen


def _parts(factors: Sequence[Factor]) -> Iterator[Found]:
    for factor in factors:
        for part in factor.parts.values():
            yield {id(factor)} | _ids(part)


def _parts_of(factor: Factor) -> Found:
    return _ids(p for part in factor.parts.values() for p in part)


def _ids(pieces: Iterable[Piece]) -> Found:
    return {id(p.factor) for p in expand(pieces)}
