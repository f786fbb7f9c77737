"""Optimizer families as rows, and the optimizer classes that belong to each.

``m_A``, ``m_S``, ``m_g`` are a role's factors of Adam's learning rate, of SGD's, and of the
gradient's size:

| family | lr  | weight decay      | eps | when the multiplier grows by t: lr, weight decay, eps |
|--------|-----|-------------------|-----|-------------------------------------------------------|
| sgd    | m_S | 1/m_S             | -   | t^-2, t^2, 1                                          |
| adam   | m_A | coupled: no rule  | m_g | t^-1, t^2, t                                          |
| adamw  | m_A | 1/m_A             | m_g | t^-1, t, t                                            |

A new optimizer is a row of ``CLASSES``; one that answers differently, a row of ``FAMILIES`` too.
"""

from collections.abc import Mapping
from typing import Any

from mupfx.core.optimizer_family import OptimizerFamily, Scaling
from mupfx.errors import OptimizerError

_TP5 = "Tensor Programs V (arXiv:2203.03466)"

FAMILIES: Mapping[str, OptimizerFamily] = {
    "sgd": OptimizerFamily(
        name="sgd",
        lr=Scaling.LR_SGD,
        weight_decay=Scaling.INVERSE_LR,
        eps=Scaling.NONE,
        gauge_lr=-2,
        gauge_weight_decay=2,
        gauge_eps=0,
        source=f"{_TP5}, Table 3, SGD; decay rate lr * weight_decay kept, as in MuSGD of mup",
    ),
    "adam": OptimizerFamily(
        name="adam",
        lr=Scaling.LR_ADAM,
        weight_decay=Scaling.NO_RULE,
        eps=Scaling.GRADIENT,
        gauge_lr=-1,
        gauge_weight_decay=2,
        gauge_eps=1,
        source=f"{_TP5}, Table 3, Adam, and Appendix B.3: its L2 penalty does not fit muP; eps "
        "follows the gradient, as in Everett et al. (arXiv:2407.05872)",
    ),
    "adamw": OptimizerFamily(
        name="adamw",
        lr=Scaling.LR_ADAM,
        weight_decay=Scaling.INVERSE_LR,
        eps=Scaling.GRADIENT,
        gauge_lr=-1,
        gauge_weight_decay=1,
        gauge_eps=1,
        source=f"{_TP5}, Table 3, Adam; decay rate lr * weight_decay kept (Wang and Aitchison, "
        "arXiv:2405.13698; MuAdamW of mup); eps follows the gradient (arXiv:2407.05872)",
    ),
}

CLASSES: Mapping[str, str] = {
    "torch.optim.sgd.SGD": "sgd",
    "torch.optim.adam.Adam": "adam",
    "torch.optim.adamw.AdamW": "adamw",
}
"""Family of each optimizer class; subclasses follow their nearest listed base."""

DECOUPLED: Mapping[str, str] = {"adam": "adamw"}
"""The family meant when the ``decoupled_weight_decay`` argument is true."""


def family_of(
    optimizer_class: type[Any], hyperparameters: Mapping[str, Any], family: str | None = None
) -> OptimizerFamily:
    """Find the family of an optimizer class.

    Args:
        optimizer_class: The class, looked up along its bases.
        hyperparameters: Its arguments; only ``decoupled_weight_decay`` is looked at.
        family: The family's name, for a class this table does not list.

    >>> import torch
    >>> family_of(torch.optim.Adam, {"decoupled_weight_decay": True}).name
    'adamw'

    Raises:
        OptimizerError: The class is not listed and no family was named, or no known one.
    """
    name = _listed(optimizer_class) if family is None else family
    if hyperparameters.get("decoupled_weight_decay"):
        name = DECOUPLED.get(name, name)
    if name in FAMILIES:
        return FAMILIES[name]
    raise OptimizerError(
        "no optimizer family of this name", expected=_choices(FAMILIES), found=repr(family)
    )


def _listed(optimizer_class: type[Any]) -> str:
    for base in optimizer_class.__mro__:
        if found := CLASSES.get(f"{base.__module__}.{base.__qualname__}"):
            return found
    raise OptimizerError(
        "how this optimizer scales is not known",
        expected=", ".join(path.rpartition(".")[2] for path in CLASSES) + ", or a subclass of one",
        found=f"{optimizer_class.__module__}.{optimizer_class.__qualname__}",
        hint='name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd"',
    )


def _choices(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names)
