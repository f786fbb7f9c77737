"""From the walk's mutable factors to frozen classes, axes and uses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mupfx.core.axes import Axes, Axis, Contraction, FactorClass, Use
from mupfx.core.vocabulary import Kind, Reason
from mupfx.passes.axis_rules.factors import Dim, Factor, expand, partition
from mupfx.passes.axis_rules.facts import Answer, Answers, Facts
from mupfx.passes.axis_rules.facts import groups as grouped
from mupfx.passes.axis_rules.tracker import REPEATED, Tracker

Parameters = Mapping[str, tuple[Dim, ...]]
NameOf = Callable[[Dim], Axis]

LABELS = {
    Reason.INPUT: "input",
    Reason.BATCH: "batch",
    Reason.SPATIAL: "kernel",
    Reason.INDEX: "index",
    Reason.SELECTION: "choice",
    Reason.OUTPUT: "output",
    Reason.PARTS: "parts",
}


def freeze(
    tracker: Tracker, parameters: Parameters, roots: Sequence[Factor], answers: Answers
) -> Axes:
    """Name every factor, in the order in which parameters show them, and copy what is known."""
    names: dict[int, str] = {}

    def name_of(dim: Dim) -> Axis:
        found = [p.factor for p in expand(dim)]
        return tuple(names.setdefault(id(f), f"c{len(names)}") for f in found)

    shown = {name: tuple(name_of(d) for d in dims) for name, dims in parameters.items()}
    nodes = {
        node.name: tuple(name_of(d) for d in dims)
        for node, dims in tracker.env.items()
        if isinstance(dims, tuple)
    }
    matches = _matches(tracker, name_of)
    facts = Facts(tracker, parameters, tuple(roots), "")
    groups = [tuple(dict.fromkeys(names[id(f)] for f in g)) for g in grouped(facts)]
    for factor in roots:
        names.setdefault(id(factor), f"c{len(names)}")
    made = {names[id(f)]: _class(f, names[id(f)], answers[id(f)], name_of) for f in roots}
    repeated = {names[id(f)] for f in roots if REPEATED in f.marks}
    classes = {name: made[name] for name in names.values() if name in made}
    return Axes(
        classes=_label_heads(classes, groups, matches, repeated),
        nodes=nodes,
        parameters=shown,
        uses=tuple(
            _with_inside(_complete(use, facts, answers), tracker, name_of) for use in tracker.uses
        ),
        contractions=matches,
        unknown_ops=dict(tracker.unknown),
        base_shapes=_base_shapes(parameters, roots),
        conflicts=tuple(dict.fromkeys(tracker.conflicts)),
        probed=tuple(tracker.asked),
    )


def _class(factor: Factor, name: str, answer: Answer, name_of: NameOf) -> FactorClass:
    label = LABELS.get(answer.reason, name) if answer.reason is not None else name
    return FactorClass(
        name=name,
        size=factor.size[0],
        kind=answer.kind,
        status=answer.status,
        reason=answer.reason,
        evidence=answer.evidence,
        label=label,
        base_size=factor.size[1] if len(factor.size) > 1 else None,
        parts=tuple(name_of(factor.parts[span]) for span in partition(factor)),
    )


def _matches(tracker: Tracker, name_of: NameOf) -> tuple[Contraction, ...]:
    return tuple(
        Contraction(node.name, left.name, right.name, name_of(tuple(inner)), name_of(tuple(beside)))
        for node, left, right, inner, beside in tracker.matches
    )


def _complete(use: Use, facts: Facts, answers: Answers) -> Use:
    """Fill in the dimensions that live on; an inner product of weights is fan-in or fan-out."""
    inner, dims = facts.tracker.inner, facts.parameters.get(use.parameter, ())
    rank = range(len(dims))
    within = [d for d in rank if (use.parameter, d) in inner and d not in use.fan_in]
    fan_in = use.fan_in if use.fan_in or use.index else tuple(within)
    rest = (d for d in rank if d not in fan_in and d not in use.index)
    whole = replace(use, fan_in=fan_in, fan_out=tuple(sorted({*rest, *use.fan_out})))
    return _halved(whole, facts, answers)


def _with_inside(use: Use, tracker: Tracker, name_of: NameOf) -> Use:
    """Name what is contracted of dimensions that are fan-in and fan-out both."""
    both = {(use.parameter, d) for d in set(use.fan_in) & set(use.fan_out)}
    found = tracker.within.get((use.node, use.parameter), ()) if both else ()
    return replace(use, within=name_of(tuple(p for p in found if p.origins & both)))


def _halved(use: Use, facts: Facts, answers: Answers) -> Use:
    """A dimension that is contracted in part counts where its width is.

    A query of ``heads x head_dim`` that is contracted along ``head_dim`` lives on along ``heads``.
    """
    within = facts.tracker.within.get((use.node, use.parameter), ())
    gone = {id(p.factor) for p in expand(within)}
    fan_in, fan_out = set(use.fan_in), set(use.fan_out)
    for d in fan_in & fan_out:
        factors = {id(p.factor) for p in expand(facts.parameters[use.parameter][d])}
        if not gone & factors or factors <= gone:
            continue
        if not any(answers[f].kind is Kind.WIDTH for f in gone & factors):
            fan_in.discard(d)
        elif not any(answers[f].kind is Kind.WIDTH for f in factors - gone):
            fan_out.discard(d)
    return replace(use, fan_in=tuple(sorted(fan_in)), fan_out=tuple(sorted(fan_out)))


def _label_heads(
    classes: Mapping[str, FactorClass],
    groups: Sequence[Axis],
    matches: Sequence[Contraction],
    repeated: set[str],
) -> dict[str, FactorClass]:
    """Words for the factors around a product of two activations."""
    fixed = (Reason.INPUT, Reason.SPATIAL, Reason.PARTS, Reason.SELECTION)
    inner = {c for m in matches for c in m.contracted if classes[c].reason not in fixed}
    beside = {c for m in matches for c in m.beside if classes[c].reason not in fixed} - inner
    labels: dict[str, str] = {}
    for axis in groups:
        heads = [c for c in axis if c in beside]
        if heads and inner.intersection(axis):
            grouped = len(heads) > 1 and any(c in repeated for c in heads)
            for c in heads:
                word = ("group" if c in repeated else "kv_heads") if grouped else "heads"
                labels[c] = word if labels.get(c, "heads") == "heads" else labels[c]
    for axis in groups:
        if any(c in labels for c in axis):
            free = [c for c in axis if c not in labels and classes[c].reason not in fixed]
            labels |= dict.fromkeys(free, "head_dim")
    kept = [c for c in sorted(inner - set(labels)) if classes[c].reason is Reason.GROWTH]
    labels |= dict.fromkeys(kept, "state")
    return {
        name: replace(c, label=labels[name]) if name in labels else c for name, c in classes.items()
    }


def _base_shapes(parameters: Parameters, roots: Sequence[Factor]) -> dict[str, tuple[int, ...]]:
    if not roots or len(roots[0].size) < 2:
        return {}
    shapes = {}
    for name, dims in parameters.items():
        sizes = []
        for dim in dims:
            size = 1
            for piece in expand(dim):
                size *= piece.factor.size[1]
            sizes.append(size)
        shapes[name] = tuple(sizes)
    return shapes
