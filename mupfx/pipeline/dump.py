"""What a pass made, as text: ``--dump-after PASS``."""

import json
from collections.abc import Callable, Mapping

from mupfx.core.analysis import Analysis
from mupfx.core.plan import Plan
from mupfx.errors import TargetError

DUMPS: Mapping[str, Callable[[Analysis], str]] = {
    "capture": lambda a: str(a.captured),
    "normalize": lambda a: str(a.program),
    "axes": lambda a: "\n".join(_axes(a)),
    "roles": lambda a: "\n".join(
        f"{r.name}: {r.role} ({r.status}), {r.why}" for r in a.roles.values()
    ),
    "streams": lambda a: "\n".join(
        [*map(str, a.streams.streams), *(_branch(b) for b in a.streams.branches)]
    ),
    "sites": lambda a: "\n".join(map(str, a.sites)) or "no sites",
}
"""Passes in order, with how their result prints."""


def dump(result: Analysis | Plan, name: str) -> str:
    """The textual form of what one pass made.

    Raises:
        TargetError: No pass is called so.
    """
    if isinstance(result, Plan):
        return json.dumps(result.to_dict(), indent=1)
    if name not in DUMPS:
        raise TargetError(f"no pass is called {name!r}", expected=", ".join([*DUMPS, "plan"]))
    return DUMPS[name](result)


def _axes(analysis: Analysis) -> list[str]:
    axes = analysis.axes
    lines = [
        f"{c.name} {c.label} = {c.size} {c.kind} ({c.status}): {c.evidence}"
        for c in axes.classes.values()
    ]
    for node in analysis.program.graph.nodes:
        dims = axes.nodes.get(node.name)
        if dims is not None:
            lines.append(f"{node.name}: [{', '.join(analysis.axis(d) for d in dims)}]")
    return lines


def _branch(branch: object) -> str:
    fields = ("name", "stream", "block", "start", "end", "layers")
    return "Branch(" + ", ".join(f"{f}={getattr(branch, f)!r}" for f in fields) + ")"
