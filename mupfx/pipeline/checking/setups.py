"""Setups of a target, one a size and seed: fresh, complete, and used once.

What a target leaves out is settled at its two smallest sizes, and the same at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.core.setup import Loss, Setup
from mupfx.errors import MupfxError, TargetError
from mupfx.pipeline.checking.optimizers import supply_optimizer
from mupfx.pipeline.checking.returns import Made, read_made
from mupfx.pipeline.checking.supplies import (
    Call,
    answer,
    are_classes,
    supply_inputs,
    supply_loss,
)
from mupfx.pipeline.checking.target import Target, raised
from mupfx.pipeline.checking.watching import called_by, first_call
from mupfx.tables.mup import MUP


@dataclass(frozen=True, slots=True)
class Needs:
    """What is supplied at every size."""

    call: Call | None = None
    """Inputs, where the target brings none."""
    classes: bool = False
    """Whether outputs are scores of classes."""
    smallest: nn.Module | None = None
    """What optimizers are scaled from, where the target brings none."""
    table: Parametrization = MUP


class Workshop:
    """Makes setups of one target.

    Args:
        target: What is called.
        sizes: The two smallest that will be asked for, or one.
        inputs: What the user said of inputs.
        table: What a supplied optimizer follows.

    Raises:
        TargetError: The target does not work, or lacks what cannot be supplied.
    """

    def __init__(
        self, target: Target, sizes: Sequence[Size], inputs: object, table: Parametrization
    ) -> None:
        self.target = target
        self._models: WeakSet[nn.Module] = WeakSet()
        self._first: dict[tuple[Size, int], Made] = {}
        self._needs = self._settle(sizes[:2], inputs, table)

    def setup(self, size: Size, seed: int) -> Setup:
        """Everything that one size takes to train.

        Raises:
            TargetError: The target raised, or did not return a model of its own.
        """
        made = self._first.pop((size, seed), None) or self._made(size, seed)
        said: list[str] = []
        args, kwargs, batch, loss = self._learning(made, size, said)
        optimizers = made.optimizers
        if optimizers is None:
            optimizers, sentence = self._optimizer(made.model, args, kwargs)
            said.append(sentence)
        return Setup(
            size, seed, made.model, optimizers, batch, loss, args, kwargs,
            made.schedulers, tuple(said),
        )  # fmt: skip

    def _made(self, size: Size, seed: int) -> Made:
        name = self.target.name
        made = read_made(self.target.call(size, seed), name)
        if made.model in self._models:
            raise TargetError(
                f"`{name}` returned the same model a second time",
                where=spelled(size),
                expected="a model of its own from every call",
                hint="build the model inside the target, and do not cache it",
            )
        if any(p.is_meta for p in made.model.parameters()):
            raise TargetError(
                f"`{name}` returned a model without values, on the meta device",
                expected="a model that can be trained",
            )
        self._models.add(made.model)
        return made

    def _settle(self, sizes: Sequence[Size], inputs: object, table: Parametrization) -> Needs:
        made = self._made(sizes[0], 0)
        smallest = made.model if made.optimizers is None else None
        if smallest is None:  # as good as new
            self._first[sizes[0], 0] = made
        if made.loss is not None:
            self._require_no(inputs, "a batch")
            if smallest is not None:
                self._of_loss(made, sizes[0])
            return Needs(smallest=smallest, table=table)
        if made.args is not None:
            self._require_no(inputs, "inputs")
            call = Call(made.args, made.kwargs, "")
        else:
            call = supply_inputs(self.target.name, made.model, inputs)
        others = [self._made(size, 0) for size in sizes[1:]]
        outputs = [self._outputs(m, call, s) for m, s in zip((made, *others), sizes, strict=True)]
        brings = made.args is not None
        return Needs(None if brings else call, are_classes(outputs), smallest, table)

    def _require_no(self, inputs: object, own: str) -> None:
        if inputs is not None:
            raise TargetError(
                f"`{self.target.name}` brings {own}, and inputs are given too",
                hint="leave out inputs (--input)",
            )

    def _learning(
        self, made: Made, size: Size, said: list[str]
    ) -> tuple[tuple[Any, ...], dict[str, Any], Any, Loss]:
        """What the model is called with, and what it learns."""
        if made.loss is not None:
            found = self._of_loss(made, size)
            if found is None:
                said.append("the loss calls parts of the model alone: the model is read with it")
            args, kwargs = found or ((made.batch,), {})
            return args, kwargs, made.batch, made.loss
        if made.args is None:
            call = self._needs.call
            assert call is not None, "settled at the smallest size"
            said.append(f"the batch is {call.said}" if call.said else "")
        else:
            call = Call(made.args, made.kwargs, "")
        loss, what = supply_loss(self._outputs(made, call, size), classes=self._needs.classes)
        said.append(f"the loss is {what}")
        return call.args, dict(call.kwargs), call, loss

    def _of_loss(self, made: Made, size: Size) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """What the loss calls the model with; a loss that calls parts alone becomes its call."""
        assert made.loss is not None, "it brings one"
        found = self._guarded(first_call, size, "the loss")(made.model, made.batch, made.loss)
        if found is None:
            called_by(made.model, made.loss)
        called: tuple[tuple[Any, ...], dict[str, Any]] | None = found
        return called

    def _outputs(self, made: Made, call: Call, size: Size) -> Tensor:
        def run() -> Tensor:
            buffers = {name: b.clone() for name, b in made.model.named_buffers()}
            with torch.no_grad(), torch.random.fork_rng():
                return answer(
                    torch.func.functional_call(made.model, buffers, call.args, dict(call.kwargs))
                )

        found: Tensor = self._guarded(run, size, "the model")()
        return found

    def _guarded(self, run: Callable[..., Any], size: Size, what: str) -> Callable[..., Any]:
        def guarded(*args: Any) -> Any:
            try:
                return run(*args)
            except TargetError:
                raise
            except Exception as error:
                whose = f"{what} of `{self.target.name}`"
                raise raised(whose, error, spelled(size)) from error

        return guarded

    def _optimizer(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Optimizer, ...], str]:
        needs, name = self._needs, self.target.name
        if not any(p.requires_grad for p in model.parameters()):
            raise TargetError(
                f"`{name}` returned a model of which nothing is trained",
                expected="a parameter that requires a gradient",
            )
        try:
            return supply_optimizer(model, args, kwargs, needs.smallest, needs.table)
        except MupfxError as error:
            raise TargetError(
                f"`{name}` brings no optimizer, and none can be made: {error.what}",
                where=error.where,
                expected="a target that returns (model, optimizer, batch, loss)",
                found=error.found,
            ) from error


def spelled(size: Size) -> str:
    """A size in words.

    >>> spelled(Size(64, 2)), spelled(Size(width=64))
    ('width=64, depth=2', 'width=64')
    """
    parts = {"width": size.width, "depth": size.depth}
    return ", ".join(f"{name}={value}" for name, value in parts.items() if value is not None)
