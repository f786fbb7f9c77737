"""What a change did to a plan: parameter by parameter, site by site, each property by itself.

A number that only follows its ratio, in the same power of it, is told by the ratio alone::

    head.weight   fan-in ratio      4 -> 8
    head.weight   role              hidden -> output
    head.weight   lr (adam, adamw)  1 -> fan_in^-1 (0.25)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mupfx.core.plan import OptimizerFactors, ParameterPlan, Plan, SitePlan
from mupfx.core.plan_change import PlanChange
from mupfx.core.power import ONE, Power

APPEARED, VANISHED = "appeared", "vanished"


@dataclass(frozen=True, slots=True)
class _Factor:
    """A number, and the power that it is.

    >>> str(_Factor(0.25, Power.of(fan_in=-1))), str(_Factor(None))
    ('fan_in^-1 (0.25)', '')
    """

    value: float | None
    power: Power | None = ONE

    def __str__(self) -> str:
        """As a diff shows it."""
        if self.value is None or self.power is None:
            return ""
        return f"{self.value:.4g}" if self.power == ONE else f"{self.power} ({self.value:.4g})"


_PARAMETER: Mapping[str, Callable[[ParameterPlan], object]] = {
    "role": lambda p: p.role,
    "shape": lambda p: _sizes(p.shape),
    "base shape": lambda p: _sizes(p.base_shape),
    "fan-in ratio": lambda p: p.fan_in_ratio,
    "fan-out ratio": lambda p: p.fan_out_ratio,
    "depth ratio": lambda p: p.depth_ratio,
    "branch": lambda p: p.branch,
    "tied to": lambda p: ", ".join(p.tied_to),
    "init law": lambda p: p.init.law,
    "init std": lambda p: _Factor(p.init.power.value(p.symbols), p.init.power),
    "init factor": lambda p: _Factor(p.init.factor),
    "multiplier": lambda p: _Factor(p.multiplier, p.gauge),
    "rule": lambda p: p.source,
}
"""Properties of a parameter, each as a diff shows it."""

_FAMILY: Mapping[str, Callable[[OptimizerFactors], object]] = {
    "lr": lambda f: _Factor(f.lr, f.lr_power),
    "weight decay": lambda f: _Factor(f.weight_decay, f.weight_decay_power),
    "eps": lambda f: _Factor(f.eps, f.eps_power),
}
"""The same of what one optimizer family makes of it."""

_SITE: Mapping[str, Callable[[SitePlan], object]] = {
    "kind": lambda s: s.kind,
    "multiplier": lambda s: _Factor(s.multiplier, s.power),
    "lowering": lambda s: s.lowering,
    "applied to": lambda s: ", ".join(s.target),
    "rule": lambda s: s.source,
}


def changes(old: Plan, new: Plan) -> tuple[PlanChange, ...]:
    """Everything that differs, in the order of the new plan; what vanished comes last."""
    return tuple(
        PlanChange(where, what, _text(before), _text(after))
        for where, what, before, after in _differences(old, new)
    )


Difference = tuple[str, str, object, object]


def _differences(old: Plan, new: Plan) -> Iterator[Difference]:
    if old.parametrization != new.parametrization:
        yield "plan", "parametrization", old.parametrization, new.parametrization
    yield from _base(old.base, new.base)
    for name, after in new.parameters.items():
        before = old.parameters.get(name)
        if before is None:
            yield name, APPEARED, None, after.role
        else:
            yield from _parameter(name, before, after)
    for site, found in new.sites.items():
        earlier = old.sites.get(site)
        if earlier is None:
            yield site, APPEARED, None, _SITE["multiplier"](found)
        else:
            yield from _properties(site, _SITE, earlier, found)
    yield from _vanished(old, new)


def _base(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield "plan", f"base {key}", _plain(old.get(key)), _plain(new.get(key))


def _properties(
    where: str, table: Mapping[str, Callable[[Any], object]], old: object, new: object
) -> Iterator[Difference]:
    for what, read in table.items():
        before, after = read(old), read(new)
        if before != after:
            yield where, what, before, after


def _parameter(name: str, old: ParameterPlan, new: ParameterPlan) -> Iterator[Difference]:
    """What differs of one parameter; families whose numbers changed alike share an entry."""
    grew = old.symbols != new.symbols or old.shape != new.shape
    for found in _properties(name, _PARAMETER, old, new):
        if not (grew and _follows(found)):
            yield found
    alike: dict[tuple[str, object, object], list[str]] = {}
    for family in (each for each in new.optimizers if each in old.optimizers):
        before, after = old.optimizers[family], new.optimizers[family]
        for found in _properties(name, _FAMILY, before, after):
            if not (grew and _follows(found)):
                alike.setdefault(found[1:], []).append(family)
    for (what, was, now), families in alike.items():
        yield name, f"{what} ({', '.join(families)})", was, now


def _follows(found: Difference) -> bool:
    """Whether a number is the same power of a ratio that changed."""
    old, new = found[2], found[3]
    return isinstance(old, _Factor) and isinstance(new, _Factor) and old.power == new.power


def _vanished(old: Plan, new: Plan) -> Iterator[Difference]:
    for name, parameter in old.parameters.items():
        if name not in new.parameters:
            yield name, VANISHED, parameter.role, None
    for name, site in old.sites.items():
        if name not in new.sites:
            yield name, VANISHED, _SITE["multiplier"](site), None


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _plain(value: object) -> str:
    if isinstance(value, Mapping) and value.keys() == {"label", "ratio"}:
        return f"ratio {value['ratio']}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def _text(value: object) -> str | None:
    return None if value is None or str(value) == "" else str(value)
