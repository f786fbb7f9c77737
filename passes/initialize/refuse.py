"""The error where the law of some values cannot be told, with the line that gets past it."""

from collections.abc import Mapping, Sequence

from mupfx.core.init_law import Fan
from mupfx.core.plan import ParameterPlan
from mupfx.errors import InitError
from mupfx.passes.initialize.fit import Fit
from mupfx.passes.initialize.match import Match

SHOWN = 3
OTHER = "trained or pretrained values, or a law that is not known"


def refusal(matches: Sequence[Match], parameters: Mapping[str, ParameterPlan]) -> InitError:
    """One error for all parameters whose law is not known; the first is spelled out."""
    first = matches[0]
    describe = _ambiguous if first.rivals else _unknown
    return describe(first, parameters[first.name], _more([m.name for m in matches[1:]]))


def _ambiguous(match: Match, parameter: ParameterPlan, more: str) -> InitError:
    rule = parameter.init.factor
    found = "; or ".join(f"{fit} (factor {rule * fit.growth:.4g})" for fit in match.rivals)
    ways = " or ".join(f"init={{{match.name!r}: {_word(fit)!r}}}" for fit in match.rivals)
    return InitError(
        f"the values of {match.name!r} fit laws of initialisation that scale differently{more}",
        where=_where(match, parameter),
        expected="one law, or several that grow alike from the base to this width",
        found=found,
        hint=f"pass {ways}, or a base that has values",
    )


def _unknown(match: Match, parameter: ParameterPlan, more: str) -> InitError:
    return InitError(
        f"no known law of initialisation explains the values of {match.name!r}{more}",
        where=_where(match, parameter),
        expected="fresh values: a round std, or one that falls with a size of the tensor",
        found=match.why if " at the base" in match.why else OTHER,
        hint=(
            f"pass init={{{match.name!r}: 'constant'}} if the std is the same at every width, "
            "'fan_in' if it is a multiple of 1/sqrt(fan_in), or a base that has values"
        ),
    )


def _word(fit: Fit) -> str:
    return fit.like or ("constant" if fit.law.fan is Fan.ONE else fit.law.name)


def _where(match: Match, parameter: ParameterPlan) -> str:
    sample = match.sample
    seen = "" if sample is None else f", std {sample.std:.4g}, kurtosis {sample.kurtosis:.2f}"
    return f"{match.name} {list(parameter.shape)}{seen}"


def _more(names: Sequence[str]) -> str:
    if not names:
        return ""
    rest = ", ..." if len(names) > SHOWN else ""
    return f" (and of {len(names)} more: {', '.join(names[:SHOWN])}{rest})"
