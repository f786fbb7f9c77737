"""The plan: every number a conversion needs, with the rule behind each.

Plain frozen data that survives JSON; everything downstream (optimizer groups, init, export, check)
reads the plan and nothing else. Factors are relative to the user's own values at the base.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role, SiteKind

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class InitPlan:
    """How a parameter's starting values relate to the base's."""

    law: str | None
    """The law the values were drawn from; None where there are no values yet (meta device)."""
    std: float | None
    base_std: float | None
    factor: float
    """What the values at hand are multiplied by."""
    power: Power
    """``std = base_std * power`` (and the gauge)."""
    zeros: tuple[tuple[int, int, int, int], ...] = ()
    """Parts that start at zero, where the whole does not: dimension, start, stop, period."""


@dataclass(frozen=True, slots=True)
class OptimizerFactors:
    """Factors on the user's hyperparameters; ``weight_decay`` is None where no rule exists."""

    lr: float
    weight_decay: float | None
    eps: float | None
    lr_power: Power
    weight_decay_power: Power | None
    eps_power: Power | None
    others: Mapping[str, tuple[float, Power]] = field(default_factory=dict)
    """Of hyperparameters that only some optimizers have; ``eps.1`` is an entry of a tuple."""


@dataclass(frozen=True, slots=True)
class Scales:
    """The numbers that every optimizer's hyperparameters follow, in the canonical gauge."""

    lr_adam: Power = ONE
    gradient: Power = ONE
    init_std: Power = ONE

    @property
    def as_written(self) -> bool:
        """Nothing is scaled, whatever grew: neither is what an optimizer makes of the shape."""
        return self == Scales()


@dataclass(frozen=True, slots=True)
class Rows:
    """Entries ``i`` of a dimension with ``start <= i % period < stop``: one of several fused."""

    dim: int
    start: int
    stop: int
    period: int
    base_size: int
    """How many there are at the base."""
    role: Role


@dataclass(frozen=True, slots=True)
class ParameterPlan:
    """Everything about one parameter."""

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in_ratio: Fraction
    fan_out_ratio: Fraction
    depth_ratio: Fraction
    init: InitPlan
    multiplier: float
    """Effective weight over stored weight."""
    optimizers: Mapping[str, OptimizerFactors]
    branch: str | None
    tied_to: tuple[str, ...]
    source: str
    """Rule, paper and table."""
    evidence: tuple[str, ...]
    """The chain from the graph to the role, a sentence a link."""
    scales: Scales = Scales()
    gauge: Power = ONE
    """The exact form of ``multiplier``."""
    base_shape: tuple[int, ...] = ()
    parts: tuple[Rows, ...] = ()
    """Of a fused parameter: the matrices it is put together of."""

    @property
    def symbols(self) -> Mapping[str, Fraction]:
        """What the symbols of its powers are worth."""
        return {
            "fan_in": self.fan_in_ratio,
            "fan_out": self.fan_out_ratio,
            "depth": self.depth_ratio,
        }


@dataclass(frozen=True, slots=True)
class Baked:
    """Entries of a parameter that carry a multiplier once it is multiplied into stored values."""

    parameter: str
    dim: int | None = None
    """None for all of it; else entries ``i`` of this one with ``start <= i % period < stop``."""
    start: int = 0
    stop: int = 0
    period: int = 0
    untied: bool = False
    """Of a tied parameter: under this name alone, which is a parameter of its own from then on."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A multiplier that belongs to no single weight, and where it went."""

    name: str
    kind: SiteKind
    multiplier: float
    power: Power
    lowering: str
    """``none`` (multiplier 1), ``fold``, ``hook`` or ``graph``."""
    target: tuple[str, ...]
    """Parameters folded into, the module hooked, or the nodes inserted."""
    source: str
    evidence: str
    choice: float = 1.0
    """What of ``multiplier`` the user chose; the rest is ``power``."""
    baked: tuple[Baked, ...] = ()
    """Of ``hook`` and ``graph``: the entries that make it unnecessary, once they are multiplied."""
    baked_before: tuple[Baked, ...] = ()
    """Others that do so and untie nothing, where ``baked`` unties."""
    unbaked: str = ""
    """Why there are none."""


