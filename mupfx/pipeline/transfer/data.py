"""What a target trains on: batches, one after the other, a loss, and perhaps what is held out.

``{"model": model, "batches": loader, "loss": loss, "held_out": batch}`` is what a target returns;
an iterable is read again when it ends, an iterator once, and one ``batch`` is every step's.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from mupfx.core.setup import Loss
from mupfx.errors import TargetError
from mupfx.pipeline.checking.returns import Made, read_made
from mupfx.pipeline.checking.streams import Stream, one_batch
from mupfx.pipeline.checking.watching import first_call

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword."""
FORMS = "model, and batch or batches with loss; optimizer, scheduler and held_out if it likes"


@dataclass(frozen=True, slots=True)
class Data:
    """What a target trains on."""

    batches: Iterable[Any]
    loss: Loss
    held_out: Any
    """A batch that is not trained on; None where there is none."""


def read(returned: object, name: str) -> tuple[Made, Data]:
    """Sort out what a target returned, and the data in it.

    Raises:
        TargetError: There is nothing to train on.
    """
    stream = Stream({}, None, None)
    if isinstance(returned, Mapping):
        stream = one_batch(returned, name)
        returned = stream.made
    made = read_made(returned, name)
    if made.loss is None:
        raise TargetError(
            f"`{name}` brings nothing to train on",
            expected=f"a dict with {FORMS}",
            hint="{'model': model, 'batches': DataLoader(...), 'loss': loss}, where "
            "loss(model, batch) is a scalar",
        )
    batches = repeat(made.batch) if stream.batches is None else stream.batches
    return made, Data(batches, made.loss, stream.held_out)


def rounds(batches: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Once through an iterator; anything else again and again."""
    yield batches
    while not isinstance(batches, Iterator):
        yield batches


def call_of(made: Made, data: Data) -> Call:
    """What the loss calls the model with, seen without running it.

    Raises:
        TargetError: It does not call it.
    """
    found = first_call(made.model, made.batch, data.loss)
    if found is None:
        raise TargetError("`loss(model, batch)` never calls the model", expected="model(...) in it")
    return found
