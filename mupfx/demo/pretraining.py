"""The demo's model with its text, as a target that can be trained at any width.

``mupfx transfer mupfx.demo.pretraining:gpt --width 64 --width 128`` sweeps it.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mupfx.demo.corpus import batches, corpus
from mupfx.demo.gpt import CONTEXT, GPT

_MANY = 1 << 20
_HELD_OUT = 64
"""Windows of the text that is not trained on."""


def gpt(width: int, seed: int = 0, batch: int = 8) -> dict[str, Any]:
    """A GPT on the source of Python's own library.

    Args:
        width: Of the residual stream; heads are 16 wide.
        seed: Of the windows.
        batch: Windows in a step.
    """
    text, test = corpus()
    ((tokens, following),) = batches(test, count=1, size=_HELD_OUT, context=CONTEXT, seed=0)
    return {
        "model": GPT(width),
        "batches": batches(text, count=_MANY, size=batch, context=CONTEXT, seed=seed),
        "held_out": (tokens, following),
        "loss": loss,
    }


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the next byte."""
    tokens, following = batch
    return cross_entropy(model(tokens).flatten(0, 1), following.flatten())
