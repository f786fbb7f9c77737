"""What a loss calls its model with: its first call, stopped before the model runs.

``loss(model, batch)`` with ``model(batch["ids"], mask=batch["mask"])`` in it gives
``((ids,), {"mask": mask})``; nothing of the model has run, and no buffer has changed.
"""

import types
from typing import Any, NoReturn

import torch
from torch import nn

from mupfx.core.setup import Loss

_WHOLE = "_mupfx_called_by_loss"


def called_by(model: nn.Module, loss: Loss) -> None:
    """Make calling a model be its loss, for a loss that calls parts or other methods of it alone.

    The model stays the same object with the same names in it; ``model(batch)`` is its loss.
    """
    own = type(model)

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        whole = _WHOLE in self.__dict__
        return loss(self, *args) if whole else own.forward(self, *args, **kwargs)

    model.__dict__[_WHOLE] = True  # others of this class may be made: slices of a Sequential
    model.__class__ = types.new_class(own.__name__, (own,), exec_body=_of(own, forward))


def _of(own: type, forward: Any) -> Any:
    names = {"forward": forward, "__module__": own.__module__, "__qualname__": own.__qualname__}
    return lambda body: body.update(names)


class _Called(BaseException):
    """The model was called."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.call = args, kwargs
        super().__init__()


def first_call(
    model: nn.Module, batch: Any, loss: Loss
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Arguments of the first call of a model in its loss; None where it is never called itself."""

    def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NoReturn:
        raise _Called(args, kwargs)

    handle = model.register_forward_pre_hook(stop, with_kwargs=True, prepend=True)
    try:
        with torch.random.fork_rng():
            loss(model, batch)
    except _Called as called:
        return called.call
    finally:
        handle.remove()
    return None
