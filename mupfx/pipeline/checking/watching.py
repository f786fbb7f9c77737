"""What a loss calls its model with: its first call, stopped before the model runs.

``loss(model, batch)`` with ``model(batch["ids"], mask=batch["mask"])`` in it gives
``((ids,), {"mask": mask})``; nothing of the model has run, and no buffer has changed.
"""

from typing import Any, NoReturn

import torch
from torch import nn

from mupfx.core.setup import Loss


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
