"""What every written file has in common: how weights are held and read, and a main."""

TEMPLATE = '''"""{title}

Weights are in weights.safetensors, under the names of the original model; torch and safetensors
are all that this file needs. It computes what the original does in evaluation mode.
"""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


{multipliers}{functions}


BUFFERS = {buffers}
"""Names that do not train."""
TIED = {tied}
"""Names that are another name of a parameter."""
INPUTS = {inputs}
"""Of the example: dtype, sizes, and for integers what they stay below."""


class Model(nn.Module):
    """The weights, and ``forward`` over them; it trains like any module."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in weights.items():
            owner, own = self._owner(name)
            if name in BUFFERS:
                owner.register_buffer(own, value)
            else:
                owner.register_parameter(own, nn.Parameter(value))
        for name, other in TIED.items():
            owner, own = self._owner(name)
            owner.register_parameter(own, self.get_parameter(other))

    def _owner(self, name: str) -> tuple[nn.Module, str]:
        owner: nn.Module = self
        *path, own = name.split(".")
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        return owner, own

    def forward(self, *inputs: Tensor) -> Any:
        weights = dict(self.named_parameters(remove_duplicate=False))
        return forward(weights | dict(self.named_buffers()), *inputs)


def load(path: str | Path = Path(__file__).with_name("weights.safetensors")) -> Model:
    """The model with its weights."""
    return Model(load_file(path))


def random_input(dtype: str, sizes: tuple[int, ...], below: int) -> Tensor:
    """A tensor like that of the example."""
    kind = getattr(torch, dtype)
    if kind.is_floating_point or kind.is_complex:
        return torch.randn(sizes, dtype=kind)
    return torch.randint(below, sizes).to(kind)


def shapes(value: Any) -> Any:
    """The shape of every tensor, in the same containers."""
    if isinstance(value, dict):
        return {{key: shapes(member) for key, member in value.items()}}
    if isinstance(value, list | tuple):
        return type(value)(map(shapes, value))
    return tuple(value.shape) if isinstance(value, Tensor) else value


def main() -> None:
    """Run the model on random inputs, and print the shapes of what it returns."""
    with torch.no_grad():
        output = load()(*(random_input(*like) for like in INPUTS.values()))
    print(shapes(output))


if __name__ == "__main__":
    main()
'''
