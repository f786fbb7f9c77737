"""Who trains does not matter: here, in other processes, or by what looks like Ray."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from mupfx.core.report import Size
from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.errors import MupfxError, TargetError
from mupfx.pipeline.transfer.engines import Work, engine, here, local, ray
from tests.transfer import targets

TRIALS = [
    Trial(name, Size(width), seed, 2**-6)
    for name in ("mup", "sp")
    for width in (4, 8)
    for seed in (0, 1)
]


def itself(factory: Any) -> Any:
    return factory


def work(factory: Any) -> Work:
    return Work(partial(itself, factory), Recipe("target", Size(4), steps=3))


def losses(runs: Iterator[Run]) -> dict[Trial, float | None]:
    return {run.trial: run.loss for run in runs}


def test_processes_train_what_this_one_does() -> None:
    in_two = losses(local(work(targets.mlp), TRIALS, 2))
    assert in_two == losses(here(work(targets.mlp), TRIALS, 1))
    assert set(in_two) == set(TRIALS)


def test_an_error_in_a_process_is_raised_here() -> None:
    with pytest.raises(TargetError, match="ZeroDivisionError") as error:
        list(local(work(targets.failing), TRIALS, 1))
    assert any("of the user's own" in note for note in error.value.__notes__)


def test_a_process_that_ends_is_told() -> None:
    with pytest.raises(MupfxError, match="ended with status 7") as error:
        list(local(work(targets.dying), TRIALS[:1], 1))
    assert "--jobs" in str(error.value)


def test_what_cannot_be_sent_is_refused_before_anything_starts() -> None:
    with pytest.raises(MupfxError, match="jobs=1"):
        next(local(work(lambda width: targets.mlp(width, seed=0)), TRIALS, 2))


class FakeRay:
    """What is used of Ray, with the same names; trains at once, and answers out of order."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.starts = 0
        self.most = 0
        self.cancelled: list[Any] = []

    def is_initialized(self) -> bool:
        return self.starts > 0

    def init(self) -> None:
        self.starts += 1

    def remote(self, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        self.options |= options
        return lambda function: SimpleNamespace(remote=partial(partial, function))

    def wait(self, running: Sequence[Any], *, num_returns: int) -> tuple[list[Any], list[Any]]:
        assert num_returns == 1
        self.most = max(self.most, len(running))
        return [running[-1]], list(running[:-1])

    def get(self, task: Callable[[], Any]) -> Any:
        return task()

    def cancel(self, task: Any) -> None:
        self.cancelled.append(task)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def test_a_cluster_trains_the_same(cluster: FakeRay) -> None:
    found = losses(ray(work(targets.mlp), TRIALS, 3))
    assert found == losses(here(work(targets.mlp), TRIALS, 1))
    list(ray(work(targets.mlp), TRIALS[:1], 3))
    assert cluster.starts == 1
    assert cluster.most == 3
    assert cluster.options == {"num_cpus": 1}
    assert cluster.cancelled == []


def test_what_still_runs_on_a_cluster_is_cancelled(cluster: FakeRay) -> None:
    with pytest.raises(TargetError):
        list(ray(work(targets.failing), TRIALS, 3))
    assert len(cluster.cancelled) == 2


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MupfxError, match="pip install ray"):
        next(ray(work(targets.mlp), TRIALS, 1))


def test_names() -> None:
    assert engine("local", 1) is here
    assert engine("local", 2) is local
    assert engine("ray", 1) is ray
    with pytest.raises(MupfxError, match="did you mean `local`"):
        engine("locl", 1)
