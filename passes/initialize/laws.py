"""The init column of the plan: the law behind every parameter's values, and the exact factor.

``std = base_std * power`` must hold afterwards, and the values were drawn at this width, so::

    factor = power * (std of the law at the base) / (std of the law here)

nn.Linear 64 -> 256, hidden in muP: 4^-1/2 * (1/sqrt(64)) / (1/sqrt(256)) = 1.
"""

import math
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from mupfx.core.init_law import Distribution, Fan, Fans, Law
from mupfx.core.plan import ParameterPlan
from mupfx.core.vocabulary import Role, Status
from mupfx.errors import InitError, MupfxWarning
from mupfx.passes.initialize.captured import Captured, captured_fit, clash, exact_sample, sentence
from mupfx.passes.initialize.choose import Choice, choices, chosen_fit
from mupfx.passes.initialize.fit import Context, Fit
from mupfx.passes.initialize.match import Match, recognise
from mupfx.passes.initialize.refuse import refusal
from mupfx.passes.initialize.sample import measure
from mupfx.passes.initialize.settle import settle
from mupfx.tables.init_laws import DOCUMENTED


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of laws of initialisation besides the values; each by parameter name."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    """Laws that the user names, by name or pattern."""
    base_params: Mapping[str, Tensor] = field(default_factory=dict)
    """Values of a base model made the same way."""
    documented: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Laws that a parameter's module draws from by default."""
    captured: Mapping[str, Captured] = field(default_factory=dict)
    """Laws that the factories of the model and of the base were seen to ask for."""
    by_depth: bool = False
    """Undo what a law itself divides by depth: the parametrization has its own rule for that."""


NO_HINTS = Hints()


def plan_init(
    params: Mapping[str, Tensor],
    parameters: Mapping[str, ParameterPlan],
    fans: Mapping[str, Fans],
    hints: Hints = NO_HINTS,
    *,
    strict: bool = True,
) -> dict[str, ParameterPlan]:
    """Fill in the law, std and factor of every parameter; nothing is written to a tensor.

    Args:
        params: The values at hand. Those on the meta device get the factor of their rule alone,
            until ``finish_init`` sees values.
        parameters: The rows of the plan as ``assign`` made them, no multiplier absorbed yet.
        fans: Sizes here and at the base.
        hints: What else is known of the laws.
        strict: Refuse what cannot be told, instead of taking its std for constant.

    Raises:
        InitError: Two laws fit a parameter and scale differently, or none is known to fit.
        ValueError: A multiplier was absorbed before.
    """
    early = [name for name, p in parameters.items() if p.multiplier != 1 or p.init.factor != 1]
    if early:
        raise ValueError(f"multipliers were absorbed before init was planned: {early[:3]}")
    ruled = {
        name: replace(p, init=replace(p.init, factor=_snapped(_rule(p))))
        for name, p in parameters.items()
    }
    return finish_init(params, ruled, fans, hints, strict=strict)


def finish_init(
    params: Mapping[str, Tensor],
    parameters: Mapping[str, ParameterPlan],
    fans: Mapping[str, Fans],
    hints: Hints = NO_HINTS,
    *,
    strict: bool = True,
) -> dict[str, ParameterPlan]:
    """Fill in the laws that a plan lacks, now that there are values; arguments as above."""
    named = choices(hints.overrides, parameters)
    layers = _layers(parameters.values())
    seen = _captured(hints.captured, parameters, named)
    contexts = {
        name: Context(
            fans[name], hints.documented.get(name, ()), layers if p.role is Role.HIDDEN else ()
        )
        for name, p in parameters.items()
        if p.init.law is None and name not in named and name not in seen
    }
    exact = {name: exact_sample(c.here) for name, c in hints.captured.items() if c.here.known}
    clashes = _clashes(hints.captured, params, contexts)
    matches = {
        name: recognise(name, params[name], context, hints.base_params.get(name), exact.get(name))
        for name, context in contexts.items()
        if name not in clashes
    }
    settled = settle(matches, contexts) | clashes
    found = _resolved(settled, parameters, fans, strict=strict)
    if hints.by_depth:
        found = {
            n: (_at_base_depth(fit, layers, parameters[n]), w) for n, (fit, w) in found.items()
        }
    found |= seen
    for name, choice in named.items():
        if isinstance(choice, Law):
            fit = chosen_fit(name, choice, fans[name], exact.get(name) or measure(params[name]))
            found[name] = fit, f"init: {fit} (named by the user)"
    found |= _likened(named, found)
    return {
        name: _filled(p, *found[name]) if name in found else p for name, p in parameters.items()
    }


def _captured(
    captured: Mapping[str, Captured],
    parameters: Mapping[str, ParameterPlan],
    named: Collection[str],
) -> dict[str, tuple[Fit, str]]:
    """What was seen, here and at the base, of parameters whose law is still open."""
    fits = {
        name: captured_fit(captured[name])
        for name, p in parameters.items()
        if p.init.law is None and name in captured and name not in named
    }
    return {name: (fit, sentence(captured[name])) for name, fit in fits.items() if fit is not None}


