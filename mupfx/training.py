"""Training a converted model: what has to know of the plan beside the optimizer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from mupfx.core.analysis import Analysis
from mupfx.core.optimizer_family import OptimizerFamily
from mupfx.errors import MupfxError, PlanError
from mupfx.kernels.draw import Draw
from mupfx.passes.clip import clip_
from mupfx.passes.groups import (
    Muon,
    MuonGroups,
    absolute,
    build_groups,
    check_ratios,
    construct,
    reject_stepped,
    schedule,
    split_analysed,
    split_planned,
)
from mupfx.passes.groups import scaled as scaled_per_group
from mupfx.passes.matrices import matrices_of
from mupfx.pipeline.lowering import converted
from mupfx.pipeline.redrawing import Wishes, redraw
from mupfx.pipeline.regauging import Growth, regauge, rounded

__all__ = [
    "Muon",
    "check_groups",
    "clip_grad_norm_",
    "init_",
    "muon_groups",
    "optimizer",
    "param_groups",
    "regauge_",
    "scaled",
    "scheduler",
]

Model = TypeVar("Model", bound=nn.Module)


def param_groups(
    model: nn.Module,
    optimizer: type[Optimizer],
    *,
    groups: object = None,
    family: str | OptimizerFamily | None = None,
    wd_rule: str = "timescale",
    **hyperparameters: Any,
) -> list[dict[str, Any]]:
    """Ordinary optimizer groups with every hyperparameter in the parametrization.

    Args:
        model: A converted model.
        optimizer: The class that will take the groups.
        groups: The user's own groups, in any form torch takes; they are split, never changed.
        family: How a class that is not known scales: ``"adamw"``, ``"sign"`` (Lion), ``"sgd"``,
            ``"shampoo"``, ..., or an ``OptimizerFamily`` of one's own.
        wd_rule: What decoupled weight decay keeps as the learning rate changes with the model:
            ``"timescale"`` (``lr * weight_decay``), ``"const"`` (``weight_decay``), or ``"sqrt"``,
            between them.
        **hyperparameters: As tuned at the base; what is left out is the optimizer's own default.

    Raises:
        PlanError: The model was not converted.
        OptimizerError: The optimizer, a hyperparameter or a group does not fit.
    """
    module, conversion = converted(model)
    return build_groups(
        conversion.plan,
        module.named_parameters(),
        optimizer,
        hyperparameters,
        user_groups=groups,
        family=family,
        wd_rule=wd_rule,
    )


OptimizerClass = TypeVar("OptimizerClass", bound=Optimizer)


def optimizer(
    cls: type[OptimizerClass],
    model: nn.Module,
    *,
    groups: object = None,
    family: str | OptimizerFamily | None = None,
    wd_rule: str = "timescale",
    **hyperparameters: Any,
) -> OptimizerClass:
    """``cls`` over ``param_groups``, and what groups cannot say; arguments as there.

    Accumulators that start with a value (Adagrad) are scaled, and steps that follow another rule
    than the rest (the first of RAdam, the cap of Adafactor) get their numbers in a hook.

    Raises:
        OptimizerError: As ``param_groups``, or the class changed what the groups say.
    """
    given: object = cls
    if isinstance(given, Optimizer):
        reject_stepped(given)
    module, conversion = converted(model)
    made: OptimizerClass = construct(
        cls,
        build_groups(
            conversion.plan,
            module.named_parameters(),
            cls,
            hyperparameters,
            user_groups=groups,
            family=family,
            wd_rule=wd_rule,
            alone=False,
        ),
        hyperparameters,
    )
    return made


def check_groups(optimizer: Optimizer, *schedulers: object) -> tuple[str, ...]:
    """What no longer stands in the planned ratio, a sentence each; empty when all does.

    Args:
        optimizer: One made by ``mupfx.optimizer``, or of ``mupfx.param_groups``.
        *schedulers: Those that drive it, if they are to be looked at as well: a floor or a maximum
            that is the same for all groups erases the ratios only once it is reached.
    """
    return check_ratios(optimizer) + absolute(schedulers)


def scaled(optimizer: Optimizer, value: float) -> list[float]:
    """A learning rate per group, for schedulers that set one, such as ``OneCycleLR``."""
    return scaled_per_group(optimizer, value)


def clip_grad_norm_(
    model: nn.Module,
    max_norm: float,
    norm_type: float = 2.0,
    *,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """``torch.nn.utils.clip_grad_norm_`` for a converted model: the same bite at every width.

    The plain norm of all gradients grows as the square root of the width, because a readout's
    gradient does not shrink as the others do: a threshold tuned at the base would bite ever more.
    Here each gradient counts by its parameter's factor of SGD's learning rate, and ``max_norm`` is
    what was tuned at the base, where both are the same.

    Args:
        model: A converted model, after ``backward``.
        max_norm: As tuned at the base.
        norm_type: 2; no other norm has this property.
        error_if_nonfinite: As torch's.
        foreach: As torch's.

    Returns:
        The norm before clipping.

    Raises:
        PlanError: The model was not converted, or has parameters that its plan lacks.
        MupfxError: The norm is another than 2.
    """
    if norm_type != 2:
        raise MupfxError(
            "no other norm of the gradients than the 2-norm is the same at every width",
            where="norm_type",
            expected="2.0",
            found=str(norm_type),
        )
    module, conversion = converted(model)
    return clip_(
        conversion.plan,
        module.named_parameters(),
        max_norm,
        error_if_nonfinite=error_if_nonfinite,
        foreach=foreach,
    )


def muon_groups(
    model: nn.Module,
    *,
    muon: Mapping[str, Any],
    adamw: Mapping[str, Any],
    analysis: Analysis | None = None,
    wd_rule: str = "timescale",
) -> MuonGroups:
    """Split a model between Muon and AdamW by what its graph says each parameter is.

    Matrices from width to width go to Muon; embeddings, first layers, readouts, routers, vectors
    and tensors of more dimensions to AdamW. Of a fused parameter, such as queries, keys and values
    in one, ``mupfx.Muon`` makes each matrix orthogonal by itself; ``torch.optim.Muon`` takes the
    same groups, and the parameter as one matrix. On a converted model all is scaled::

        groups = mupfx.muon_groups(model, muon={"lr": 0.02}, adamw={"lr": 3e-4})
        optimizers = mupfx.Muon(groups.muon), torch.optim.AdamW(groups.adamw)

    Args:
        model: A converted model, or any model with its ``analysis``.
        muon: Hyperparameters of Muon, as tuned at the base.
        adamw: Those of AdamW.
        analysis: ``mupfx.analyze(model, inputs)``, to split a model that is not converted.
        wd_rule: As for ``mupfx.optimizer``.

    Returns:
        Two lists of groups, ``muon`` and ``adamw``; the second is empty if nothing is left for it.

    Raises:
        OptimizerError: There is no such matrix, or a hyperparameter does not fit.
        PlanError: The model was not converted, and no analysis is given.
    """
    if analysis is not None:
        aliases = {o: name for name, others in analysis.program.tied.items() for o in others}
        parts = {
            name: matrices_of(role, analysis.axes, analysis.sites)
            for name, role in analysis.roles.items()
        }
        named = model.named_parameters()
        return split_analysed(analysis.roles, parts, aliases, named, muon, adamw)
    try:
        module, conversion = converted(model)
    except PlanError as error:
        raise PlanError(
            error.what,
            hint="convert it first; or pass analysis=mupfx.analyze(model, inputs) to split it as "
            "it is",
        ) from None
    return split_planned(conversion.plan, module.named_parameters(), muon, adamw, wd_rule)


def regauge_(
    model: Model,
    multipliers: Mapping[str, float],
    *,
    optimizer: Optimizer | Sequence[Optimizer] = (),
    family: str | OptimizerFamily | None = None,
    exact: bool = False,
) -> Model:
    """Store parameters divided by a number, and multiply them again where the model reads them.

    Training goes on as it would have: what a live optimizer holds is moved along, its learning
    rates, weight decay and eps, and its state. Names in the ``state_dict`` stay, and the values in
    it are the stored ones.

    Args:
        model: A converted model.
        multipliers: What each parameter's multiplier is multiplied by; the rest stays.
        optimizer: The optimizers that train it.
        family: As for ``mupfx.optimizer``.
        exact: Round to powers of two, for which nothing is rounded, and training agrees bit for
            bit.

    Returns:
        The same model object.

    Raises:
        LoweringError: A multiplier is not positive, or a module reads the parameter in a way that
            nothing can multiply.
        OptimizerError: The optimizer trains differently in another gauge, or cannot be moved.
        PlanError: The model was not converted, or has no such parameter.
    """
    growth = {name: Growth(float(value)) for name, value in multipliers.items()}
    optimizers = (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)
    regauge(model, rounded(growth) if exact else growth, optimizers, family)
    return model


def init_(
    model: Model,
    *,
    seed: int,
    laws: Mapping[str, Draw] | None = None,
    keep: Collection[str] = (),
    nested: bool = False,
) -> Model:
    """Draw the starting values of a converted model anew, in place, by the laws of its plan.

    A value depends on the seed, the parameter's name and the place in it alone: not on device,
    dtype (but for one rounding), processes or sharding. No generator of torch's is asked or moved.

    Args:
        model: A converted model with memory; sharded or not.
        seed: Of 64 bits.
        laws: Laws of stored values by parameter name or pattern, instead of the plan's:
            ``mupfx.kernels.normal``, ``uniform``, ``truncated``, ``constant``.
        keep: Parameters, by name or pattern, that are left as they are.
        nested: Draw matrices so that each is the corner of those of its name in wider models.

    Returns:
        The same model object.

    Raises:
        InitError: How a parameter starts is not known; the model is then unchanged.
        PlanError: The model was not converted.

    >>> import torch, mupfx
    >>> net = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 2))
    >>> net = mupfx.convert(net, torch.ones(1, 3), base=8)
    >>> init_(net, seed=0)[2].weight[0, :3]
    tensor([0.0228, 0.0288, 0.0433], grad_fn=<SliceBackward0>)
    """
    redraw(model, Wishes(laws or {}, keep), seed=seed, nested=nested)
    return model


Scheduler = TypeVar("Scheduler")


def scheduler(cls: type[Scheduler], optimizer: Optimizer, **arguments: Any) -> Scheduler:
    """A learning-rate scheduler whose floors, maxima and thresholds are meant at the base.

    ``CosineAnnealingLR(optimizer, 100, eta_min=1e-4)`` ends every group at the same rate; made here
    it ends each at its own share of it. Any class will do that reads and writes the rates of
    ``optimizer.param_groups``: it is run while these show what they would be at the base.

    Args:
        cls: Of ``torch.optim.lr_scheduler``, or like those.
        optimizer: One made by ``mupfx.optimizer``, or of ``mupfx.param_groups``.
        **arguments: The scheduler's own, as tuned at the base.

    Raises:
        OptimizerError: A group has no plan, or a scheduler among the arguments was not made here.
    """
    made: Scheduler = schedule(cls, optimizer, arguments)
    return made
