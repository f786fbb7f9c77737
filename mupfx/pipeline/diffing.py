"""What a change did to a plan: parameter by parameter, site by site, each property by itself.

::

    head.weight   role              hidden -> output
    head.weight   lr (adam, adamw)  fan_in^-1 (0.25) -> fan_in^-1 (0.125)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mupfx.core.plan import OptimizerFactors, ParameterPlan, Plan, SitePlan
from mupfx.core.plan_change import PlanChange
from mupfx.core.power import Power

APPEARED, VANISHED = "appeared", "vanished"

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
    "init std": lambda p: _factor(p.init.power.value(p.symbols), p.init.power),
    "init factor": lambda p: _number(p.init.factor),
    "multiplier": lambda p: _factor(p.multiplier, p.gauge),
    "rule": lambda p: p.source,
}
"""Properties of a parameter, each as a diff shows it."""

_FAMILY: Mapping[str, Callable[[OptimizerFactors], object]] = {
    "lr": lambda f: _factor(f.lr, f.lr_power),
    "weight decay": lambda f: _factor(f.weight_decay, f.weight_decay_power),
    "eps": lambda f: _factor(f.eps, f.eps_power),
    "others": lambda f: ", ".join(f"{k} {_factor(*v)}" for k, v in sorted(f.others.items())),
}
"""The same of what one optimizer family makes of it."""

_SITE: Mapping[str, Callable[[SitePlan], object]] = {
    "kind": lambda s: s.kind,
    "multiplier": lambda s: _factor(s.multiplier, s.power),
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
            yield from _properties(name, _PARAMETER, before, after)
            yield from _families(name, before, after)
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


def _families(where: str, old: ParameterPlan, new: ParameterPlan) -> Iterator[Difference]:
    """Families whose numbers changed alike share an entry."""
    alike: dict[tuple[str, object, object], list[str]] = {}
    for family, after in new.optimizers.items():
        before = old.optimizers.get(family)
        if before is not None:
            for _, what, was, now in _properties(where, _FAMILY, before, after):
                alike.setdefault((what, was, now), []).append(family)
    for (what, was, now), families in alike.items():
        yield where, f"{what} ({', '.join(families)})", was, now


def _vanished(old: Plan, new: Plan) -> Iterator[Difference]:
    for name, parameter in old.parameters.items():
        if name not in new.parameters:
            yield name, VANISHED, parameter.role, None
    for name, site in old.sites.items():
        if name not in new.sites:
            yield name, VANISHED, _SITE["multiplier"](site), None


def _factor(value: float | None, power: Power | None) -> str:
    """A number, and the power that it is.

    >>> _factor(0.25, Power.of(fan_in=-1)), _factor(None, None)
    ('fan_in^-1 (0.25)', '')
    """
    if value is None or power is None:
        return ""
    return _number(value) if str(power) == "1" else f"{power} ({_number(value)})"


def _number(value: float) -> str:
    return f"{value:.4g}"


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def _text(value: object) -> str | None:
    return None if value is None or str(value) == "" else str(value)
