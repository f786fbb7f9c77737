"""Optimizer families as rows, and the optimizer classes that belong to each.

``m_A``, ``m_S``, ``m_g``, ``m_w`` are a parameter's factors of Adam's learning rate, of SGD's
(``m_A / m_g``), of the gradient's size and of the weight's; ``span`` is sqrt(fan_in fan_out):

| family         | lr           | weight decay     | eps            | more                         |
|----------------|--------------|------------------|----------------|------------------------------|
| sgd, asgd      | m_S          | 1/lr             | -              | lambd 1/lr                   |
| adam, rmsprop  | m_A          | coupled: no rule | m_g            |                              |
| adamw          | m_A          | 1/lr             | m_g            |                              |
| radam, radamw  | m_A          | as adam, adamw   | m_g            | lr m_S in the first steps    |
| adagrad        | m_A          | coupled: no rule | m_g            | accumulator m_g^2            |
| adadelta       | m_S          | coupled: no rule | m_g^2          |                              |
| rprop          | m_A          | -                | -              | step_sizes m_A               |
| adafactor      | m_A / m_w    | 1/lr             | eps[1]: m_w    |                              |
| muon           | m_A span / a | 1/lr             | m_g span       | a: its own change by shape   |
| shampoo        | m_A span     | 1/lr             | (m_g span)^2   |                              |
| sign           | m_A          | 1/lr             | -              |                              |

How each moves with the gauge follows from the row. A new optimizer is a row of ``CLASSES``; one
that answers differently, a row of ``FAMILIES`` too.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any

from mupfx.core.optimizer_family import (
    ADAM_LR,
    GRADIENT,
    NOTHING,
    SGD_LR,
    WEIGHT,
    Caution,
    Decay,
    OptimizerFamily,
    Scaling,
)
from mupfx.errors import OptimizerError

ATTRIBUTE = "mupfx_family"
"""A class attribute by which an optimizer of one's own names its family, or holds its row."""

_TP5 = "Tensor Programs V (arXiv:2203.03466)"
_KEPT = "decay rate lr * weight_decay kept (Wang and Aitchison, arXiv:2405.13698)"
_EPS = "eps follows the gradient, as in Everett et al. (arXiv:2407.05872)"
_SPAN = Scaling(span=1)
_MOMENTS = {
    "step": NOTHING,
    "exp_avg": GRADIENT,
    "exp_avg_sq": GRADIENT**2,
    "max_exp_avg_sq": GRADIENT**2,
    "exp_inf": GRADIENT,
    "mu_product": NOTHING,
}


def muon_adjustment(shape: tuple[int, ...], settings: Mapping[str, Any]) -> float:
    """What ``torch.optim.Muon`` multiplies lr by for a matrix of this shape.

    >>> muon_adjustment((64, 16), {}), muon_adjustment((16, 64), {})
    (2.0, 1.0)
    """
    rows, columns = (*shape, 1, 1)[:2]
    mode = settings.get("adjust_lr_fn") or "original"
    if mode == "match_rms_adamw":
        return 0.2 * sqrt(max(rows, columns, 1))
    return sqrt(max(1.0, rows / max(columns, 1))) if mode == "original" else 1.0


_ADAM = OptimizerFamily(
    name="adam",
    lr=ADAM_LR,
    decay=Decay.COUPLED,
    others={"eps": GRADIENT},
    state=_MOMENTS,
    source=f"{_TP5}, Table 3, Adam, and Appendix B.3: its L2 penalty does not fit muP; {_EPS}",
)
_ADAMW = replace(
    _ADAM,
    name="adamw",
    decay=Decay.KEPT,
    source=f"{_TP5}, Table 3, Adam; {_KEPT}, as MuAdamW of mup; {_EPS}",
)
_SGD = OptimizerFamily(
    name="sgd",
    lr=SGD_LR,
    decay=Decay.KEPT,
    state={"momentum_buffer": GRADIENT},
    source=f"{_TP5}, Table 3, SGD; decay rate lr * weight_decay kept, as in MuSGD of mup",
)
_RECTIFIED = (
    "; its first steps, while rho_t is 5 or less, divide by nothing and are those of SGD with "
    "momentum: derived, and measured against width"
)
_MUON = OptimizerFamily(
    name="muon",
    lr=ADAM_LR * _SPAN,
    decay=Decay.KEPT,
    others={"eps": GRADIENT * _SPAN},
    state={"momentum_buffer": GRADIENT},
    adjusts=muon_adjustment,
    matrices_only=True,
    powers_of_two=True,
    source="spectral condition (arXiv:2310.17813): an update's norm is sqrt(fan_out / fan_in); "
    "less what adjust_lr_fn does already; the decay uses lr before that",
)

