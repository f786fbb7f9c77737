"""u-muP: muP tuned at unit scale, here with all multipliers absorbed into init and learning rates.

| role          | init std                | Adam lr      | gradient, Adam eps |
|---------------|-------------------------|--------------|--------------------|
| embedding     | 1                       | fan_out^-1/2 | fan_out^-1         |
| input, vector | 1                       | 1            | fan_out^-1         |
| hidden        | fan_in^-1/2, contracted | fan_in^-1    | fan_out^-1         |
| output        | fan_in^-1               | fan_in^-1    | 1                  |
| scalar        | 1                       | 1            | 1                  |

Everything inside a residual branch learns at ``depth^-1/2`` of that. Its own SGD table is for the
gradients of unit-scaled ops, which are not those of a loss; SGD here has what Adam's rows imply.
"""

from fractions import Fraction

from mupfx.core.parametrization import DepthRule, Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role

_BLAKE = "Blake et al., u-muP (arXiv:2407.17465)"
_TABLE = f"{_BLAKE}, Table 2"
_GRADIENT = Power.of(fan_out=-1)
_BY_EXPERIMENT = (
    "empirical: the embedding's rate of fan_out^-1/2 was found by experiment; embeddings move less "
    "with width"
)
_ADAM_ONLY = (
    "only Adam and other scale-invariant optimizers are u-muP's; its SGD table is for gradients "
    "of unit-scaled ops and is not used"
)

U_MUP = Parametrization(
    name="u_mup",
    source=f"{_TABLE}, with multipliers absorbed; as in the package unit-scaling",
    rules={
        Role.INPUT: Rule(ONE, ONE, _GRADIENT, f"{_TABLE}, hidden weights, whose fan-in is finite"),
        Role.HIDDEN: Rule(
            init_std=Power.of(fan_in="-1/2"),
            lr_adam=Power.of(fan_in=-1),
            gradient=_GRADIENT,
            contraction=Power.of(fan_out="1/2", fan_in="-1/2"),
            source=(
                f"{_TABLE}, hidden weights: lr fan_in^-1/2 on a multiplier fan_in^-1/2; where "
                "fan-out grows less than fan-in, the std of the spectral condition "
                "(arXiv:2310.17813), as in muP"
            ),
        ),
        Role.OUTPUT: Rule(
            init_std=Power.of(fan_in=-1),
            lr_adam=Power.of(fan_in=-1),
            gradient=ONE,
            source=f"{_TABLE}, output weights: lr 1 on a multiplier fan_in^-1",
        ),
        Role.VECTOR: Rule(ONE, ONE, _GRADIENT, f"{_TABLE}; biases and gains as in unit-scaling"),
        Role.SCALAR: Rule(ONE, ONE, ONE, f"{_TABLE}; scalars do not change"),
    },
    embedding=Rule(
        init_std=ONE,
        lr_adam=Power.of(fan_out="-1/2"),
        gradient=_GRADIENT,
        source=f"{_TABLE}, embeddings: lr fan_out^-1/2, found by experiment",
    ),
    attention=Power.of(head_dim="-1/2"),
    attention_source=f"{_TABLE}: logits over head_dim",
    tied_readout=Power.of(fan_in=-1),
    tied_readout_source=(
        f"{_TABLE}, output multiplier fan_in^-1; u-muP does not tie, and a tied readout learns at "
        "the embedding's rate"
    ),
    depth=DepthRule.of(
        Fraction(1, 2), f"{_BLAKE}, as coded in unit-scaling: branches and rates of depth^-1/2"
    ),
    cautions=(_BY_EXPERIMENT, _ADAM_ONLY),
)
