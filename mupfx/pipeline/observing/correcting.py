"""Feature-speed correction by measurement: output scale and learning rates of any model.

Chizat and Netrapalli (arXiv:2311.18718), for models without a closed form. On one batch, at the
start, until it fits::

    eta_k = share * loss / (P |g_k|^2)                 each of P tensors takes as much of the loss
    S     = (|df| / |f|) / (|d loss| / loss)           how much features move as the loss falls
    readout *= S / target                              S falls as 1 / readout, or as was measured

``df`` of the last features is a derivative along the step, so that nothing is really moved.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.correction import Correction, LayerSpeed, Measured
from mupfx.core.setup import Loss
from mupfx.errors import MupfxWarning, ObserveError
from mupfx.observables import feature_speed
from mupfx.observables.feature_speed import Kept, Speed, Step
from mupfx.observables.graph import ModelGraph, first_names
from mupfx.observables.running import RandomState, values_of
from mupfx.pipeline.checking.trainable import guarded
from mupfx.pipeline.checking.watching import first_call
from mupfx.pipeline.observing.graphs import Call, graph_of
from mupfx.pipeline.observing.training import stand_in

SHARES = {
    "sgd": lambda gradient: gradient.double().pow(2).sum(),
    "adam": lambda gradient: gradient.double().abs().sum(),
}
"""What a step of rate 1 takes from the loss, to first order, by the family of the optimizer."""
FINE = 0.01
"""Of the logarithm of the scale: steps in which rounding counts."""
LEAST, MOST = 0.1, 4.0
"""Powers of 1 / readout that S may fall as."""
WAYS = {"sgd": lambda gradient: gradient, "adam": torch.sign}
"""What a step of rate 1 subtracts: of Adam, the first."""


@dataclass(frozen=True, slots=True)
class Correcting:
    """What a user asks for."""

    target: float = 1.0
    share: float = 1.0
    """Of the loss that one step takes, to first order."""
    family: str = "sgd"
    rounds: int = 6
    tolerance: float = 0.02


def correct_(model: nn.Module, batch: Any, loss: Loss, asked: Correcting) -> Correction:
    """Rescale the readout in place, and find learning rates.

    Raises:
        ObserveError: There is no readout of its own to scale, or nothing to learn, or no scale
            at which it fits; the model is as it was.
    """
    _require(model, asked)
    name = type(model).__name__
    loss = guarded(loss, name)
    with torch.random.fork_rng():
        found = first_call(model, batch, loss)
    if found is None:
        raise ObserveError("the loss never calls the model itself, so there is nothing to measure")
    graph = graph_of(model, Call(*found))
    readout = _readout(model, graph)
    random = RandomState.now()

    def measured() -> Measured:
        random.restore()  # the same draws in every round
        return _measure(model, graph, batch, loss, asked)

    with torch.random.fork_rng():
        scales, rounds = _rescale(readout, measured, asked)
    reached = _fits(rounds[-1], asked)
    if asked.rounds and not reached:
        said = f"{rounds[-1].sensitivity:.4g} after {len(rounds) - 1} rescalings"
        said = f"the feature speed of {name} is {said}, not {asked.target:g}: try more rounds"
        warnings.warn(said, MupfxWarning, stacklevel=3)
    return Correction(asked.target, scales[-1], tuple(readout), tuple(rounds), reached)


def _rescale(
    readout: Mapping[str, nn.Parameter], measured: Callable[[], Measured], asked: Correcting
) -> tuple[list[float], list[Measured]]:
    """Scales of the readout that were tried, and what was measured at each.

    Raises:
        ObserveError: Scales change nothing; the readout is as it was.
    """
    before = {name: p.detach().clone() for name, p in readout.items()}
    scales, rounds = [1.0], [measured()]
    try:
        while len(rounds) <= asked.rounds and not _fits(rounds[-1], asked):
            scales.append(_next(scales, rounds, asked))
            with torch.no_grad():
                for name, parameter in readout.items():
                    parameter.copy_(before[name] * scales[-1])
            rounds.append(measured())
    except BaseException:
        with torch.no_grad():
            for name, parameter in readout.items():
                parameter.copy_(before[name])
        raise
    return scales, rounds


def _next(scales: Sequence[float], rounds: Sequence[Measured], asked: Correcting) -> float:
    """The scale at which S should fit: it falls as a power of it, as measured or else the first.

    Raises:
        ObserveError: S does not fall.
    """
    now, power = rounds[-1].sensitivity, 1.0
    moved = abs(log(scales[-1] / scales[-2])) if len(rounds) > 1 else 0.0
    if moved > FINE:
        before = rounds[-2].sensitivity
        power = log(before / now) / log(scales[-1] / scales[-2])
        if power < LEAST:
            raise ObserveError(
                "how much features move as the loss falls hardly depends on the readout's scale",
                expected="S to fall as the readout grows",
                found=f"S = {before:.3g}, and {now:.3g} at {scales[-1] / scales[-2]:.3g} times it",
                hint="has the loss a target, other than zero? is there a norm after the readout?",
            )
    return float(scales[-1] * (now / asked.target) ** (1 / min(power, MOST)))


def _require(model: object, asked: Correcting) -> None:
    if not isinstance(model, nn.Module):
        raise ObserveError("there is no model to correct", found=type(model).__name__)
    if asked.family not in SHARES:
        raise ObserveError(
            f"learning rates of `{asked.family}` are not known",
            expected=" or ".join(SHARES),
        )
    if not (0 < asked.target < inf and 0 < asked.share < inf):
        raise ObserveError("target and share are larger than 0")
    if asked.rounds < 0 or not asked.tolerance >= 0:
        raise ObserveError("rounds and tolerance are not less than 0")


def _fits(measured: Measured, asked: Correcting) -> bool:
    return abs(measured.sensitivity / asked.target - 1) <= asked.tolerance


def _readout(model: nn.Module, graph: ModelGraph) -> dict[str, nn.Parameter]:
    """Parameters of the last weight layer, which the output is linear in.

    Raises:
        ObserveError: There is none, or it is used elsewhere, too.
    """
    if graph.features is None:
        raise ObserveError("this model has no last weight layer whose scale could be set")
    named = dict(model.named_parameters(remove_duplicate=False))
    reads = [n for n in graph.module.graph.nodes if n.op == "get_attr"]
    for name in graph.readout:
        mine = [n for n in reads if named.get(str(n.target)) is named[name]]
        if sum(len(n.users) for n in mine) > 1:
            raise ObserveError(
                "the readout's weight is used elsewhere, too: its scale is not the output's",
                where=name,
                hint="untie it, or scale what the model gives",
            )
    return {name: named[name] for name in graph.readout}


def _measure(
    model: nn.Module, graph: ModelGraph, batch: Any, loss: Loss, asked: Correcting
) -> Measured:
    """Angles, gradients, rates and S, without a trace on the model."""
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    held = {n: p.grad for n, p in parameters.items()}
    values = {n: v.detach().clone() for n, v in values_of(model).items()}
    random = RandomState.now()
    try:
        for parameter in parameters.values():
            parameter.grad = None
        kept = Kept(graph)
        stand, called = stand_in(model, graph, kept)
        result = loss(stand, batch)
        torch.autograd.backward(result, retain_graph=kept.bypassed)
        gradients = {n: p.grad.detach() for n, p in parameters.items() if p.grad is not None}
        behind = kept.backward(parameters)
    finally:
        _put_back(model, parameters, held, values)
    rates = _rates(gradients, float(result.detach()), asked)
    moved = {n: -rates[n] * WAYS[asked.family](gradients[n]) for n in rates}
    step = Step(values, first_names(model), gradients, moved, called, random)
    try:
        speeds = feature_speed.speeds(graph, behind, step)
    except RuntimeError:  # torch's, of every op that lacks the derivative
        speeds = feature_speed.speeds_by_difference(graph, behind, step)
    return _measured(graph, speeds, rates, float(result.detach()), asked)


def _put_back(
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    held: Mapping[str, Tensor | None],
    values: Mapping[str, Tensor],
) -> None:
    """Gradients and buffers as they were."""
    for name, parameter in parameters.items():
        parameter.grad = held[name]
    for name, buffer in model.named_buffers():
        with torch.no_grad():
            buffer.copy_(values[name])


def _rates(gradients: Mapping[str, Tensor], loss: float, asked: Correcting) -> dict[str, float]:
    """Each tensor with a gradient takes an equal part of the loss.

    Raises:
        ObserveError: Nothing has one, or there is no loss to share.
    """
    takes = {n: float(SHARES[asked.family](g)) for n, g in gradients.items()}
    takes = {n: value for n, value in takes.items() if value > 0}
    if not takes or not loss > 0:
        raise ObserveError(
            "there is nothing to learn on this batch",
            expected="a positive loss with gradients",
            found=f"a loss of {loss:.3g}, and gradients of {len(takes)} parameters",
        )
    return {n: asked.share * loss / (len(takes) * value) for n, value in takes.items()}


def _measured(
    graph: ModelGraph,
    speeds: list[Speed],
    rates: Mapping[str, float],
    loss: float,
    asked: Correcting,
) -> Measured:
    last = next((s for s in speeds if s.node is graph.features), None)
    if last is None or not last.speed > 0:
        raise ObserveError("the last features do not move: nothing below the readout learns")
    return Measured(
        sensitivity=last.speed / last.size / asked.share,
        loss=loss,
        rates=dict(rates),
        layers=tuple(_layers(graph, speeds)),
    )


def _layers(graph: ModelGraph, speeds: list[Speed]) -> Iterator[LayerSpeed]:
    for speed in speeds:
        place = graph.places.get(speed.node)
        yield LayerSpeed(
            op=speed.node.name,
            block=place.block if place is not None else "",
            cosine=speed.cosine,
            gradient=speed.backward,
            speed=speed.speed,
            formula=speed.formula,
        )
