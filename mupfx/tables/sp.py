"""Standard parametrization: every factor is one, whatever the width.

Converting to it changes nothing; it is the control that muP is compared with.
"""

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE
from mupfx.core.vocabulary import Role

_SOURCE = (
    "the model's own init and one learning rate for all: standard parametrization, grey entries of "
    "Table 3 of Tensor Programs V (arXiv:2203.03466)"
)
_UNCHANGED = Rule(init_std=ONE, lr_adam=ONE, gradient=ONE, source=_SOURCE)

SP = Parametrization(
    name="sp",
    source=_SOURCE,
    rules={
        Role.INPUT: _UNCHANGED,
        Role.HIDDEN: _UNCHANGED,
        Role.OUTPUT: _UNCHANGED,
        Role.VECTOR: _UNCHANGED,
        Role.SCALAR: _UNCHANGED,
    },
    attention=ONE,
    attention_source="1/sqrt(head_dim), as written",
    tied_readout=ONE,
    tied_readout_source="one weight for both uses, as written",
    own_init=True,
)