def _clashes(
    captured: Mapping[str, Captured], params: Mapping[str, Tensor], open_: Collection[str]
) -> dict[str, Match]:
    """Parameters that the base draws otherwise: no law of these values can be both."""
    found = {name: clash(captured[name]) for name in open_ if name in captured}
    return {
        name: Match(
            name,
            None,
            Status.UNKNOWN,
            sample=exact_sample(captured[name].here) or measure(params[name]),
            why=why,
        )
        for name, why in found.items()
        if why
    }


def _at_base_depth(fit: Fit, layers: Collection[int], parameter: ParameterPlan) -> Fit:
    """A std over the square root of all layers is larger at a base of fewer: undone in growth."""
    if fit.layers == 1 or fit.layers not in layers or parameter.depth_ratio == 1:
        return fit
    return replace(fit, growth=fit.growth * math.sqrt(parameter.depth_ratio))


def documented_laws(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """What the modules that own a model's parameters draw from by default, by parameter name.

    >>> documented_laws(nn.Linear(2, 3))["bias"]
    ('torch_linear', 'torch_bias')
    """
    found: dict[str, tuple[str, ...]] = {}
    for path, module in model.named_modules():
        laws = tuple(
            law for kind, laws in DOCUMENTED.items() if isinstance(module, kind) for law in laws
        )
        for name, _ in module.named_parameters(recurse=False):
            full = f"{path}.{name}" if path else name
            found[full] = found.get(full, ()) + laws
    return found


def _resolved(
    matches: Mapping[str, Match],
    parameters: Mapping[str, ParameterPlan],
    fans: Mapping[str, Fans],
    *,
    strict: bool,
) -> dict[str, tuple[Fit, str]]:
    found: dict[str, tuple[Fit, str]] = {}
    refused: list[Match] = []
    for name, match in matches.items():
        if match.sample is None:
            continue
        fit = match.fit or _kept(match, parameters[name].role, fans[name])
        if fit is None:
            refused.append(match)
        status = match.status if match.fit else Status.ASSUMED
        fit = fit or _as_is(match)
        found[name] = fit, f"init: {fit} ({status}: {match.why})"
    if refused and strict:
        raise refusal(refused, {m.name: parameters[m.name] for m in refused})
    if refused:
        names = ", ".join(match.name for match in refused)
        warnings.warn(f"the std of {names} is taken for constant", MupfxWarning, stacklevel=4)
    return found


def _likened(
    named: Mapping[str, Choice], found: Mapping[str, tuple[Fit, str]]
) -> dict[str, tuple[Fit, str]]:
    """What the user says shares another parameter's law."""
    pairs = {name: other for name, other in named.items() if isinstance(other, str)}
    for name, other in pairs.items():
        if other in pairs:
            raise InitError(
                f"init gives {name!r} the law of {other!r}, which has no law of its own",
                found=f"init={{{other!r}: {pairs[other]!r}}}",
                hint="name a law there",
            )
    fits = {name: replace(found[o][0], like=o) for name, o in pairs.items() if o in found}
    return {name: (fit, f"init: {fit} (named by the user)") for name, fit in fits.items()}


def _kept(match: Match, role: Role, fans: Fans) -> Fit | None:
    """What needs no law: vectors, sizes that did not change, embeddings that were not drawn."""
    vector = role in {Role.VECTOR, Role.SCALAR}
    table = role is Role.INPUT and not match.rivals and not match.random
    return _as_is(match) if vector or table or fans.equal else None


def _as_is(match: Match) -> Fit:
    std = 0.0 if match.sample is None else match.sample.std
    return Fit(Law("kept", Distribution.OTHER, Fan.ONE, std), std, 1.0, 0.0, 0.0)


def _filled(parameter: ParameterPlan, fit: Fit, why: str) -> ParameterPlan:
    init = parameter.init
    zeros = fit.law.name == "zeros"
    factor = 1.0 if zeros else _snapped(init.factor * fit.growth)
    unknown = math.isnan(fit.std)
    return replace(
        parameter,
        init=replace(
            init,
            law=fit.law.name,
            std=None if unknown else fit.std * factor,
            base_std=None if unknown else fit.base_std,
            factor=factor,
        ),
        evidence=(*parameter.evidence, why),
    )


def _rule(parameter: ParameterPlan) -> float:
    return parameter.init.power.value(
        {
            "fan_in": parameter.fan_in_ratio,
            "fan_out": parameter.fan_out_ratio,
            "depth": parameter.depth_ratio,
        }
    )


def _snapped(factor: float) -> float:
    """One, where it is one up to rounding: values then stay bit for bit what they are."""
    return 1.0 if math.isclose(factor, 1.0, rel_tol=1e-12) else factor


def _layers(parameters: Collection[ParameterPlan]) -> tuple[int, ...]:
    """Numbers of like hidden weights, and twice that: attention and MLP."""
    counts = Counter(p.shape for p in parameters if p.role is Role.HIDDEN)
    return tuple(sorted({m * count for count in counts.values() for m in (1, 2)}))
