"""Train one setup, and write down what is seen on the way, one row a number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from mupfx.core.observed import Row
from mupfx.core.setup import Setup
from mupfx.errors import ObserveError
from mupfx.observables import diversity, feature_speed, tangent
from mupfx.observables.coordinates import Coordinates
from mupfx.observables.feature_speed import Behind, Kept, Speed, Step
from mupfx.observables.graph import ModelGraph, Place, first_names
from mupfx.observables.running import RandomState, Run, Several, values_of
from mupfx.observables.tangent import Moment

NOWHERE = Place()
DOUBT = 0.005
"""How far rounding may bring the two sides of the formula apart, in half precision, too."""
OF_VALUES = ("rms", "mean_abs")
"""Quantities of values; the others are of their changes."""
WHOLE = ("output", "feature")
"""Values of the whole model, of which size and change have rows of their own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to write down, and when."""

    what: frozenset[str]
    steps: tuple[int, ...]
    """After how many steps of the optimizer."""
    seldom: tuple[int, ...]
    """Those of them at which kernels, speeds and diversity are taken, too."""

    def at(self, step: int, *names: str) -> bool:
        """Whether one of these is wanted at a step."""
        return step in self.seldom and not self.what.isdisjoint(names)


class Recorder:
    """One run of one setup."""

    def __init__(self, graph: ModelGraph, setup: Setup, wanted: Wanted) -> None:
        self.graph = graph
        self.setup = setup
        self.wanted = wanted
        self.model = setup.model
        self.names = first_names(self.model)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        """What could not be taken, and why."""
        self.kernel: Tensor | None = None
        start = values_of(self.model) if "updates" in wanted.what else {}
        own = {n: v.detach().clone() for n, v in start.items() if n in self.names}
        self.coordinates = Coordinates(graph, own or None, self._shown())

    def _shown(self) -> frozenset[fx.Node]:
        few = {self.graph.output, self.graph.features}
        few |= {node for stream in self.graph.streams for node in stream}
        found = frozenset(node for node in few if node is not None)
        every = not self.wanted.what.isdisjoint({"coordinates", "updates"})
        return found | self.graph.shown if every else found

    def run(self) -> list[Row]:
        """Train to the last step that is wanted."""
        last = max(self.wanted.steps)
        for step in range(last + 1):
            fast = self.wanted.at(step, "feature_speed", "gamma")
            if step not in self.wanted.steps:
                self._plain_step()
            else:
                self.step(step, update=step < last or fast, fast=fast)
        return self.rows

    def _plain_step(self) -> None:
        self._zero()
        self.setup.loss(self.model, self.setup.batch).backward()  # type: ignore[no-untyped-call]
        self._update()

    def step(self, step: int, *, update: bool, fast: bool = False) -> None:
        """One step that is recorded.

        Args:
            step: How many there were before.
            update: Whether weights are updated, or this only looks.
            fast: Whether the speed of features is taken.
        """
        self._zero()
        self.coordinates.begin(moved=step > 0)
        kept = Kept(self.graph)
        random = RandomState.now()
        watch = Several(self.coordinates, kept) if fast else self.coordinates
        stand, called = stand_in(self.model, self.graph, watch)
        with torch.set_grad_enabled(update):
            loss = self.setup.loss(stand, self.setup.batch)
        if not called:
            raise never_called()
        self._add(step, "", "loss", float(loss.detach()))
        self._coordinates(step)
        self._seldom(step, called, random)
        if fast:
            self._fast_step(step, loss, kept, called, random)
        elif update:
            loss.backward()  # type: ignore[no-untyped-call]
            self._update()

    def _zero(self) -> None:
        for optimizer in self.setup.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _update(self) -> None:
        for stepped in (*self.setup.optimizers, *self.setup.schedulers):
            stepped.step()

    def _coordinates(self, step: int) -> None:
        found = self.coordinates.numbers()
        every = not self.wanted.what.isdisjoint({"coordinates", "updates"})
        for (node, quantity), value in found.items():
            if every and (quantity in OF_VALUES or "updates" in self.wanted.what):
                self._of_node(step, node, quantity, value)
        whole = dict(zip(WHOLE, (self.graph.output, self.graph.features), strict=True))
        for name, chosen in whole.items():
            if chosen is not None and (chosen, "rms") in found:
                self._add(step, "", name, found[chosen, "rms"])
                if (chosen, "update") in found:
                    self._add(step, "", f"{name}_update", found[chosen, "update"])

    def _seldom(self, step: int, called: Mapping[str, Any], random: RandomState) -> None:
        if self.wanted.at(step, "ntk"):
            self._kernel(step, self._moment(called, random))
        if self.wanted.at(step, "diversity"):
            for i, stream in enumerate(self.graph.streams):
                self._diversity(step, f"s{i}", stream)

    def _moment(self, called: Mapping[str, Any], random: RandomState) -> Moment:
        rates: dict[str, float] = {}
        by_id = {id(p): n for n, p in self.model.named_parameters()}
        for optimizer in self.setup.optimizers:
            for group in optimizer.param_groups:
                mine = [by_id[id(p)] for p in group["params"] if id(p) in by_id]
                rates |= dict.fromkeys(mine, float(group["lr"]))  # a loss may have its own, too
        return Moment(self.graph, values_of(self.model), self.names, rates, called, random)

    def _kernel(self, step: int, moment: Moment) -> None:
        try:
            now, change = tangent.kernel(moment), tangent.differential(moment)
        except RuntimeError as error:  # torch's, of every op that lacks the derivative
            self._noted("the tangent kernel", error)
            now = tangent.kernel(moment, functional=False)
            change = tangent.differential(moment, functional=False)
        if self.kernel is None:
            self.kernel = now
        else:
            self._add(step, "", "ntk_change", tangent.relative_change(self.kernel, now))
        self._add(step, "", "ntk", tangent.size(now))
        of_kernel = tangent.size(now[: tangent.DIFFERENTIAL, : tangent.DIFFERENTIAL])
        self._add(step, "", "dntk", tangent.size(change) / of_kernel)

    def _diversity(self, step: int, name: str, stream: Iterable[fx.Node]) -> None:
        samples = [self.coordinates.now[n] for n in stream if n in self.coordinates.now]
        found = diversity.distances(samples)
        for gap, value in found.items():
            self._add(step, name, f"distance_{gap}", value)
        kappa = diversity.exponent(found)
        if kappa is not None:
            self._add(step, name, "diversity", kappa)

    def _fast_step(
        self, step: int, loss: Tensor, kept: Kept, called: Mapping[str, Any], random: RandomState
    ) -> None:
        named = dict(self.model.named_parameters())
        before = {n: v.detach().clone() for n, v in values_of(self.model).items()}
        loss.backward(retain_graph=kept.bypassed)  # type: ignore[no-untyped-call]
        gradients = {n: p.grad.detach().clone() for n, p in named.items() if p.grad is not None}
        behind = kept.backward(named)
        self._update()
        moved = {n: p.detach() - before[n] for n, p in named.items() if p.requires_grad}
        made = Step(before, self.names, gradients, moved, called, random)
        self._speeds(step, behind, made, float(loss.detach()))

    def _noted(self, what: str, error: Exception) -> None:
        reason = str(error).strip().partition("\n")[0]
        self.notes.append(f"{what} is taken by differences, an op has no derivative: {reason}")

    def _speeds(self, step: int, behind: Mapping[fx.Node, Behind], made: Step, loss: float) -> None:
        decay = -sum(
            float((made.gradients[n].double() * made.moved[n].double()).sum())
            for n in made.gradients
        )
        self._add(step, "", "loss_decay", decay)
        try:
            found = feature_speed.speeds(self.graph, behind, made)
        except RuntimeError as error:  # torch's, of every op that lacks the derivative
            self._noted("the speed of features", error)
            found = feature_speed.speeds_by_difference(self.graph, behind, made)
        self._doubt(found)
        for speed in found:
            if "feature_speed" in self.wanted.what:
                for name, value in feature_speed.quantities(speed):
                    self._of_node(step, speed.node, name, value)
            if speed.node is self.graph.features:
                self._features(step, speed, decay / loss if loss else float("nan"))

    def _doubt(self, found: Iterable[Speed]) -> None:
        """Both sides of the formula are the same, unless an op's derivatives are not."""
        for speed in found:
            off = abs(speed.formula / speed.speed - 1) if speed.speed else 0.0
            if off > DOUBT:
                self.notes.append(
                    f"the two sides of the feature speed formula are {off:.1%} apart at "
                    f"{speed.node}: the loss reaches its parameters another way, too, or an op "
                    "has other derivatives forwards than backwards"
                )
                return

    def _features(self, step: int, speed: Speed, relative_decay: float) -> None:
        self._add(step, "", "feature_speed", speed.speed)
        self._add(step, "", "angle_cosine", speed.cosine)
        sensitivity = speed.speed / speed.size / relative_decay
        if "gamma" in self.wanted.what:
            self._add(step, "", "sensitivity", sensitivity)
            self._add(step, "", "gamma", sensitivity**2)

    def _add(self, step: int, block: str, quantity: str, value: float) -> None:
        size = self.setup.size
        self.rows.append(
            Row(size.width, size.depth, self.setup.seed, step, block, "", "", quantity, value)
        )

    def _of_node(self, step: int, node: fx.Node, quantity: str, value: float) -> None:
        size, place = self.setup.size, self.graph.places.get(node, NOWHERE)
        self.rows.append(
            Row(
                size.width, size.depth, self.setup.seed, step, place.block, node.name,
                place.parameter, quantity, value,
            )
        )  # fmt: skip


def never_called() -> ObserveError:
    """What to raise where a loss takes something else of the model than its output."""
    return ObserveError(
        "the loss never calls the model itself, so there is nothing to observe",
        hint="call the model in the loss: loss = lambda model, batch: f(model(batch))",
    )


def stand_in(model: nn.Module, graph: ModelGraph, watch: Any) -> tuple[nn.Module, dict[str, Any]]:
    """The model for a loss: the same attributes, but a first call runs the graph.

    Returns:
        It, and the arguments of that call by name, once it was made.
    """
    called: dict[str, Any] = {}
    kind: Any = type(model)

    class StandIn(kind):  # type: ignore[misc]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if called:
                return model(*args, **kwargs)
            called.update(graph.signature.bind(*args, **kwargs).arguments)
            return Run(graph, values_of(model), watch).on(called)

    made = object.__new__(StandIn)
    made.__dict__ = model.__dict__
    return cast("nn.Module", made), called
