"""A copy of a converted model that is ordinary: its own class, every multiplier in its weights.

A tied weight stays tied where other parameters can carry what differs, such as the gain of the norm
before a readout: then the values also fit the class as it is written. Else it is untied.
"""

import copy
import warnings
from dataclasses import dataclass

from torch import nn

from mupfx.core.conversion import STANDARD, unmark_standard
from mupfx.errors import LoweringError, MupfxWarning
from mupfx.passes.capture import tied
from mupfx.pipeline.lowering import conversions
from mupfx.pipeline.standard import standard


def own_copy(model: nn.Module) -> nn.Module:
    """The model as it is, multipliers where they are, in evaluation mode and without gradients."""
    return copy.deepcopy(model).eval().requires_grad_(requires_grad=False)


@dataclass(frozen=True, slots=True)
class Stock:
    """A model without mupfx."""

    module: nn.Module
    """In evaluation mode."""
    notes: tuple[str, ...] = ()
    """A sentence for whatever became other than it was."""
    untie: bool = False
    """Whether weights were untied for it."""


def stock_copy(model: nn.Module) -> Stock:
    """The model without mupfx, as the same function.

    Args:
        model: Converted, or not at all.

    Raises:
        LoweringError: A multiplier cannot be multiplied into any weight.
    """
    stock = own_copy(model)
    if next(conversions(stock), None) is None:
        return Stock(stock, _said(stock))  # of to_standard, if it was called
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MupfxWarning)  # the notes say the same
        try:
            stock, untie = standard(stock, untie=False), False
        except LoweringError:
            stock, untie = standard(stock, untie=True), True
    return Stock(stock, _said(stock), untie)


def _said(stock: nn.Module) -> tuple[str, ...]:
    """What was noted on modules when they became ordinary; the notes are taken off."""
    marks = [module.__dict__.get(STANDARD) for module in stock.modules()]
    unmark_standard(stock)
    return tuple(note for mark in marks if mark for note in mark["notes"])


def untied(source: nn.Module, stock: nn.Module) -> tuple[str, ...]:
    """Names that share a parameter in the source, and have one of their own in its copy."""
    after = dict(stock.named_parameters(remove_duplicate=False))
    return tuple(
        other
        for name, others in tied(source).items()
        for other in others
        if after[other] is not after[name]
    )
