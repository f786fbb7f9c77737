"""Who trains: this process, local processes, or a Ray cluster; the work is the same.

An engine takes the work, the trials and how many at a time, and gives runs as they come.
"""

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from traceback import format_exc
from typing import Any

from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.errors import MupfxError, did_you_mean
from mupfx.pipeline.checking.target import Factory
from mupfx.pipeline.transfer.trial import run_trial

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, slots=True)
class Work:
    """One training in any process: what finds the target there, and how it is trained."""

    find: Callable[[], Factory]
    recipe: Recipe

    def ready(self) -> Callable[[Trial], Run]:
        """The target found, once for all trials of a process."""
        return partial(run_trial, self.find(), self.recipe)


Engine = Callable[[Work, Sequence[Trial], int], Iterator[Run]]


def engine(name: str, jobs: int) -> Engine:
    """The engine of a name.

    Raises:
        MupfxError: There is none.
    """
    engines: Mapping[str, Engine] = {LOCAL: here if jobs == 1 else local, RAY: ray}
    if name not in engines:
        raise MupfxError(f"there is no engine `{name}`", hint=did_you_mean(name, engines))
    return engines[name]


def here(work: Work, trials: Sequence[Trial], _jobs: int) -> Iterator[Run]:
    """One after the other in this process."""
    return map(work.ready(), trials)


@dataclass(slots=True)
class _Worker:
    """A process, and what it trains now."""

    process: SpawnProcess
    pipe: Connection
    trial: Trial | None = field(default=None)

    def give(self, trial: Trial) -> None:
        self.trial = trial
        with suppress(BrokenPipeError):  # it ended: there is an end to read
            self.pipe.send(trial)

    def take(self) -> Run:
        """The run, or what went wrong."""
        try:
            answer = self.pipe.recv()
        except EOFError as error:
            self.process.join()
            raise MupfxError(
                f"a worker process ended with status {self.process.exitcode}",
                where=f"in {self.trial}",
                hint="run it again: what is done is kept. Fewer at a time need less memory: --jobs",
            ) from error
        self.trial = None
        if isinstance(answer, Exception):
            raise answer
        run: Run = answer
        return run


def local(work: Work, trials: Sequence[Trial], jobs: int) -> Iterator[Run]:
    """In processes of this machine, each with one thread.

    Raises:
        MupfxError: The target cannot be sent to another process, or one of them ended.
    """
    _require_sendable(work)
    waiting = deque(trials)
    workers = [_started(work) for _ in range(min(jobs, len(trials)))]
    try:
        for worker in workers:
            worker.give(waiting.popleft())
        while busy := {worker.pipe: worker for worker in workers if worker.trial is not None}:
            for pipe in wait(list(busy)):
                worker = next(each for each in workers if each.pipe is pipe)
                run = worker.take()
                if waiting:
                    worker.give(waiting.popleft())
                yield run
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.join()


def ray(work: Work, trials: Sequence[Trial], jobs: int) -> Iterator[Run]:
    """On a Ray cluster, or on what ``ray.init()`` starts here.

    Raises:
        MupfxError: Ray is not installed.
    """
    try:
        cluster: Any = import_module("ray")
    except ModuleNotFoundError as error:
        raise MupfxError("the engine `ray` needs Ray", hint="pip install ray") from error
    if not cluster.is_initialized():
        cluster.init()
    train = cluster.remote(num_cpus=1)(_train_there)
    waiting = deque(trials)
    running: list[Any] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(train.remote(work, waiting.popleft()))
            done, running = cluster.wait(running, num_returns=1)
            yield from (cluster.get(each) for each in done)
    finally:
        for each in running:
            cluster.cancel(each)


def _train_there(work: Work, trial: Trial) -> Run:
    return work.ready()(trial)


def _require_sendable(work: Work) -> None:
    try:
        pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise MupfxError(
            f"`{work.recipe.target}` cannot be sent to other processes",
            found=str(error),
            expected="a function at the top level of a module, or a class",
            hint="jobs=1 trains in this process",
        ) from error


def _started(work: Work) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work))
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _serve(pipe: Connection, work: Work) -> None:
    """Train what comes through a pipe, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends this one
    Thread(target=_end_with_parent, daemon=True).start()
    train: Callable[[Trial], Run] | None = None
    with suppress(EOFError, BrokenPipeError):
        while True:
            trial = pipe.recv()
            try:
                train = train or work.ready()
                pipe.send(train(trial))
            except Exception as error:  # noqa: BLE001 - raised again in the first process
                pipe.send(_sendable(error, trial))


def _sendable(error: Exception, trial: Trial) -> Exception:
    error.add_note(f"in a worker process, in {trial}:\n{format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever a class of the user's does
        return RuntimeError(f"{type(error).__name__}: {error}\n{format_exc()}")
    return error


def _end_with_parent() -> None:
    """A process that was killed ends nobody; nobody would read what comes."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
