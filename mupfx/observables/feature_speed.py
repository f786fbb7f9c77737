"""The speed of features, twice: as they move, and by the Feature Speed Formula.

Chizat and Netrapalli (arXiv:2311.18718), for a layer ``f_l`` above parameters ``k <= l``::

    |df_l/dt|  =  sum_k eta_k |g_k|^2 / (|b_l| cos theta_l)

with gradients ``g_k`` of the loss in parameters, ``b_l`` in the layer, and ``theta_l`` between the
layer's motion and ``-b_l``. One step of any optimizer is the unit of time: ``eta_k |g_k|^2`` is
``-<g_k, w_k>`` where it moves parameters by ``w_k``. The left side is a derivative taken forwards,
along the step; the sum on the right is taken from what backpropagation gave.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor, fx
from torch.autograd import forward_ad

from mupfx.observables.graph import Layer, ModelGraph
from mupfx.observables.running import Inputs, RandomState, Run, Values, again, apart


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one layer, in one step."""

    node: fx.Node
    speed: float
    """Root mean square of the layer's motion, per entry."""
    formula: float
    """The same by the formula."""
    cosine: float
    """Of theta_l."""
    backward: float
    """Root mean square of the gradient in the layer, per entry."""
    size: float
    """Root mean square of the layer itself."""
    decay: float
    """Of the loss, by the parameters below."""


class Kept:
    """Keeps the layers of a run until the loss has told their gradients."""

    def __init__(self, graph: ModelGraph) -> None:
        self.layers = {layer.node: layer for layer in graph.layers}
        self.values: dict[fx.Node, Tensor] = {}

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """Let the gradient of a layer be kept, too."""
        del inputs
        if node in self.layers and isinstance(value, Tensor) and value.requires_grad:
            value.retain_grad()
            self.values[node] = value

    @property
    def bypassed(self) -> bool:
        """Whether parameters have ways past a layer, so that the graph of gradients is needed."""
        return any(layer.beside for layer in self.layers.values())

    def backward(self, parameters: Mapping[str, Tensor]) -> dict[fx.Node, "Behind"]:
        """After backpropagation: what it says of every layer."""
        gradients = {n: v.grad for n, v in self.values.items() if v.grad is not None}
        found = {
            node: self._behind(self.layers[node], self.values[node], gradient, parameters)
            for node, gradient in gradients.items()
        }
        self.values = {}
        return found

    def _behind(
        self, layer: Layer, value: Tensor, gradient: Tensor, parameters: Mapping[str, Tensor]
    ) -> "Behind":
        """Gradients through a layer: where all go through it, those that there are."""
        names = sorted(n for n in layer.beside if parameters[n].requires_grad)
        given: tuple[Tensor | None, ...] = ()
        if names:
            value.grad = None  # what follows adds to it
            given = torch.autograd.grad(
                value, [parameters[n] for n in names], gradient, retain_graph=True,
                allow_unused=True,
            )  # fmt: skip
        own = {n: g for n, g in zip(names, given, strict=True) if g is not None}
        return Behind(layer, gradient.detach(), float(_rms(value)), own)


