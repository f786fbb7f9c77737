"""What can be trained: losses that are one number with a gradient, and optimizers that step alone.

What goes wrong in code of the user's is said as an error of the target, with it as the cause.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mupfx.core.setup import Loss
from mupfx.errors import MupfxError, OptimizerError, TargetError
from mupfx.pipeline.checking.target import raised


def guarded(loss: Loss, name: str, where: str = "") -> Loss:
    """A loss that says what is wrong with it.

    Args:
        loss: From model and batch to a scalar.
        name: Whose it is.
        where: At which size.
    """

    def one_number(model: nn.Module, batch: Any) -> Tensor:
        try:
            found = loss(model, batch)
        except MupfxError:
            raise
        except Exception as error:
            raise raised(f"the loss of `{name}`", error, where) from error
        return _required(found, name)

    return one_number


def _required(found: object, name: str) -> Tensor:
    """One number, which parameters are behind.

    Raises:
        TargetError: It is something else.
    """
    expected = "loss(model, batch) is a scalar tensor that the model's parameters are behind"
    if not isinstance(found, Tensor) or found.numel() != 1:
        kind = (
            f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        )
        raise TargetError(f"the loss of `{name}` is no number", expected=expected, found=kind)
    if torch.is_grad_enabled() and not found.requires_grad:
        raise TargetError(
            f"the loss of `{name}` has no gradient",
            expected=expected,
            hint="leave out detach(), item() and no_grad() on the way to it",
        )
    return found


def require_plain(optimizer: Optimizer) -> None:
    """Refuse optimizers that evaluate the model themselves.

    Raises:
        OptimizerError: This one does.
    """
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise OptimizerError(
            "an optimizer that evaluates the model several times a step cannot be followed",
            found=type(optimizer).__name__,
            hint="take the optimizer that trains at scale",
        )
