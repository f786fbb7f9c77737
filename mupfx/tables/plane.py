"""The plane of widths: every stable scaling of a network with width is one of its points.

A point is two exponents: ``q_s`` of the readout's std and ``q`` of the input's SGD learning rate.
With ``i`` and ``o`` for ``fan_in`` and ``fan_out`` its table is

| role         | init std | Adam lr       | gradient, Adam eps | SGD lr     |
|--------------|----------|---------------|--------------------|------------|
| input,vector | 1        | o^(q+q_s)     | o^q_s              | o^q        |
| hidden       | i^-1/2   | o^(q+q_s) i^-1| o^q_s              | o^q i^-1   |
| output       | i^q_s    | i^(q+2q_s)    | 1                  | i^(q+2q_s) |
| readout bias | 1        | i^(1+q+2q_s)  | 1                  | i^(1+q+2q_s)|
| scalar       | 1        | 1             | 1                  | 1          |

``plane(-1, 1)`` is muP and mean field, ``plane(-1/2, 0)`` NTK, and ``meta(s)`` the line between.
"""

from fractions import Fraction

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role

HALF = Fraction(1, 2)

GOLIKOV = "Golikov, Dynamically Stable Infinite-Width Limits (arXiv:2006.06574)"
JACOT = "Jacot et al., Neural Tangent Kernel (arXiv:1806.07572)"
MEI = "Mei et al., A Mean Field View (arXiv:1804.06561)"
YAIDA = "Yaida, Meta-Principled Family (arXiv:2210.04909)"
KARKADA = "Karkada, The Lazy and Rich Regimes (arXiv:2404.19719)"

_DERIVED = (
    "one hidden layer as published; layers between, biases and Adam's column are derived from it, "
    "with exponents measured on tanh networks"
)
_YAIDA_MAP = (
    "uncertain: widths' exponents are derived and measured; that they are what the paper writes "
    "as p, q and r was not checked letter by letter"
)
_KINKS = (
    "measured otherwise: with ReLU the tangent kernel's relative change falls as width^-0.5 to "
    "^-0.75 near NTK, not ^-1; the exponent holds for smooth activations (tanh, GELU)"
)
_UNSTABLE = (
    "unstable: features move more and more with width",
    "unstable: the output's change vanishes beside the output at the start",
)
_GROWING = (
    "uncertain: the change of the output grows with width, which a logistic loss bears and a "
    "squared one does not; measured over ten steps, updates fell short of their exponents"
)


def plane(q_s: Fraction, q: Fraction) -> Parametrization:
    """The table of one point.

    Args:
        q_s: Exponent of the readout's std.
        q: Exponent of the learning rate of input weights under SGD.

    >>> str(plane(Fraction(-1), Fraction(1)).rules[Role.HIDDEN].lr_sgd)
    'fan_in^-1 fan_out^1'
    """
    return point(f"plane({q_s}, {q})", q_s, q, f"{GOLIKOV}, the plane of q_sigma and q; {_DERIVED}")


def meta(s: Fraction) -> Parametrization:
    """Yaida's family: NTK at ``s = 0``, muP at ``s = 1``, the output's change alike at all."""
    source = f"{YAIDA}, metaparameter s = {s}: neural-tangent scaling at 0, maximal update at 1"
    return point(f"meta({s})", -(1 + s) / 2, s, source, (_YAIDA_MAP,))


def rich(r: Fraction) -> Parametrization:
    """Karkada's richness: ``|dh| ~ width^r`` with ``r`` from 0, lazy, to 1/2, rich."""
    source = f"{KARKADA}, richness r = {r}, which is s = {2 * r} of {YAIDA}"
    return point(f"rich({r})", -HALF - r, 2 * r, source)


def point(
    name: str, q_s: Fraction, q: Fraction, source: str, cautions: tuple[str, ...] = ()
) -> Parametrization:
    """The table of one point under a name of its own."""
    features, output = q + q_s, 1 + q + 2 * q_s
    table = f"{source}; q_s = {q_s}, q = {q}"
    return Parametrization(
        name=name,
        source=source,
        rules={
            Role.INPUT: Rule(
                init_std=ONE,
                lr_adam=Power.of(fan_out=features),
                gradient=Power.of(fan_out=q_s),
                source=f"{table}: input weights",
            ),
            Role.HIDDEN: Rule(
                init_std=Power.of(fan_in=-HALF),
                lr_adam=Power.of(fan_in=-1, fan_out=features),
                gradient=Power.of(fan_out=q_s),
                contraction=Power.of(fan_out=q / 2, fan_in=-q / 2) if q > 0 else None,
                source=f"{table}: hidden weights",
            ),
            Role.OUTPUT: Rule(
                init_std=Power.of(fan_in=q_s),
                lr_adam=Power.of(fan_in=q + 2 * q_s),
                gradient=ONE,
                source=f"{table}: output weights",
            ),
            Role.VECTOR: Rule(
                init_std=ONE,
                lr_adam=Power.of(fan_out=features),
                gradient=Power.of(fan_out=q_s),
                source=f"{table}: vectors, an input weight with fan-in 1",
            ),
            Role.SCALAR: Rule(ONE, ONE, ONE, source=f"{table}: scalars do not change"),
        },
        attention=Power.of(head_dim=-HALF - features),
        attention_source=(
            f"{table}: derived, logits of head_dim^-(1 + q + q_s), as large once queries have "
            "moved along keys; 1/head_dim where features are learned, 1/sqrt(head_dim) at NTK"
        ),
        tied_readout=Power.of(fan_in=q_s),
        tied_readout_source=(
            f"{table}: derived, with a multiplier fan_in^q_s one weight of the input's rule has "
            "the readout's std, SGD rate and Adam rate too, and both its gradients are alike; "
            "where the stream carries the embedding to the readout, a token's logit for itself is "
            f"width^({1 + q_s}) at the start"
        ),
        readout_bias=_readout_bias(output, table),
        point=(q_s, q),
        cautions=(*cautions, *_cautions(features, output)),
    )


def _readout_bias(output: Fraction, table: str) -> Rule | None:
    """None where it is a scalar like any other: where the output's change does not grow."""
    if output == 0:
        return None
    rate = Power.of(fan_in=output)
    return Rule(ONE, rate, ONE, source=f"{table}: readout bias, as fast as the readout")


def _cautions(features: Fraction, output: Fraction) -> tuple[str, ...]:
    found = {
        _UNSTABLE[0]: features > 0,
        _UNSTABLE[1]: features < -HALF,
        _KINKS: features < 0,
        _GROWING: output > 0,
    }
    return tuple(caution for caution, holds in found.items() if holds)


NTK = point(
    "ntk",
    -HALF,
    Fraction(0),
    f"{JACOT}, section 2: weights over sqrt(fan-in), one learning rate; {GOLIKOV}: the NTK point",
)
MEAN_FIELD = point(
    "mean_field",
    Fraction(-1),
    Fraction(1),
    f"{MEI}, one hidden layer; {GOLIKOV}: the MF point; with layers between them it is muP",
)
SYM_DEFAULT = point(
    "sym_default",
    -HALF,
    HALF,
    f"{GOLIKOV}: the sym-default point, PyTorch's default init with symmetric rates",
)
