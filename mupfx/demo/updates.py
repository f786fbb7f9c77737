"""How much a layer's training has changed what it computes: the rms of ``(W_t - W_0) x_t``.

A well parametrized model changes each layer by the same amount at every width; under the standard
parametrization the change of a hidden layer grows in proportion to the width.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

Layer = nn.Linear | nn.Embedding


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies of the weights of all layers, by the layer's name."""
    return {name: layer.weight.detach().clone() for name, layer in _layers(model).items()}


@torch.no_grad()
def updates(model: nn.Module, start: Mapping[str, Tensor], tokens: Tensor) -> dict[str, float]:
    """The size of each layer's change since the start, on the model's present activations."""
    found: dict[str, float] = {}
    layers = _layers(model)
    hooks = [
        layer.register_forward_pre_hook(partial(_measure, found, name, start[name]))
        for name, layer in layers.items()
    ]
    model(tokens)
    for hook in hooks:
        hook.remove()
    return found


def _measure(
    found: dict[str, float], name: str, start: Tensor, layer: Layer, args: tuple[Tensor, ...]
) -> None:
    difference = layer.weight - start
    (x,) = args
    change = linear(x, difference) if isinstance(layer, nn.Linear) else embedding(x, difference)
    found[name] = float(change.square().mean().sqrt())


def _layers(model: nn.Module) -> dict[str, Layer]:
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, Layer)}