FAMILIES: Mapping[str, OptimizerFamily] = {
    "sgd": _SGD,
    "asgd": replace(
        _SGD,
        name="asgd",
        others={"lambd": SGD_LR**-1},
        state={
            "step": NOTHING, "mu": NOTHING, "eta": SGD_LR, "ax": WEIGHT,
        },
        source=f"{_TP5}, Table 3, SGD; lambd is a decay as well, and keeps its rate",
    ),
    "adam": _ADAM,
    "rmsprop": replace(
        _ADAM,
        name="rmsprop",
        state={
            "step": NOTHING, "square_avg": GRADIENT**2, "grad_avg": GRADIENT,
            "momentum_buffer": NOTHING,
        },
        source=f"as Adam: {_ADAM.source}",
    ),
    "adamw": _ADAMW,
    "radam": replace(
        _ADAM,
        name="radam",
        unrectified={"lr": GRADIENT**-1},
        source=f"as Adam{_RECTIFIED}",
    ),
    "radamw": replace(
        _ADAMW,
        name="radamw",
        unrectified={"lr": GRADIENT**-1, "weight_decay": GRADIENT},
        source=f"as AdamW{_RECTIFIED}",
    ),
    "adagrad": replace(
        _ADAM,
        name="adagrad",
        state={"step": NOTHING, "sum": GRADIENT**2},
        initial_state={"sum": GRADIENT**2},
        source="as Adam; the accumulator starts at a size of squared gradients",
    ),
    "adadelta": replace(
        _ADAM,
        name="adadelta",
        lr=SGD_LR,
        others={"eps": GRADIENT**2},
        state={"step": NOTHING, "square_avg": GRADIENT**2, "acc_delta": GRADIENT**2},
        source="derived: with eps beside squared gradients and squared updates alike, its updates "
        "are of the gradient's size; measured against width",
    ),
    "rprop": OptimizerFamily(
        name="rprop",
        lr=ADAM_LR,
        others={"step_sizes.0": ADAM_LR, "step_sizes.1": ADAM_LR},
        state={"step": NOTHING, "prev": GRADIENT, "step_size": ADAM_LR},
        source="as Adam: steps of a size of their own, along the gradient's sign",
    ),
    "adafactor": OptimizerFamily(
        name="adafactor",
        lr=ADAM_LR * WEIGHT**-1,
        decay=Decay.KEPT,
        others={"eps.1": WEIGHT},
        state={
            "step": NOTHING, "row_var": GRADIENT**2, "col_var": GRADIENT**2,
            "variance": GRADIENT**2,
        },
        cap=True,
        cautions={
            "eps.0": Caution(
                1e-15,
                "it is compared with gradients and with their squares, so that no factor makes "
                "it keep its effect as the model grows; pass eps=(1e-18, 1e-3)",
            )
        },
        source="as Adam, relative to the weight's own size (arXiv:2407.05872, appendix on "
        "Adafactor); eps[0] is to be too small to matter",
    ),
    "muon": _MUON,
    "shampoo": OptimizerFamily(
        name="shampoo",
        lr=ADAM_LR * _SPAN,
        decay=Decay.KEPT,
        others={"eps": (GRADIENT * _SPAN) ** 2},
        source="as Muon on matrices, as Adam on vectors: derived for exponents -1/4 of both "
        "sides, and measured on the first steps alone",
    ),
    "sign": OptimizerFamily(
        name="sign",
        lr=ADAM_LR,
        decay=Decay.KEPT,
        state={"step": NOTHING, "exp_avg": GRADIENT, "exp_avg_sq": GRADIENT**2},
        source=f"{_TP5}, Table 3, Adam: steps whose size no gradient changes; {_KEPT}",
    ),
}  # fmt: skip

