"""Checks: whether a model still is in its parametrization, and what a change did to a plan."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mupfx.core.finding import Finding, Level
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan
from mupfx.core.plan_change import PlanChange
from mupfx.core.report import Report, Verdict
from mupfx.errors import TargetError
from mupfx.exports.plan_file import load_plan
from mupfx.pipeline.checking.check import run_check
from mupfx.pipeline.checking.options import MARGIN, Numbers, axes_of, read_options
from mupfx.pipeline.checking.target import Factory, Words, read_target
from mupfx.pipeline.checking.watch import Watch, unwatched
from mupfx.pipeline.diffing import changes

__all__ = ["Finding", "Level", "Report", "Verdict", "check", "diff"]


def check(  # noqa: PLR0913 - each is an answer that only the user can give
    factory: Factory,
    *,
    widths: Sequence[int] | None = None,
    depths: Sequence[int] | None = None,
    seeds: Numbers = None,
    steps: int | None = None,
    parametrization: str | Path | Parametrization = "mup",
    inputs: Any = None,
    control: Factory | bool | None = None,
    fast: bool = False,
    full: bool = False,
    static: bool = True,
    dynamic: bool = True,
    margin: float = MARGIN,
    arguments: Mapping[str, Any] | None = None,
    width_arg: str = "width",
    depth_arg: str = "depth",
    seed_arg: str = "seed",
    name: str | None = None,
    progress: Watch | None = None,
) -> Report:
    """Whether a model, its init and its optimizer follow a parametrization as it grows.

    Models of several sizes are read, init, multipliers and learning rates up to gauge, and trained
    for some steps with their own optimizer and loss: how much each weight's update adds to what it
    computes must grow with the size as the parametrization says. It does not matter how a model
    came to its parametrization: by mupfx, by another package, or by hand.

    Random generators and settings of torch are as before afterwards; the same call gives the same
    report.

    Args:
        factory: Any callable that makes the model of a width: ``f(width, depth=..., seed=...)``,
            of which only what it declares is passed. It returns ``model``, ``(model, optimizer)``,
            ``(model, optimizer, batch, loss)`` with ``loss(model, batch)`` a scalar, a dict with
            these names and ``scheduler``, or ``(model, args[, kwargs])``. What is left out is
            supplied, and said in the report's notes.
        widths: At least three; None for those of the mode, where no depths are given either.
        depths: At least three; each axis is varied where the other is smallest.
        seeds: How many, or which.
        steps: Of training.
        parametrization: What it should follow, as for ``mupfx.convert``.
        inputs: Where the target brings no batch: specs as ``"int64[2,16]<100"``, or tensors.
        control: True to check the same without its conversion as well, which must fail; or what
            to check instead. None where the mode says.
        fast: Widths 64 to 512, 3 seeds, and few more where something stays undecided. Models of
            the smallest and the largest size are read, else one between them as well.
        full: More of each, and the control.
        static: Whether models are read.
        dynamic: Whether they are trained.
        margin: How far a slope may be from the one expected.
        arguments: What else is passed to the factory.
        width_arg: What it calls its width.
        depth_arg: What it calls its depth.
        seed_arg: What it calls its seed.
        name: What the report calls it.
        progress: Called with what comes next, the work done and all the work there is.

    Returns:
        A verdict, ``"pass"``, ``"fail"`` or ``"inconclusive"``, and every finding behind it.

    Raises:
        TargetError: The factory cannot be called so, returned something else, or raised; what it
            raised is the cause.

    >>> import torch
    >>> def mlp(width):
    ...     layers = torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 2)
    ...     return torch.nn.Sequential(*layers)
    >>> report = check(mlp, widths=(16, 32, 64), inputs="float32[8,4]", dynamic=False)
    >>> [finding.parameter for finding in report.errors]
    ['2.weight']
    """
    if fast and full:
        raise TargetError("fast and full are both given", hint="leave one out")
    axes = axes_of(widths, depths)
    target = read_target(
        factory,
        axes,
        name=name,
        words=Words(width_arg, depth_arg, seed_arg),
        arguments=arguments,
    )
    options = read_options(
        mode="fast" if fast else "full" if full else "normal",
        widths=widths,
        depths=depths,
        seeds=seeds,
        steps=steps,
        margin=margin,
        parametrization=parametrization,
        inputs=inputs,
        control=control,
        static=static,
        dynamic=dynamic,
    )
    return run_check(target, options, progress or unwatched)


def diff(old: Plan | str | Path, new: Plan | str | Path) -> tuple[PlanChange, ...]:
    """What differs between two plans: parameters, roles, ratios, exponents, rules, multipliers.

    Args:
        old: A plan, or a ``plan.json``.
        new: The same after a change.

    Returns:
        One entry for each difference; empty where there is none.

    Raises:
        PlanError: A file holds no plan.
    """
    before, after = (p if isinstance(p, Plan) else load_plan(Path(p)) for p in (old, new))
    return changes(before, after)
