"""What training shows, for studying scaling: ``mupfx.observe`` and feature-speed correction."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from mupfx.core.correction import Correction
from mupfx.core.setup import Loss
from mupfx.observables.observations import Observations
from mupfx.pipeline.observing.correcting import Correcting, correct_
from mupfx.pipeline.observing.observe import WHAT, Observing, Steps
from mupfx.pipeline.observing.observe import observe as observed

__all__ = ["correct_feature_speed_", "observe"]


def observe(  # noqa: PLR0913 - each is an answer that only the user can give
    model_or_factory: object,
    batch: Any = None,
    loss: Loss | None = None,
    *,
    what: Sequence[str] | str = WHAT,
    widths: Sequence[int] | int = (),
    depths: Sequence[int] | int = (),
    seeds: Sequence[int] | int = 1,
    steps: Steps = 4,
    seldom: Sequence[int] | int | None = None,
    optimizer: Callable[[nn.Module], Any] | None = None,
    inputs: Any = None,
    progress: Callable[[str, float, float], object] | None = None,
) -> Observations:
    """Train a model, or every size that a factory makes, and write down what is seen on the way.

    The model's graph is run in its place, so that nothing is hooked and no module is named; a
    model that is given is copied, and stays as it is. It trains on the one batch.

    Args:
        model_or_factory: A model; or a callable that takes ``width``, ``depth`` and ``seed``, as
            far as it declares them, and returns what a target of ``mupfx.check`` does.
        batch: What ``loss`` takes; without one, what the model is called with.
        loss: From model and batch to a scalar; where nobody brings one, see ``notes``.
        what: Of ``"coordinates"`` (rms and mean |x| of every op), ``"updates"`` (their change since
            the start, and the part of it that is the op's own weights'), ``"output"``, ``"ntk"``
            (tangent kernel times learning rates, its relative change, its differential),
            ``"feature_speed"`` (both sides of the Feature Speed Formula, and its angle),
            ``"diversity"``, ``"richness"`` and ``"gamma"``.
        widths: Passed to the factory, one after the other.
        depths: Likewise.
        seeds: Which, or how many.
        steps: After how many steps to write down; a number stands for 0, 1, 2, 4, ... up to it.
        seldom: Those at which kernels, speeds and diversity are taken; by default the first and
            the last.
        optimizer: From a model to its optimizer, or a list of them.
        inputs: What the model is called with, where no batch says it; specs as in
            ``"int64[2,16]<100"``, too.
        progress: Is told what is at work, how many runs are done, and of how many.

    Raises:
        ObserveError: Something is asked for that there is not.
        TargetError: The target does not work.
        CaptureError: The model cannot be run as a graph.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> seen = observe(net, torch.ones(2, 3), what=["coordinates"], steps=1)
    >>> [row.op for row in seen.where(quantity="rms", step=0).rows]
    ['linear', 'tanh', 'linear_1']
    """
    asked = Observing(
        what=(what,) if isinstance(what, str) else tuple(what),
        widths=_several(widths),
        depths=_several(depths),
        seeds=tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds),
        steps=steps,
        seldom=None if seldom is None else _several(seldom),
        batch=batch,
        loss=loss,
        optimizer=optimizer,
        inputs=inputs,
        progress=progress,
    )
    return observed(model_or_factory, asked)


def _several(given: Sequence[int] | int) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(given)


def correct_feature_speed_(  # noqa: PLR0913 - each is an answer that only the user can give
    model: nn.Module,
    batch: Any,
    loss: Loss,
    *,
    target: float = 1.0,
    share: float = 1.0,
    family: str = "sgd",
    rounds: int = 6,
    tolerance: float = 0.02,
) -> Correction:
    """Set a model's output scale and learning rates from its own angles and gradients.

    For models outside the closed form of ``parametrization="fsc"``. Every parameter gets the
    learning rate at which it takes as much of the loss as every other, and the readout the scale
    at which the last features move as wished for what the loss falls. The readout is multiplied in
    place; nothing else of the model changes, converted or not.

    Args:
        model: At its start.
        batch: What ``loss`` takes.
        loss: From model and batch to a positive scalar.
        target: Relative change of the last features over the relative fall of the loss.
        share: What a first step takes of the loss, to first order.
        family: ``"sgd"``, or ``"adam"`` for optimizers whose first step is the gradient's sign.
        rounds: Most rescalings of the readout.
        tolerance: How near to the target is near enough.

    Returns:
        What was measured before and after, whether the target was reached (else there is a
        ``MupfxWarning``), and ``groups(model)`` for the optimizer.

    Raises:
        ObserveError: There is no readout of its own to scale, or nothing to learn, or features
            move alike at every scale; the model is as it was.
        CaptureError: The model cannot be run as a graph.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1))
    >>> done = correct_feature_speed_(net, torch.ones(2, 3), lambda m, x: (m(x) - 1).pow(2).mean())
    >>> abs(done.after.sensitivity - 1) < 0.02
    True
    >>> optimizer = torch.optim.SGD(done.groups(net, lr=0.1), lr=0.0)
    """
    asked = Correcting(target, share, family, rounds, tolerance)
    return correct_(model, batch, loss, asked)
