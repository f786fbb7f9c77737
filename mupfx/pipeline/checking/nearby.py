"""Which weight a constant in the code stands beside: where its author will have meant it.

``linear(x, w) * c`` and ``linear(x / m, w)`` both stand beside ``w``; so does ``norm(x) / m`` where
a matrix reads it, for gains are rarely what is scaled.
"""

from math import log

from mupfx.core.vocabulary import Role, SiteKind
from mupfx.pipeline.checking.subject import Subject

VECTORS = (Role.VECTOR, Role.SCALAR)


def natural(subject: Subject) -> dict[str, float]:
    """By parameter, the exponent of the constants beside it, but for those that sites count."""
    last = subject.last
    theirs = [w.site for w in last.sites if w.site.kind is not SiteKind.BRANCH or w.expected != 1]
    counted = {n for site in theirs for n in (*site.constants, site.node)}
    found: dict[str, float] = {}
    for constant in last.scales.constants:
        name = None if constant.node in counted else _beside(subject, constant.node)
        if name is not None:
            found[name] = found.get(name, 0.0) + constant.ratio / log(last.ratio)
    return found


def _beside(subject: Subject, node: str) -> str | None:
    roles = subject.last.analysis.roles
    behind = [n for n in subject.last.scales.forms.get(node, {}) if n in roles]
    matrices = [n for n in behind if roles[n].role not in VECTORS]
    if matrices:
        return matrices[0] if len(matrices) == 1 else None
    ahead = readers(subject, node)
    if len(ahead) == 1:
        return ahead[0]
    return behind[0] if len(behind) == 1 else None


def readers(subject: Subject, node: str) -> list[str]:
    """Matrices that what a node makes is contracted with."""
    users = {user.name for user in subject.nodes[node].users}
    return [
        name
        for name, role in subject.last.analysis.roles.items()
        if any(use.node in users and use.fan_in for _, use in role.uses)
    ]
