"""Per-layer learning rates of Everett et al., by table and by how far weights align with inputs.

Exponents of Adam's learning rate; without multipliers the four tables they compare are two, which
differ in the readout's std and the gradients' size alone:

| alignment | embedding | hidden, readout |   | table           | readout std | gradient     |
|-----------|-----------|-----------------|   |-----------------|-------------|--------------|
| full      | 1         | fan_in^-1       |   | sp, ntk         | fan_in^-1/2 | fan_out^-1/2 |
| none      | 1         | fan_in^-1/2     |   | mup, mean_field | fan_in^-1   | fan_out^-1   |
"""

from collections.abc import Mapping
from fractions import Fraction

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role

EVERETT = "Everett et al., Scaling Exponents (arXiv:2407.05872)"

READOUT: Mapping[str, Fraction] = {
    "sp": Fraction(-1, 2),
    "ntk": Fraction(-1, 2),
    "mup": Fraction(-1),
    "mean_field": Fraction(-1),
}
"""Exponent of the readout's std by table; the gradients of all before it have the same."""

ALIGNMENT: Mapping[str, Fraction] = {"full": Fraction(-1), "none": Fraction(-1, 2)}
"""Exponent of Adam's learning rate in hidden weights and the readout, by alignment."""

_CELLS = "uncertain: its cells were derived from the paper's exponents, not copied"
_FULL = (
    "empirical: readout std of fan_in^-1/2 with full alignment has no stable limit; its logits' "
    "first update was measured to grow as width^0.5"
)
_NONE = (
    "empirical: rates for updates that never align with what they multiply; in measured networks "
    "features and outputs grow from the first step on, as width^0.35 and more"
)
_SAFE = "empirical: chosen in the paper by sweeps; the rates are muP's"


def everett(table: str, alignment: str) -> Parametrization:
    """One of the eight presets.

    >>> print(everett("sp", "none").rules[Role.HIDDEN].lr_sgd)
    fan_in^-1/2 fan_out^1/2
    """
    readout, rate = READOUT[table], ALIGNMENT[alignment]
    source = f"{EVERETT}, Table 1: {table}, {alignment} alignment; empirical"
    gradient = Power.of(fan_out=readout)
    slower = Power.of(fan_in=rate)
    return Parametrization(
        name=f"everett({table}, {alignment})",
        source=source,
        rules={
            Role.INPUT: Rule(ONE, ONE, gradient, f"{source}, embedding"),
            Role.HIDDEN: Rule(Power.of(fan_in="-1/2"), slower, gradient, f"{source}, hidden"),
            Role.OUTPUT: Rule(Power.of(fan_in=readout), slower, ONE, f"{source}, readout"),
            Role.VECTOR: Rule(ONE, ONE, gradient, f"{source}, embedding: fan-in 1"),
            Role.SCALAR: Rule(ONE, ONE, ONE, f"{source}; scalars do not change"),
        },
        attention=ONE,
        attention_source=f"{EVERETT} has no row for attention: logits as written",
        tied_readout=slower,
        tied_readout_source=(
            f"{source}; derived: one weight has one learning rate, and a multiplier of the "
            "readout's rate lets both uses move as their rows say"
        ),
        cautions=(_standing(readout, alignment), _CELLS),
    )


def _standing(readout: Fraction, alignment: str) -> str:
    if alignment == "none":
        return _NONE
    return _SAFE if readout == -1 else _FULL
