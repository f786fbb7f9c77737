"""The laws of a whole model: what is certain of some tensors speaks for the others.

A 400 x 400 matrix in U(-0.05, 0.05) is either ``nn.Linear``'s default or a bound that someone
wrote; where another tensor of the model is certainly the first, so is this. A T5 gives 256
numbers of its attention bias the std of its large matrices, which no size of its own explains.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mupfx.core.init_law import Distribution, Fan
from mupfx.core.vocabulary import Status
from mupfx.passes.initialize.fit import Context, Fit, fits_of, fixed, surprise
from mupfx.passes.initialize.match import Match, believed, decide
from mupfx.tables.init_laws import SHAPES

_MEASURES = (Fan.FAN_IN, Fan.FAN_OUT, Fan.MEAN)
UNSEEN = 10.0
"""Surprise of a law that no other tensor of the model has."""
SHARED = 1.0
"""Surprise of the std of another tensor, which no size of its own explains."""

ENOUGH = 3
"""Tensors that one std must explain where each alone leaves it open."""

Key = tuple[str, Fan, float | None, bool]


def settle(matches: Mapping[str, Match], contexts: Mapping[str, Context]) -> dict[str, Match]:
    """Look again at what is not certain, in the light of what is."""
    sure = [m for m in matches.values() if m.status is Status.CERTAIN and _drawn(m)]
    seen = {m.fit.key for m in sure if m.fit is not None and m.sole}
    seen |= _repeated(matches, contexts) | _spanning(matches.values())
    again = {
        name: match if match.status is Status.CERTAIN else _again(match, contexts[name], sure, seen)
        for name, match in matches.items()
    }
    again = {name: _as_sisters(match, again, contexts) for name, match in again.items()}
    again = _as_one(again, contexts)
    lost = {name: m for name, m in again.items() if _lost(m, contexts[name])}
    return again | {name: _pooled(m, lost.values(), contexts) for name, m in lost.items()}


def _as_sisters(
    match: Match, others: Mapping[str, Match], contexts: Mapping[str, Context]
) -> Match:
    """Between rivals, the one that grows as all tensors of the same sizes do."""
    mine = contexts[match.name].fans if match.rivals else None
    sisters = [
        (name, other.fit)
        for name, other in others.items()
        if mine is not None and other.fit is not None and contexts[name].fans == mine
    ]
    growths = {f"{fit.growth:.9g}" for _, fit in sisters}
    chosen = [fit for fit in match.rivals if growths == {f"{fit.growth:.9g}"}]
    if not chosen:
        return match
    why = f"grows as {sisters[0][0]}, of the same sizes"
    return replace(match, fit=chosen[0], status=Status.ASSUMED, why=why)


def _as_one(matches: dict[str, Match], contexts: Mapping[str, Context]) -> dict[str, Match]:
    """Where one std explains every open tensor, of different sizes, and no other law does."""
    opened = {name: match for name, match in matches.items() if match.rivals}
    sizes = {tuple(sorted(contexts[name].fans.target.items())) for name in opened}
    laws = [{fit.key: fit for fit in match.near} for match in opened.values()]
    common = set.intersection(*(set(law) for law in laws)) if laws else set()
    if len(opened) < ENOUGH or len(sizes) < 2 or len(common) != 1:
        return matches
    (key,) = common
    if key[1] is not Fan.ONE:
        return matches
    why = f"one std in {len(opened)} tensors of different sizes"
    chosen = {
        name: replace(match, fit=law[key], status=Status.ASSUMED, why=why)
        for (name, match), law in zip(opened.items(), laws, strict=True)
    }
    return matches | chosen


def _lost(match: Match, context: Context) -> bool:
    unknown = match.fit is None and not match.rivals and match.random
    return unknown and Fan.FAN_IN in context.fans.target


def _drawn(match: Match) -> bool:
    return match.fit is not None and match.fit.std > 0


def _repeated(matches: Mapping[str, Match], contexts: Mapping[str, Context]) -> set[Key]:
    """Laws that explain tensors of different fan-in, each by itself."""
    found = {
        (match.fit.key, contexts[name].fans.target.get(Fan.FAN_IN))
        for name, match in matches.items()
        if match.fit is not None and match.sole
    }
    counts = Counter(key for key, _ in found)
    return {key for key, count in counts.items() if count > 1}


def _spanning(matches: Collection[Match]) -> set[Key]:
    """Usual laws that explain three different stds and more; a constant explains one."""
    near = [fit for match in matches for fit in match.near if not fit.prior]
    counts = Counter(key for key, _ in {(fit.key, round(fit.std, 12)) for fit in near})
    return {key for key, count in counts.items() if count > 2 and key[1] is not Fan.ONE}


def _again(match: Match, context: Context, sure: Sequence[Match], seen: Collection[Key]) -> Match:
    if match.sample is None or match.sample.orthogonal:
        return match
    own = fits_of(match.sample, match.base_sample, context)
    if match.fit is not None and (not own or believed(own, context)):
        return match
    weighed = tuple(_weighed(fit, seen) for fit in own)
    explained = any(fit.key in seen for fit in own)
    again = decide(match, weighed if explained else (*weighed, *_shared(match, sure)), own)
    if again.fit is None:
        return again
    like = [m.name for m in sure if m.fit is not None and m.fit.key == again.fit.key]
    return replace(again, status=Status.ASSUMED, why=f"as in {like[0]}" if like else again.why)


def _weighed(fit: Fit, seen: Collection[Key]) -> Fit:
    """A rare law is no surprise where it was met before, and any other is."""
    counted = fit.law.fan is Fan.ONE and fit.layers > 1
    known = 0.0 if counted else -fit.prior
    more = known if fit.key in seen else UNSEEN
    return replace(fit, surprise=fit.surprise + more, prior=fit.prior + more)


def _pooled(match: Match, lost: Collection[Match], contexts: Mapping[str, Context]) -> Match:
    """One std in tensors of different sizes depends on none of them, round or not."""
    peers = [other for other in lost if _same_std(match, other)]
    sizes = [contexts[other.name].fans.target for other in peers]
    pooled = all(len({s[fan] for s in sizes}) > 1 for fan in _MEASURES)
    if not pooled or match.sample is None:
        return match
    others = [other.name for other in peers if other.name != match.name]
    fit = fixed(Distribution.OTHER, match.sample.std, 0.0)
    return replace(match, fit=fit, status=Status.ASSUMED, why=f"the std of {', '.join(others[:3])}")


def _same_std(one: Match, other: Match) -> bool:
    if one.sample is None or other.sample is None:
        return False
    error = 4 * math.hypot(one.sample.error, other.sample.error) + 2e-3
    return abs(math.log(one.sample.std / other.sample.std)) < error


def _shared(match: Match, sure: Sequence[Match]) -> list[Fit]:
    """Laws of other tensors, taken as they are: the same std here and at the base."""
    found: dict[float, Fit] = {}
    for other in sure:
        if other.fit is not None and other.fit.law.distribution in SHAPES:
            found.setdefault(other.fit.std, replace(other.fit, like=other.name))
    nats = {std: _joint(match, fit) for std, fit in found.items()}
    return [replace(found[std], surprise=n + SHARED) for std, n in nats.items() if n is not None]


def _joint(match: Match, fit: Fit) -> float | None:
    """Surprise at the values here and at the base, if they were drawn as another tensor's."""
    if match.sample is None:
        return None
    here = surprise(match.sample, fit.law.distribution, fit.std)
    if match.base_sample is None or here is None:
        return here
    there = surprise(match.base_sample, fit.law.distribution, fit.base_std)
    return None if there is None else here + there