CLASSES: Mapping[str, str] = {
    "torch.optim.sgd.SGD": "sgd",
    "torch.optim.asgd.ASGD": "asgd",
    "torch.optim.adam.Adam": "adam",
    "torch.optim.adamw.AdamW": "adamw",
    "torch.optim.nadam.NAdam": "adam",
    "torch.optim.adamax.Adamax": "adam",
    "torch.optim.sparse_adam.SparseAdam": "adam",
    "torch.optim.radam.RAdam": "radam",
    "torch.optim.rmsprop.RMSprop": "rmsprop",
    "torch.optim.adagrad.Adagrad": "adagrad",
    "torch.optim.adadelta.Adadelta": "adadelta",
    "torch.optim.rprop.Rprop": "rprop",
    "torch.optim.Adafactor": "adafactor",
    "torch.optim.Muon": "muon",
}
"""Family of each optimizer class; subclasses follow their nearest listed base."""

REFUSED: Mapping[str, str] = {
    "torch.optim.lbfgs.LBFGS": (
        "its steps mix all parameters in one inner product and one line search, so that no "
        "factors per parameter keep them as the model grows"
    ),
}
"""Classes that no factors can serve, and why."""

DECOUPLED: Mapping[str, str] = {"adam": "adamw", "radam": "radamw"}
"""The family meant when the ``decoupled_weight_decay`` argument is true."""

DECOUPLED_CLASSES: Mapping[str, str] = {
    "Adam": "torch.optim.AdamW",
    "NAdam": "decoupled_weight_decay=True",
    "RAdam": "decoupled_weight_decay=True",
}
"""How weight decay is decoupled, by class; elsewhere ``torch.optim.AdamW`` is what there is."""


def family_of(
    optimizer_class: type[Any],
    hyperparameters: Mapping[str, Any],
    family: str | OptimizerFamily | None = None,
) -> OptimizerFamily:
    """Find the family of an optimizer class.

    Args:
        optimizer_class: The class, looked up along its bases.
        hyperparameters: Its arguments; only ``decoupled_weight_decay`` is looked at.
        family: The family's name, or a row of one's own, for a class this table does not list.

    >>> import torch
    >>> family_of(torch.optim.Adam, {"decoupled_weight_decay": True}).name
    'adamw'

    Raises:
        OptimizerError: The class is not listed and no family was named, or no known one; or it is
            one that no factors serve.
    """
    found = _declared(optimizer_class) if family is None else family
    if isinstance(found, OptimizerFamily):
        return found
    name = found
    if hyperparameters.get("decoupled_weight_decay"):
        name = DECOUPLED.get(name, name)
    if name in FAMILIES:
        return FAMILIES[name]
    raise OptimizerError(
        "no optimizer family of this name",
        expected=_choices(FAMILIES),
        found=repr(found),
        hint="pass one of these names, or a mupfx.OptimizerFamily of your own",
    )


def _declared(optimizer_class: type[Any]) -> str | OptimizerFamily:
    """What the nearest base says of itself, or the table of it."""
    for base in optimizer_class.__mro__:
        path = f"{base.__module__}.{base.__qualname__}"
        if own := vars(base).get(ATTRIBUTE):
            return _own(own, path)
        if found := CLASSES.get(path):
            return found
        if why := REFUSED.get(path):
            raise OptimizerError(
                f"{base.__name__} cannot be put into a parametrization",
                found=why,
                hint="train with an optimizer that keeps its parameters apart",
            )
    raise OptimizerError(
        "how this optimizer scales is not known",
        expected="an optimizer of torch.optim, a subclass of one, or a class with mupfx_family",
        found=f"{optimizer_class.__module__}.{optimizer_class.__qualname__}",
        hint='name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd", '
        '"sign" (Lion), "shampoo", or pass a mupfx.OptimizerFamily',
    )


def _own(found: object, path: str) -> str | OptimizerFamily:
    if isinstance(found, str | OptimizerFamily):
        return found
    raise OptimizerError(
        "an optimizer's own family is neither a name nor a row",
        where=f"{path}.{ATTRIBUTE}",
        expected="a name such as 'adamw', or a mupfx.OptimizerFamily",
        found=repr(found),
    )


def _choices(names: Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names)
