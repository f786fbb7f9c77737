"""Networks beside the way from inputs to outputs: how wide they are inside is a convention.

One of constants alone is a table in other words; one whose values only choose adds nothing to what
it chooses among. Their inner sizes stay, as ``assumed``::

    positions (t 2) -> Linear(2, 512) -> relu -> Linear(512, heads)    512 stays
    tokens (t d) -> Linear(d, 24) -> gelu -> Linear(24, experts) -> topk    24 stays
"""

from collections.abc import Iterable, Iterator

from torch import fx

from mupfx.core.ops import holds_floats, is_pick, packet
from mupfx.core.reach import behind
from mupfx.passes.axis_rules.factors import Factor, expand
from mupfx.passes.axis_rules.facts import Answers, Facts, roots
from mupfx.passes.axis_rules.tracker import Tracker
from mupfx.tables.choices import PICKING, RANKING

CONSTANTS = "inside a network of constants alone, which is a table"
CHOICE = "inside a network whose values only choose"


def beside(facts: Facts, answers: Answers) -> Iterator[tuple[Factor, str]]:
    """Open factors that weights of such a network make, and nothing else has; with a reason."""
    tracker = facts.tracker
    for nodes, reason in (
        (_of_constants(tracker), CONSTANTS),
        (_only_choosing(facts, answers), CHOICE),
    ):
        elsewhere = _axes_of(tracker, (n for n in tracker.active if n not in nodes))
        names = {n.name for n in nodes}
        made = {
            id(f): f
            for use in facts.tracker.uses
            if use.fan_in and use.node in names
            for d, dim in enumerate(facts.parameters.get(use.parameter, ()))
            if d not in use.fan_in
            for f in roots(dim)
        }
        for key, factor in made.items():
            if key not in elsewhere and key not in answers:
                yield factor, reason


def _of_constants(tracker: Tracker) -> set[fx.Node]:
    """Activations whose only data are numbers in the code, at least some of them no whole ones."""
    plain: set[fx.Node] = set()
    found: set[fx.Node] = set()
    for node in tracker.env:
        data = [n for n in node.all_input_nodes if holds_floats(n) or n in tracker.active]
        data = [n for n in data if not tracker.is_weight(n)]
        if node in tracker.active:
            if data and all(n in found or n in plain for n in data):
                found.add(node)
        elif not tracker.is_weight(node) and all(n in plain for n in node.all_input_nodes):
            plain.add(node)
    return found


def _only_choosing(facts: Facts, answers: Answers) -> set[fx.Node]:
    """Activations that are ranked, and are part of no output otherwise than by their rank."""
    tracker = facts.tracker
    contracting = {use.node for use in tracker.uses if use.fan_in}
    ranked = [n for n in tracker.env if _ranks(tracker, n)]
    scores = behind([n.all_input_nodes[0] for n in ranked], until=contracting)
    carrying = _carrying(facts, answers, scores)
    if contracting.isdisjoint(n.name for n in carrying):
        return set()
    return tracker.active & (behind(ranked) - carrying)


def _ranks(tracker: Tracker, node: fx.Node) -> bool:
    """Whether a node says which of learned scores are largest, not only how large."""
    if packet(node) not in RANKING or holds_floats(node):
        return False
    scores = node.all_input_nodes[0]
    return holds_floats(scores) and tracker.is_learned(scores)


def _carrying(facts: Facts, answers: Answers, scores: set[fx.Node]) -> set[fx.Node]:
    """Nodes whose values are part of the outputs', and do not merely choose among others."""
    chosen = _choices(facts.tracker)
    last = next(iter(facts.tracker.env)).graph.output_node()
    found: set[fx.Node] = set()
    queue = list(last.all_input_nodes)
    while queue:
        node = queue.pop()
        if node in found or _is_whole(node):
            continue
        found.add(node)
        picked = _picked(node, chosen)
        if picked is None or picked not in scores or _has_open_axis(node, facts, answers):
            queue += node.all_input_nodes
    return found


def _choices(tracker: Tracker) -> set[fx.Node]:
    """Rankings of learned scores, and whole numbers made of them."""
    found: set[fx.Node] = set()
    for node in tracker.env:
        made = _is_whole(node) and any(n in found for n in node.all_input_nodes)
        if made or _ranks(tracker, node):
            found.add(node)
    return found


def _picked(node: fx.Node, chosen: set[fx.Node]) -> fx.Node | None:
    """What the model takes entries of here, by its own choice."""
    source = node.all_input_nodes[0] if node.all_input_nodes else None
    if is_pick(node) and source in chosen:
        return source.all_input_nodes[0]
    picks = packet(node) in PICKING and any(n in chosen for n in node.all_input_nodes[1:])
    return source if picks else None


def _has_open_axis(node: fx.Node, facts: Facts, answers: Answers) -> bool:
    dims = facts.tracker.env.get(node)
    return not isinstance(dims, tuple) or any(
        id(f) not in answers for dim in dims for f in roots(dim)
    )


def _is_whole(node: fx.Node) -> bool:
    """Whether a node holds whole numbers or truth values, which no gradient passes."""
    return hasattr(node.meta.get("val"), "dtype") and not holds_floats(node)


def _axes_of(tracker: Tracker, nodes: Iterable[fx.Node]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        value = tracker.env.get(node)
        for dims in value if isinstance(value, list) else [value] if value else []:
            found |= {id(p.factor) for dim in dims for p in expand(dim)}
    return found
