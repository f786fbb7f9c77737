"""From roles and ratios to numbers: one row of the plan per parameter.

The row of the parametrization's table for the role, evaluated at the parameter's own ratios. A
hidden weight whose fan-in and fan-out grew fourfold, in muP::

    init.power = fan_in^-1/2 (0.5)   optimizers["adamw"]: lr 0.25, weight_decay 4.0, eps 0.25
"""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from mupfx.core.axes import ParameterRole, Part, Use
from mupfx.core.base import Ratios
from mupfx.core.optimizer_family import OptimizerFamily, with_all_factors
from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.plan import InitPlan, ParameterPlan, Rows, Scales
from mupfx.core.power import Power
from mupfx.core.vocabulary import Role
from mupfx.errors import ParametrizationError

Values = Mapping[str, Fraction]
"""What ``fan_in``, ``fan_out`` and ``depth`` are worth for one parameter."""


def assign(
    roles: Mapping[str, ParameterRole],
    ratios: Ratios,
    parametrization: Parametrization,
    families: Mapping[str, OptimizerFamily],
    branches: Mapping[str, tuple[str | None, Fraction]],
) -> dict[str, ParameterPlan]:
    """Give every parameter its init power and its optimizer factors.

    Args:
        roles: The role of each parameter, by name.
        ratios: How much each factor class grew from the base.
        parametrization: The table of rules.
        families: The optimizer families to give factors for.
        branches: Parameters that depth has a part in: the residual branch that they are in, if
            any, and the depth ratio of all the streams, or of the layers.

    Raises:
        ParametrizationError: The table has no rule for a role of this model.
    """
    plans = {}
    for name, role in roles.items():
        rule = _rule(parametrization, role, roles)
        values = _values(role, ratios, branches.get(name))
        if rule is parametrization.readout_bias:
            values = {**values, "fan_in": _fan_in_beside(role, roles, ratios)}
        branch = branches[name][0] if name in branches else None
        if parametrization.depth is not None:
            rule = parametrization.depth.applied(rule, inside=branch is not None)
        plans[name] = _plan(role, values, rule, ratios, branch)
    return with_all_factors(plans, families)


def _plan(
    role: ParameterRole,
    values: Values,
    rule: Rule,
    ratios: Ratios,
    branch: str | None,
) -> ParameterPlan:
    power = init_power(rule, values)
    return ParameterPlan(
        name=role.name,
        shape=role.shape,
        role=role.role,
        fan_in_ratio=values["fan_in"],
        fan_out_ratio=values["fan_out"],
        depth_ratio=values["depth"],
        init=InitPlan(None, None, None, 1.0, power),
        multiplier=1.0,
        optimizers={},
        branch=branch,
        tied_to=role.tied_to,
        source=rule.source,
        evidence=(role.why, _growth(values), _stated(rule)),
        scales=Scales(rule.lr_adam, rule.gradient, power),
        base_shape=_base_shape(role, ratios),
        parts=tuple(_rows(role, part, ratios) for part in role.parts),
    )


def _rows(role: ParameterRole, part: Part, ratios: Ratios) -> Rows:
    size = (part.stop - part.start) * (role.shape[part.dim] // part.period)
    base = round(size / ratios.of_axis(part.axis))
    return Rows(part.dim, part.start, part.stop, part.period, base, part.role)


def _base_shape(role: ParameterRole, ratios: Ratios) -> tuple[int, ...]:
    axes = zip(role.shape, role.axes, strict=True)
    return tuple(round(size / ratios.of_axis(axis)) for size, axis in axes)


def _values(
    role: ParameterRole, ratios: Ratios, branch: tuple[str | None, Fraction] | None
) -> Values:
    fan_in, fan_out = role.fan_in, role.fan_out
    if role.role in {Role.VECTOR, Role.SCALAR}:
        fan_in, fan_out = (), tuple(range(len(role.axes)))
    both = tuple(d for d in fan_in if d in fan_out) if role.within else ()
    inside = ratios.of_axis(role.within)
    return {
        "fan_in": ratios.of_axes(role.axes, tuple(d for d in fan_in if d not in both)) * inside,
        "fan_out": ratios.of_axes(role.axes, fan_out) / inside,
        "depth": branch[1] if branch else Fraction(1),
    }


def _rule(
    parametrization: Parametrization, role: ParameterRole, roles: Mapping[str, ParameterRole]
) -> Rule:
    if parametrization.embedding is not None and _is_embedding(role):
        return parametrization.embedding
    if parametrization.readout_bias is not None and _readout_beside(role, roles) is not None:
        return parametrization.readout_bias
    if role.role in parametrization.rules:
        return parametrization.rules[role.role]
    raise ParametrizationError(
        f"the parametrization {parametrization.name!r} has no rule for role {role.role}",
        where=role.name,
        expected=f"a row for {role.role} in its rules",
        found=", ".join(parametrization.rules),
        hint=f"add Role.{role.role.name} to the rules of {parametrization.name!r}",
    )


def _is_embedding(role: ParameterRole) -> bool:
    return role.role is Role.INPUT and any(use.index for _, use in role.uses)


def _readout_beside(
    role: ParameterRole, roles: Mapping[str, ParameterRole]
) -> tuple[ParameterRole, Use] | None:
    """The output weight that a scalar is added beside, and its use as such."""
    beside = roles.get(role.companion or "")
    if role.role is not Role.SCALAR or beside is None:
        return None
    return next(((beside, use) for kind, use in beside.uses if kind is Role.OUTPUT), None)


def _fan_in_beside(
    role: ParameterRole, roles: Mapping[str, ParameterRole], ratios: Ratios
) -> Fraction:
    found = _readout_beside(role, roles)
    return Fraction(1) if found is None else ratios.of_axes(found[0].axes, found[1].fan_in)


def init_power(rule: Rule, values: Values) -> Power:
    """The init std's power; contracted where the fan-out grew less than the fan-in.

    >>> spectral = Power.of(fan_out="1/2", fan_in="-1/2")
    >>> hidden = Rule(Power.of(fan_in="-1/2"), Power(), Power(), "", spectral)
    >>> print(init_power(hidden, {"fan_in": Fraction(16), "fan_out": Fraction(4)}))
    fan_in^-1 fan_out^1/2
    """
    spectral = rule.contraction
    if spectral is None or _at_least_one(spectral, values):
        return rule.init_std
    return rule.init_std * spectral


def _at_least_one(power: Power, values: Values) -> bool:
    """Without rounding: where fan-in and fan-out grow alike, ``power`` is one."""
    whole = power ** lcm(*(exponent.denominator for _, exponent in power.exponents))
    return whole.value(values) >= 1


def _growth(values: Values) -> str:
    grown = [f"{name} grew by {value}" for name, value in values.items() if value != 1]
    return (", ".join(grown) or "every size is as at the base").replace("_", "-")


def _stated(rule: Rule) -> str:
    return (
        f"init std {rule.init_std}, Adam lr {rule.lr_adam}, SGD lr {rule.lr_sgd}, "
        f"gradient {rule.gradient}: {rule.source}"
    )
