"""Everything the analysis passes found about one model, and its two printed forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx

from mupfx.core.axes import Axes, Axis, FactorClass, ParameterRole, Part
from mupfx.core.base import Ratios, Uneven
from mupfx.core.program import Program
from mupfx.core.structure import Site, Streams
from mupfx.core.vocabulary import Role

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result of ``mupfx.analyze``."""

    captured: Program
    """As the frontend gave it."""
    program: Program
    """Normalised: what the later passes saw."""
    axes: Axes
    roles: Mapping[str, ParameterRole]
    streams: Streams
    sites: tuple[Site, ...]
    ratios: Ratios | None
    """Growth from the base, where one was given."""
    findings: tuple[str, ...]
    """What a reader should know, a sentence each."""
    twins: Mapping[fx.Node, fx.Node]
    """Nodes of the base's graph, where a base model was given."""
    ends: tuple[Site, ...] = ()
    """Last readouts, and embeddings with what the code multiplies them by."""
    uneven: tuple[Uneven, ...] = ()
    """Layers that did not grow alike."""

    @property
    def parameters(self) -> Mapping[str, ParameterRole]:
        """What each parameter is, by name."""
        return self.roles

    @property
    def classes(self) -> Mapping[str, FactorClass]:
        """Factor classes by name."""
        return self.axes.classes

    @property
    def unreached(self) -> tuple[str, ...]:
        """Parameters that the example never touched."""
        return self.program.unreached

    def to_dict(self) -> dict[str, Any]:
        """The ``inspect --json`` format, schema 1."""
        stored = {c for role in self.roles.values() for dim in role.axes for c in dim}
        stored |= {s.factor_class for s in self.streams.streams if s.factor_class}
        return {
            "schema": SCHEMA,
            "capture": self.program.frontend,
            "classes": {n: _class(c) for n, c in self.axes.classes.items() if n in stored},
            "parameters": {n: self._parameter(r) for n, r in self.roles.items()},
            "streams": [
                {"class": s.factor_class, "depth": s.depth, "block_depth": s.block_depth}
                for s in self.streams.streams
            ],
            "sites": [
                {"name": s.name, "kind": str(s.kind), "classes": list(s.classes), "scale": s.scale}
                for s in self.sites
            ],
            "unreached": list(self.unreached),
            "findings": list(self.findings),
        }

    def _parameter(self, role: ParameterRole) -> dict[str, Any]:
        branches = {b.name: b for b in self.streams.branches}
        name = dict(self.streams.parameters).get(role.name)
        found: dict[str, Any] = {
            "shape": list(role.shape),
            "axes": [list(axis) for axis in role.axes],
            "role": str(role.role),
            "fan_in": list(role.fan_in),
            "fan_out": list(role.fan_out),
            "branch": name,
            "block": branches[name].block if name is not None else None,
            "tied_to": list(role.tied_to),
            "status": str(role.status),
            "why": role.why,
        }
        several = {r for r, u in role.uses if u.fan_in or u.index}
        if len(several) > 1:
            found["uses"] = [_use(r, u.fan_in or u.index, u.fan_out) for r, u in role.uses]
        if role.parts:
            found["parts"] = [_part(p) for p in role.parts]
        return found

    def axis(self, axis: Axis) -> str:
        """An axis in words: ``kv_heads 2 x group 3 x head_dim 8``."""
        classes = [self.axes.classes[c] for c in axis]
        return " x ".join(f"{c.label} {c.size}" for c in classes) or "1"


def _class(c: FactorClass) -> dict[str, Any]:
    found: dict[str, Any] = {
        "size": c.size,
        "kind": str(c.kind),
        "reason": str(c.reason) if c.reason is not None else c.evidence,
        "label": c.label,
        "status": str(c.status),
        "evidence": c.evidence,
    }
    if c.override is not None:
        found["override"] = c.override
    return found if c.base_size is None else found | {"base_size": c.base_size}


def _part(part: Part) -> dict[str, Any]:
    return {
        "dim": part.dim,
        "start": part.start,
        "stop": part.stop,
        "period": part.period,
        "axis": list(part.axis),
        "role": str(part.role),
        "fan_in": part.fan_in,
        "fan_out": part.fan_out,
    }


def _use(role: Role, fan_in: tuple[int, ...], fan_out: tuple[int, ...]) -> dict[str, Any]:
    return {"role": str(role), "fan_in": list(fan_in), "fan_out": list(fan_out)}