def shared_by(site: SitePlan) -> object:
    """The same for folded sites that one multiplier serves: calls of a module that runs again."""
    return site.kind, site.multiplier, site.target


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole conversion as data."""

    parametrization: str
    base: Mapping[str, Any]
    parameters: Mapping[str, ParameterPlan]
    sites: Mapping[str, SitePlan]
    notes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of tied parameters, to the one planned."""

    def to_dict(self) -> dict[str, Any]:
        """The ``plan.json`` format, schema 1."""
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "parametrization": self.parametrization,
            "base": dict(self.base),
            "parameters": {name: _parameter(p) for name, p in self.parameters.items()},
            "sites": {name: _site(s) for name, s in self.sites.items()},
            "aliases": dict(self.aliases),
            "notes": list(self.notes),
        }
        return body | {"hash": _digest(body)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Plan":
        """Read ``to_dict``'s format.

        Raises:
            ValueError: The schema is another, or the hash does not fit the contents.
        """
        if data.get("schema") != SCHEMA:
            raise ValueError(f"plan schema {data.get('schema')}, expected {SCHEMA}")
        body = {key: value for key, value in data.items() if key != "hash"}
        if data.get("hash") != _digest(body):
            raise ValueError("plan hash does not fit its contents: the file was edited")
        return cls(
            parametrization=data["parametrization"],
            base=data["base"],
            parameters={n: _read_parameter(n, p) for n, p in data["parameters"].items()},
            sites={n: _read_site(n, s) for n, s in data["sites"].items()},
            notes=tuple(data["notes"]),
            aliases=data["aliases"],
        )


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parameter(p: ParameterPlan) -> dict[str, Any]:
    return {
        "role": str(p.role),
        "shape": list(p.shape),
        "fan_in_ratio": float(p.fan_in_ratio),
        "fan_out_ratio": float(p.fan_out_ratio),
        "depth_ratio": float(p.depth_ratio),
        "ratios": [str(p.fan_in_ratio), str(p.fan_out_ratio), str(p.depth_ratio)],
        "init": {
            "law": p.init.law,
            "std": p.init.std,
            "base_std": p.init.base_std,
            "factor": p.init.factor,
            "power": str(p.init.power),
            "zeros": [list(part) for part in p.init.zeros],
        },
        "multiplier": p.multiplier,
        "optimizers": {family: _factors(f) for family, f in p.optimizers.items()},
        "branch": p.branch,
        "tied_to": list(p.tied_to),
        "source": p.source,
        "evidence": list(p.evidence),
        "scales": {
            "lr_adam": str(p.scales.lr_adam),
            "gradient": str(p.scales.gradient),
            "init_std": str(p.scales.init_std),
        },
        "gauge": str(p.gauge),
        "base_shape": list(p.base_shape),
        "parts": [
            [part.dim, part.start, part.stop, part.period, part.base_size, str(part.role)]
            for part in p.parts
        ],
    }


def _factors(f: OptimizerFactors) -> dict[str, Any]:
    return {
        "lr": f.lr,
        "weight_decay": f.weight_decay,
        "eps": f.eps,
        "exponents": {
            "lr": str(f.lr_power),
            "weight_decay": None if f.weight_decay_power is None else str(f.weight_decay_power),
            "eps": None if f.eps_power is None else str(f.eps_power),
        },
        **_others(f),
    }


def _others(f: OptimizerFactors) -> dict[str, Any]:
    found = {key: [value, str(power)] for key, (value, power) in f.others.items()}
    return {"others": found} if found else {}


def _site(s: SitePlan) -> dict[str, Any]:
    return {
        "kind": str(s.kind),
        "multiplier": s.multiplier,
        "power": str(s.power),
        "lowering": s.lowering,
        "target": list(s.target),
        "source": s.source,
        "evidence": s.evidence,
        "choice": s.choice,
        **_baked(s),
    }


def _baked(s: SitePlan) -> dict[str, Any]:
    """Only what there is: most multipliers are folded."""
    rows = {"baked": s.baked, "baked_before": s.baked_before}
    found: dict[str, Any] = {
        key: [[b.parameter, b.dim, b.start, b.stop, b.period, b.untied] for b in row]
        for key, row in rows.items()
        if row
    }
    return found | ({"unbaked": s.unbaked} if s.unbaked else {})


def _read_parameter(name: str, data: Mapping[str, Any]) -> ParameterPlan:
    fan_in, fan_out, depth = (Fraction(text) for text in data["ratios"])
    init = data["init"]
    return ParameterPlan(
        name=name,
        shape=tuple(data["shape"]),
        role=Role(data["role"]),
        fan_in_ratio=fan_in,
        fan_out_ratio=fan_out,
        depth_ratio=depth,
        init=InitPlan(
            init["law"],
            init["std"],
            init["base_std"],
            init["factor"],
            Power.parse(init["power"]),
            tuple((dim, start, stop, period) for dim, start, stop, period in init["zeros"]),
        ),
        multiplier=data["multiplier"],
        optimizers={family: _read_factors(f) for family, f in data["optimizers"].items()},
        branch=data["branch"],
        tied_to=tuple(data["tied_to"]),
        source=data["source"],
        evidence=tuple(data["evidence"]),
        scales=Scales(**{key: Power.parse(text) for key, text in data["scales"].items()}),
        gauge=Power.parse(data["gauge"]),
        base_shape=tuple(data["base_shape"]),
        parts=tuple(
            Rows(dim, start, stop, period, size, Role(role))
            for dim, start, stop, period, size, role in data["parts"]
        ),
    )


def _read_factors(data: Mapping[str, Any]) -> OptimizerFactors:
    exponents = data["exponents"]
    power = {key: None if text is None else Power.parse(text) for key, text in exponents.items()}
    return OptimizerFactors(
        lr=data["lr"],
        weight_decay=data["weight_decay"],
        eps=data["eps"],
        lr_power=Power.parse(exponents["lr"]),
        weight_decay_power=power["weight_decay"],
        eps_power=power["eps"],
        others={
            key: (value, Power.parse(text)) for key, (value, text) in data.get("others", {}).items()
        },
    )


def _read_site(name: str, data: Mapping[str, Any]) -> SitePlan:
    return SitePlan(
        name=name,
        kind=SiteKind(data["kind"]),
        multiplier=data["multiplier"],
        power=Power.parse(data["power"]),
        lowering=data["lowering"],
        target=tuple(data["target"]),
        source=data["source"],
        evidence=data["evidence"],
        choice=data["choice"],
        baked=tuple(Baked(*row) for row in data.get("baked", ())),
        baked_before=tuple(Baked(*row) for row in data.get("baked_before", ())),
        unbaked=data.get("unbaked", ""),
    )
