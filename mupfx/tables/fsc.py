"""Plain nets in width and depth: gamma says how much features learn; FSC keeps it at one.

``gamma`` is depth^l over width^w: in Yaida's family depth / width^(1-s), so l = 1 and w = 1 - s; in
feature-speed correction l = w = 0. In ``depth``, the number of layers, and n:

| role          | init std                | SGD lr            | gradient, Adam eps      |
|---------------|-------------------------|-------------------|-------------------------|
| input, vector | 1                       | gamma n / depth^2 | (depth / gamma)^1/2 / n |
| hidden        | n^-1/2                  | gamma / depth^2   | (depth / gamma)^1/2 / n |
| output        | (depth / gamma)^1/2 / n | 1 / (n depth)     | 1                       |
| scalar        | 1                       | 1 / depth         | 1                       |
"""

from dataclasses import replace
from fractions import Fraction

from mupfx.core.parametrization import DepthRule, Parametrization, PlainRule, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.tables.mup import MUP

_CHIZAT = "Chizat and Netrapalli, The Feature Speed Formula (arXiv:2311.18718)"
_YAIDA = "Yaida, Meta-Principled Family of Hyperparameter Scaling Strategies (arXiv:2210.04909)"
_DERIVED = (
    "derived from equal shares of the loss's decrease for every layer; the exponent of features "
    "in gamma is measured, that of the tangent kernel is not"
)
_HALF = Fraction(1, 2)


def gamma(depth: Fraction, width: Fraction) -> Parametrization:
    """Plain nets of any nonlinearity, with gamma ``depth^l / width^w``.

    >>> print(gamma(Fraction(0), Fraction(0)).rules[Role.OUTPUT].init_std)
    fan_in^-1 depth^1/2
    """
    return _table(
        f"gamma({depth}, {width})",
        depth,
        width,
        f"{_YAIDA}; {_CHIZAT}; one table for both {_DERIVED}",
        PlainRule(relu=False),
    )


def _table(
    name: str, depth: Fraction, width: Fraction, source: str, plain: PlainRule
) -> Parametrization:
    by_depth = (1 - depth) * _HALF
    body = {"depth": by_depth, "fan_out": width * _HALF - 1}
    into = _rule(Power(), Power.of(fan_out=1 - width, depth=depth - 2), Power.of(**body), source)
    hidden = _rule(
        Power.of(fan_in=-_HALF),
        Power.of(fan_in=-1 - width, fan_out=1, depth=depth - 2),
        Power.of(**body),
        source,
    )
    readout = Power.of(fan_in=width * _HALF - 1, depth=by_depth)
    return Parametrization(
        name=name,
        source=source,
        rules={
            Role.INPUT: into,
            Role.VECTOR: into,
            Role.HIDDEN: replace(hidden, contraction=MUP.rules[Role.HIDDEN].contraction),
            Role.OUTPUT: _rule(readout, Power.of(fan_in=-1, depth=-1), ONE, source),
            Role.SCALAR: _rule(ONE, Power.of(depth=-1), ONE, source),
        },
        attention_source="as written: a plain net has no attention",
        tied_readout_source="as written: a plain net ties nothing",
        plain=plain,
    )


def _rule(init_std: Power, lr_sgd: Power, gradient: Power, source: str) -> Rule:
    """By SGD's learning rate: Adam's is that times the gradient."""
    return Rule(init_std, lr_sgd * gradient, gradient, source)


_FSC = f"{_CHIZAT}: feature-speed correction; {_DERIVED}"
_RESIDUAL = replace(
    MUP,
    name="fsc",
    source=f"{MUP.source}; in depth {_FSC}",
    depth=replace(DepthRule.of(_HALF, _FSC), around=Power.of(depth=-1)),
)
FSC = _table("fsc", Fraction(0), Fraction(0), _FSC, PlainRule(relu=True, residual=_RESIDUAL))
