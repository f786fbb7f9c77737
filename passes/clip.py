"""The norm of all gradients, each weighed by how fast plain gradient descent trains its parameter.

``norm^2 = sum over parameters of kappa * |gradient|^2``, with the learning-rate factor of SGD for
kappa: it is how fast the loss would fall, and so the same at every width and in every gauge, where
the plain norm grows with the readout's gradient. At the base kappa is one: it is the plain norm.
"""

from collections.abc import Iterable
from math import sqrt

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from mupfx.core.plan import Plan
from mupfx.errors import PlanError
from mupfx.tables.optimizers import FAMILIES


def clip_(
    plan: Plan,
    named_parameters: Iterable[tuple[str, Tensor]],
    max_norm: float,
    *,
    error_if_nonfinite: bool,
    foreach: bool | None,
) -> Tensor:
    """Scale all gradients by one number, so that their weighed norm is at most ``max_norm``.

    Returns:
        The weighed norm before.

    Raises:
        PlanError: A parameter came to the model after the plan was made.
        RuntimeError: The norm is not finite, and this was to be an error.
    """
    weighed: dict[float, list[Tensor]] = {}
    for name, parameter in named_parameters:
        if parameter.grad is not None:
            weighed.setdefault(_kappa(plan, name), []).append(parameter)
    total = _total(weighed, foreach=foreach)
    if error_if_nonfinite and not bool(torch.isfinite(total)):
        raise RuntimeError(
            f"the total norm of the gradients is {float(total)}, so they cannot be clipped; "
            "error_if_nonfinite=False scales them by it anyway"
        )
    parameters = [parameter for members in weighed.values() for parameter in members]
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def _kappa(plan: Plan, name: str) -> float:
    row = plan.parameters.get(plan.aliases.get(name, name))
    if row is None:
        raise PlanError(
            "a parameter of the model is not in its plan",
            where=name,
            hint="convert the model again after changing it",
        )
    factor = FAMILIES["sgd"].factors(row)["lr"]
    return 1.0 if factor is None else factor[0]


def _total(weighed: dict[float, list[Tensor]], *, foreach: bool | None) -> Tensor:
    norms = []
    for kappa, members in weighed.items():
        gradients = [p.grad for p in members if p.grad is not None]
        norm = get_total_norm(gradients, foreach=foreach)
        norms.append(norm if kappa == 1 else norm * sqrt(kappa))
    if len(norms) < 2:
        return norms[0] if norms else torch.tensor(0.0)
    total: Tensor = torch.linalg.vector_norm(torch.stack([n.to(norms[0].device) for n in norms]))
    return total
