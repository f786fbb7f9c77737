"""Everything about a model that a refused conversion must leave as it was, as comparable data."""

import random
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

HOOKS = (
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_load_state_dict_post_hooks",
    "_load_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
)


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Values bit for bit, identities, flags, hooks, attributes, and the generators of both kinds."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers()]
    return {
        "tensors": {name: tensor_print(tensor) for name, tensor in tensors},
        "modules": {
            name: module_print(module)
            for name, module in model.named_modules(remove_duplicate=False)
        },
        "torch generator": torch.get_rng_state().numpy().tobytes(),
        "python generator": random.getstate(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
    }


def module_print(module: nn.Module) -> tuple[Any, ...]:
    hooks = {name: list(vars(module).get(name, {}).items()) for name in HOOKS}
    attributes = {name: value_print(value) for name, value in vars(module).items()}
    return id(module), type(module), module.training, hooks, attributes


def value_print(value: object) -> object:
    """Plain values, and the identity of tensors in lists (a recurrent net keeps its weights so)."""
    if isinstance(value, list | tuple):
        return [id(member) for member in value if isinstance(member, torch.Tensor)]
    return value if isinstance(value, bool | int | float | str) else type(value)


def tensor_print(tensor: torch.Tensor) -> tuple[Any, ...]:
    attributes = sorted(vars(tensor))
    place = (id(tensor), tensor.dtype, str(tensor.device), tensor.requires_grad, tensor.grad)
    if is_lazy(tensor) or tensor.is_meta:
        return (*place, attributes, None)
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return (*place, attributes, tuple(tensor.shape), values.numpy().tobytes())