@dataclass(frozen=True, slots=True)
class Behind:
    """What backpropagation says of a layer."""

    layer: Layer
    gradient: Tensor
    size: float
    own: Mapping[str, Tensor]
    """Gradients through this layer alone, of parameters that have other ways, too."""

    def decay(self, gradients: Mapping[str, Tensor], step: Mapping[str, Tensor]) -> float:
        """What a step takes from the loss through this layer: the formula's sum."""
        through = {n: gradients[n] for n in self.layer.through if n in gradients}
        both = {**through, **self.own}
        return -sum(float(_dot(g, step[name])) for name, g in both.items() if name in step)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an optimizer, from where a run was made."""

    values: Values
    """Parameters before it, and buffers."""
    names: Mapping[str, str]
    """First name of every parameter, by each of its names."""
    gradients: Mapping[str, Tensor]
    moved: Mapping[str, Tensor]
    """What was added to parameters, by first name."""
    arguments: Mapping[str, Any]
    random: RandomState
    """State of the generators before the run."""


class _Compared:
    """Takes the motion of every layer as it passes, and lets it go."""

    def __init__(self, behind: Mapping[fx.Node, Behind], step: Step) -> None:
        self.behind = behind
        self.step = step
        self.found: list[Speed] = []

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """One layer and its tangent."""
        del inputs
        if node not in self.behind:
            return
        tangent = forward_ad.unpack_dual(value).tangent  # type: ignore[no-untyped-call]
        if tangent is not None:
            self.found.append(self.speed(self.behind[node], tangent.detach()))

    def speed(self, behind: Behind, motion: Tensor) -> Speed:
        """Of a layer that moves."""
        entries = sqrt(motion.numel())
        along = -float(_dot(behind.gradient, motion))
        length = float(motion.double().norm())
        slope = float(behind.gradient.double().norm())
        cosine = along / (slope * length) if slope * length else float("nan")
        decay = behind.decay(self.step.gradients, self.step.moved)
        formula = decay / (slope * cosine) if slope * cosine else float("nan")
        return Speed(
            behind.layer.node, length / entries, formula / entries, cosine, slope / entries,
            behind.size, decay,
        )  # fmt: skip


def speeds(graph: ModelGraph, behind: Mapping[fx.Node, Behind], step: Step) -> list[Speed]:
    """Both sides of the formula at every layer, first to last."""
    watch = _Compared(behind, step)
    with again(step.random), torch.no_grad(), forward_ad.dual_level():
        duals = {
            name: forward_ad.make_dual(  # type: ignore[no-untyped-call]
                step.values[name].detach(), step.moved[first]
            )
            if first in step.moved
            else step.values[name].detach()
            for name, first in step.names.items()
        }
        Run(graph, apart(step.values, duals), watch).on(step.arguments)
    return watch.found


class _Values:
    """Keeps the layers of one run."""

    def __init__(self, wanted: Container[fx.Node]) -> None:
        self.wanted = wanted
        self.found: dict[fx.Node, Tensor] = {}

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """One node was run."""
        del inputs
        if node in self.wanted and isinstance(value, Tensor):
            self.found[node] = value.detach()


def speeds_by_difference(
    graph: ModelGraph, behind: Mapping[fx.Node, Behind], step: Step
) -> list[Speed]:
    """The same where an op has no derivative forwards: from runs a little to either side."""
    part = _small_part(step)
    ahead, back = (_moved(graph, behind, step, by) for by in (part, -part))
    compared = _Compared(behind, step)
    return [compared.speed(behind[node], (ahead[node] - back[node]) / (2 * part)) for node in ahead]


def _small_part(step: Step) -> float:
    """Of a step, as far as rounding and curvature hurt alike: a cube root of the precision."""
    moved = torch.stack([m.double().norm() for m in step.moved.values()]).norm()
    size = torch.stack([step.values[n].double().norm() for n in step.moved]).norm()
    dtype = next(iter(step.moved.values())).dtype
    return float(size / moved) * torch.finfo(dtype).eps ** (1 / 3) if moved else 1.0


def _moved(
    graph: ModelGraph, behind: Mapping[fx.Node, Behind], step: Step, by: float
) -> dict[fx.Node, Tensor]:
    """Layers after a part of a step."""
    own = {
        name: step.values[name].detach() + by * step.moved[first]
        if first in step.moved
        else step.values[name].detach()
        for name, first in step.names.items()
    }
    watch = _Values(behind)
    with again(step.random), torch.no_grad():
        Run(graph, apart(step.values, own), watch).on(step.arguments)
    return watch.found


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.detach().double() * b.detach().double()).sum()


def _rms(x: Tensor) -> Tensor:
    return x.detach().double().pow(2).mean().sqrt()


def quantities(speed: Speed) -> Iterator[tuple[str, float]]:
    """Names and numbers of the rows of one layer."""
    yield "feature_speed", speed.speed
    yield "feature_speed_formula", speed.formula
    yield "angle_cosine", speed.cosine
    yield "gradient", speed.backward
