"""Train the demo's model at several widths, as it is and in muP, with one learning rate."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Optimizer

from mupfx import api, training
from mupfx.demo.corpus import batches, corpus
from mupfx.demo.gpt import CONTEXT, example
from mupfx.demo.settings import MUP, SP, Run, Settings
from mupfx.demo.updates import updates, weights

_TEST_BATCH = 64


def experiment(settings: Settings, after_step: Callable[[], None]) -> tuple[Run, ...]:
    """Train every width from every seed in both parametrizations."""
    with torch.random.fork_rng(devices=()), _one_thread():
        return tuple(
            train(settings, parametrization, width, seed, after_step)
            for parametrization in (SP, MUP)
            for width in settings.widths
            for seed in range(settings.seeds)
        )


def train(
    settings: Settings,
    parametrization: str,
    width: int,
    seed: int,
    after_step: Callable[[], None],
) -> Run:
    """Train one model; the two parametrizations differ in two calls."""
    torch.manual_seed(seed)
    model, args = example(width)
    if parametrization == MUP:
        api.convert(model, args, base=settings.base)
        optimizer = training.optimizer(AdamW, model, lr=settings.lr)
    else:
        optimizer = AdamW(model.parameters(), lr=settings.lr)

    text, test = corpus()
    windows = partial(batches, context=CONTEXT, seed=seed)
    ((tokens, targets),) = windows(test, count=1, size=_TEST_BATCH)
    start = weights(model)
    measured: dict[str, float] = {}
    for step, batch in enumerate(windows(text, count=settings.steps, size=settings.batch), 1):
        _step(model, optimizer, *batch)
        after_step()
        if step == settings.measured_at:
            measured = updates(model, start, tokens)
    with torch.no_grad():
        loss = _loss(model, tokens, targets).item()
    return Run(parametrization, width, measured, loss)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices this small gain little from threads, and lose much to a busy neighbour."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _step(model: nn.Module, optimizer: Optimizer, tokens: Tensor, targets: Tensor) -> None:
    loss = _loss(model, tokens, targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _loss(model: nn.Module, tokens: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
