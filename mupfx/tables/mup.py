"""Maximal update parametrization (muP), with all multipliers absorbed into init and learning rates.

| role           | init std                | Adam lr   | gradient, Adam eps | SGD lr           |
|----------------|-------------------------|-----------|--------------------|------------------|
| input, vector  | 1                       | 1         | fan_out^-1         | fan_out          |
| hidden         | fan_in^-1/2, contracted | fan_in^-1 | fan_out^-1         | fan_out fan_in^-1|
| output         | fan_in^-1               | fan_in^-1 | 1                  | fan_in^-1        |
| scalar         | 1                       | 1         | 1                  | 1                |
"""

from fractions import Fraction

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role

_TP5 = "Tensor Programs V (arXiv:2203.03466)"

MUP = Parametrization(
    name="mup",
    source=f"{_TP5}, Table 3 and Definition 4.1; by Lemma J.1 equal to Table 8, microsoft/mup",
    rules={
        Role.INPUT: Rule(
            init_std=ONE,
            lr_adam=ONE,
            gradient=Power.of(fan_out=-1),
            source=f"{_TP5}, Table 3, input weights",
        ),
        Role.HIDDEN: Rule(
            init_std=Power.of(fan_in="-1/2"),
            lr_adam=Power.of(fan_in=-1),
            gradient=Power.of(fan_out=-1),
            contraction=Power.of(fan_out="1/2", fan_in="-1/2"),
            source=(
                f"{_TP5}, Table 3, hidden weights; where fan-out grows less than fan-in, the std "
                "of the spectral condition (arXiv:2310.17813, Parametrization 1)"
            ),
        ),
        Role.OUTPUT: Rule(
            init_std=Power.of(fan_in=-1),
            lr_adam=Power.of(fan_in=-1),
            gradient=ONE,
            source=f"{_TP5}, Table 3, output weights",
        ),
        Role.VECTOR: Rule(
            init_std=ONE,
            lr_adam=ONE,
            gradient=Power.of(fan_out=-1),
            source=f"{_TP5}, Table 3, all biases (fan-in 1); norm gains by Appendix B.1",
        ),
        Role.SCALAR: Rule(
            init_std=ONE,
            lr_adam=ONE,
            gradient=ONE,
            source=f"{_TP5}, Appendix B.2, scalar-like parameters",
        ),
    },
    attention=Power.of(head_dim="-1/2"),
    attention_source=(
        f"{_TP5}, Definition 4.1: logits over head_dim, sqrt(head_dim) at the base; on short runs "
        "1/sqrt(head_dim) can be as stable, so this rests on the theory"
    ),
    tied_readout=Power.of(fan_in=-1),
    tied_readout_source=f"{_TP5}, Table 8: with a multiplier 1/fan_in both uses share one weight",
    point=(Fraction(-1), Fraction(1)),
)
