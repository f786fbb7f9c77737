"""Optimizers that torch lacks, as small as can be: what tests of families train with."""

from typing import Any

import torch
from torch import Tensor


class _Simple(torch.optim.Optimizer):
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        del closure
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.mul_(1 - group["lr"] * group["weight_decay"])
                        state = self.state[parameter]
                        update = self.update(group, state, parameter.grad)
                        parameter.add_(update, alpha=-group["lr"])

    def update(self, group: dict[str, Any], state: dict[str, Tensor], grad: Tensor) -> Tensor:
        raise NotImplementedError


class Lion(_Simple):
    """The sign of a mean of gradients."""

    mupfx_family = "sign"

    def __init__(self, params: Any, lr: float = 1e-3, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    def update(self, group: dict[str, Any], state: dict[str, Tensor], grad: Tensor) -> Tensor:
        del group
        mean = state.setdefault("exp_avg", torch.zeros_like(grad))
        update = (0.9 * mean + 0.1 * grad).sign()
        mean.mul_(0.99).add_(grad, alpha=0.01)
        return update


class Atan2(Lion):
    """Adam without eps."""

    def update(self, group: dict[str, Any], state: dict[str, Tensor], grad: Tensor) -> Tensor:
        del group
        mean = state.setdefault("exp_avg", torch.zeros_like(grad))
        square = state.setdefault("exp_avg_sq", torch.zeros_like(grad))
        mean.lerp_(grad, 0.1)
        square.lerp_(grad.square(), 0.01)
        return torch.atan2(mean, square.sqrt())


class Shampoo(_Simple):
    """Both sides to the power -1/4; vectors as Adagrad."""

    mupfx_family = "shampoo"

    def __init__(
        self, params: Any, lr: float = 1e-2, eps: float = 1e-4, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "eps": eps, "weight_decay": weight_decay})

    def update(self, group: dict[str, Any], state: dict[str, Tensor], grad: Tensor) -> Tensor:
        if grad.ndim != 2:
            square = state.setdefault("square", torch.full_like(grad, group["eps"]))
            square.add_(grad.square())
            return grad / square.sqrt()
        eye = [group["eps"] * torch.eye(size, dtype=grad.dtype) for size in grad.shape]
        left, right = state.setdefault("left", eye[0]), state.setdefault("right", eye[1])
        left.add_(grad @ grad.T)
        right.add_(grad.T @ grad)
        return _root(left) @ grad @ _root(right)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix.double())
    floor = torch.finfo(matrix.dtype).eps * float(values[-1])
    root: Tensor = (vectors * values.clamp_min(floor) ** -0.25) @ vectors.T
    return root.to(matrix.dtype)
