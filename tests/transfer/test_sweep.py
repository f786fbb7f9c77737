"""A sweep: what is trained, what is trained next, and what a sweep that was killed goes on with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import log2
from pathlib import Path
from typing import Any

import pytest

from mupfx.core.report import Size, Verdict
from mupfx.core.transfer import SP, Grid, Recipe, Run, Transfer, Trial
from mupfx.errors import MupfxError, TargetError
from mupfx.exports.transfer_file import read_transfer
from mupfx.pipeline.transfer.engines import Work
from mupfx.pipeline.transfer.store import FILE
from mupfx.pipeline.transfer.sweep import Ahead, How, Watch, sweep
from mupfx.transferring import digest, rates, transfer
from tests.transfer import targets

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "widths": (4, 8),
    "rates": rates(2**-7, 2**-3),
    "seeds": 2,
    "steps": 4,
    "extend": 0,
    "jobs": 1,
}


def small(folder: Path, factory: Any = targets.full_batch, **more: Any) -> Transfer:
    return transfer(factory, folder=folder, **{**SMALL, **more})


def lines(folder: Path) -> list[str]:
    path = folder / FILE
    return path.read_text().splitlines() if path.exists() else []


class Pretence:
    """An engine whose losses are parabolas: the optimum is at 2^-6 at width 64."""

    def __init__(self, drift: float = 0.0) -> None:
        self.drift, self.trained = drift, list[Trial]()

    def __call__(self, _work: Work, trials: Sequence[Trial], _jobs: int) -> Any:
        for trial in trials:
            self.trained.append(trial)
            width = trial.size.width or 1
            at = -6 + self.drift * log2(width / 64) * (trial.parametrization == SP)
            loss = (log2(trial.lr) - at) ** 2 + trial.seed * 0.1
            yield Run(trial, loss, 9.0, 3, 0.01)


class Diverging(Pretence):
    """Every training ends in no number."""

    def __call__(self, work: Work, trials: Sequence[Trial], jobs: int) -> Any:
        return (replace(run, loss=None) for run in super().__call__(work, trials, jobs))


def pretended(
    folder: Path, pretence: Pretence, octaves: Sequence[int] = range(-9, -3), **how: Any
) -> Transfer:
    sizes = tuple(Size(width) for width in (64, 128, 256))
    grid = Grid(sizes, tuple(2.0**x for x in octaves), (0, 1), ("mup", SP))
    recipe = Recipe("target", Size(64), steps=3)
    find = Work(lambda: targets.mlp, recipe)
    return sweep(find, grid, How(folder, pretence, 2, **how))


def test_verdicts_follow_from_losses(tmp_path: Path) -> None:
    found = pretended(tmp_path, Pretence(drift=-1.0))
    assert {d.parametrization: d.verdict for d in found.drifts} == {
        "mup": Verdict.PASS,
        "sp": Verdict.FAIL,
    }
    assert found.verdict is Verdict.PASS
    assert [log2(o.lr) for o in found.optima["sp"].values()] == pytest.approx([-6, -7, -8])


def test_the_grid_is_extended_where_its_end_is_best(tmp_path: Path) -> None:
    pretence = Pretence(drift=-1.0)
    found = pretended(tmp_path, pretence, range(-7, -3), extend=2)
    tried = {
        (t.parametrization, t.size.width, log2(t.lr)) for t in pretence.trained if log2(t.lr) < -7
    }
    assert tried == {("sp", 128, -8.0), ("sp", 256, -8.0), ("sp", 256, -9.0)}
    assert all(not optimum.edge for of in found.optima.values() for optimum in of.values())


def test_rates_between_are_tried_about_the_best(tmp_path: Path) -> None:
    pretence = Pretence(drift=0.0)
    pretended(tmp_path, pretence, refine=1)
    assert {log2(t.lr) for t in pretence.trained if log2(t.lr) % 1} == {-6.5, -5.5}


def test_nothing_is_trained_twice(tmp_path: Path) -> None:
    first, again = Pretence(-1.0), Pretence(-1.0)
    more: dict[str, Any] = {"extend": 1, "refine": 1}
    found = pretended(tmp_path, first, **more)
    assert pretended(tmp_path, again, **more) == found
    assert len(set(first.trained)) == len(first.trained)
    assert again.trained == []


def test_a_grid_may_grow(tmp_path: Path) -> None:
    pretended(tmp_path, Pretence(), range(-9, -4))
    more = Pretence()
    pretended(tmp_path, more, range(-9, -2))
    assert {log2(t.lr) for t in more.trained} == {-4.0, -3.0}


def test_what_is_ahead_is_told_and_every_run(tmp_path: Path) -> None:
    told: list[Ahead] = []
    shares: list[float] = []
    watch = Watch(told.append, lambda _, share: shares.append(share))
    pretended(tmp_path, Pretence(), watch=watch)
    (ahead,) = told
    assert (ahead.trials, ahead.jobs, ahead.done) == (72, 2, 0)
    assert ahead.seconds > 0
    assert sum(shares) == pytest.approx(1)


def test_the_longest_are_trained_first(tmp_path: Path) -> None:
    known = Pretence()
    pretended(tmp_path, known, range(-9, -5))
    path = tmp_path / FILE
    head, *rows = map(json.loads, path.read_text().splitlines())
    rows = [row | {"seconds": row["width"]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in (head, *rows)))
    more = Pretence()
    pretended(tmp_path, more, range(-9, -4))
    widths = [trial.size.width or 0 for trial in more.trained]
    assert widths == sorted(widths, reverse=True)


def test_real_training(tmp_path: Path) -> None:
    found = small(tmp_path)
    assert len(found.runs) == 2 * 2 * 2 * 5
    assert found.curves["mup"][Size(4)] == found.curves["sp"][Size(4)]
    assert found.curves["mup"][Size(8)] != found.curves["sp"][Size(8)]
    assert [d.axis for d in found.drifts] == ["width", "width"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    found = pretended(tmp_path, Pretence(-1.0), extend=1)
    back = read_transfer(json.loads(json.dumps(found.to_dict())))
    assert (back.curves, back.optima, back.drifts) == (found.curves, found.optima, found.drifts)
    assert (back.recipe, back.verdict) == (found.recipe, found.verdict)


def test_a_size_where_all_diverged_is_valid_json(tmp_path: Path) -> None:
    found = pretended(tmp_path, Diverging())
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {curve["optimum"]["loss"] for curve in data["curves"]} == {None}
    assert found.verdict is Verdict.INCONCLUSIVE
    assert read_transfer(data).optima == found.optima


def test_depths_give_drifts_of_their_own(tmp_path: Path) -> None:
    found = small(tmp_path, targets.deep, depths=(1, 2), parametrizations=["sp"], steps=2)
    assert {(d.axis, d.other) for d in found.drifts} == {
        ("width", 1), ("width", 2), ("depth", 4), ("depth", 8),
    }  # fmt: skip


def test_a_process_that_was_killed_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Killed in the middle, with workers; started again it trains the rest, and only that."""
    folder, log = tmp_path / "sweep", tmp_path / "log"
    log.write_text("")
    command = [
        *(sys.executable, "-m", "mupfx", "transfer", "tests/transfer/targets.py:counted"),
        *("--widths", "4,8", "--rates", "2^-8:2^-3", "--seeds", "4", "--steps", "4"),
        *("--parametrization", "sp", "--warmup", "0", "--decay", "none", "--extend", "0"),
        *("--arg", f"log={str(log)!r}", "--out", str(folder)),
    ]
    with subprocess.Popen(
        [*command, "--jobs", "2"], cwd=ROOT, stderr=subprocess.DEVNULL
    ) as process:
        while len(lines(folder)) < 6 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before, called = lines(folder), _calls(log)
    assert 6 <= len(before) < 1 + 48, "it was to be killed in the middle"
    for worker in set(called):
        _wait_for_end(worker)
    with (folder / FILE).open("a") as file:
        file.write('{"parametrization": "mu')  # and as if in the middle of a line

    begun = len(_calls(log))
    again = subprocess.run(
        [*command, "--jobs", "1"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert "48 trainings of 4 steps" in again.stdout, again.stderr
    after = lines(folder)
    assert after[: len(before)] == before
    runs = [Run.from_dict(json.loads(line)) for line in after[1:]]
    assert len(runs) == len({run.trial for run in runs}) == 48
    missing = 48 - (len(before) - 1)
    assert missing <= len(_calls(log)) - begun <= missing + 2  # two sizes, to see how long it takes

    more: dict[str, Any] = {"rates": rates(2**-8, 2**-3), "seeds": 4, "parametrizations": ["sp"]}
    other = {"log": os.devnull}
    whole = small(tmp_path / "whole", targets.counted, arguments=other, **more)
    assert {run.trial: run.loss for run in runs} == {run.trial: run.loss for run in whole.runs}


def _calls(log: Path) -> list[int]:
    """The process of every call of the target."""
    return [int(line.split()[-1]) for line in log.read_text().splitlines()]


def _wait_for_end(process: int) -> None:
    """Workers of a killed sweep end by themselves."""
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("a worker went on")


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    small(tmp_path, steps=1)
    with pytest.raises(MupfxError, match="made with other settings"):
        small(tmp_path, steps=2)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"widths": (4,)}, "one size shows no drift"),
        ({"rates": (0.1, 0.2)}, "three rates"),
        ({"rates": (0.0, 0.1, 0.2)}, "above 0"),
        ({"seeds": 0}, "nothing is to be trained"),
        ({"decay": "liner"}, "did you mean `linear`"),
        ({"warmup": 4}, "fewer steps of warmup"),
        ({"engine": "cloud"}, "no engine"),
        ({"widths": (0, 4)}, "sizes are whole numbers from 1 on"),
        ({"rates": (0.1, float("nan"), 0.2, 0.3)}, "above 0"),
        ({"rates": (0.1, 0.2, 0.3, float("inf"))}, "above 0"),
        ({"jobs": -2}, "jobs=-2"),
        ({"extend": -1}, "extend=-1"),
        ({"tolerance": -0.5}, "tolerance=-0.5"),
        ({"arguments": {"seed": 3}}, "varies `seed`, and it is fixed as well"),
        ({"hyperparameters": {"lr": 1.0}}, "varies `lr`, and it is fixed as well"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(MupfxError, match=message):
        small(tmp_path, **more)
    assert lines(tmp_path) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"arguments": {"width": 4}}, "`width` of .* is varied, and fixed as well"),
        ({"hyperparameters": {"momentun": 0.9}}, "AdamW cannot be made of these arguments"),
        ({"optimizer": "LBFGS"}, "evaluates the model several times"),
        ({"optimizer": "Optimizer"}, "torch.optim has no `Optimizer`"),
    ],
)
def test_settings_that_did_not_work_may_change(
    tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(MupfxError, match=message):
        small(tmp_path, **more)
    small(tmp_path)


def test_a_disk_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mupfx.pipeline.transfer.store.os.fsync", full)
    with pytest.raises(MupfxError, match="results cannot be written"):
        small(tmp_path)


def test_a_target_without_data_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="nothing to train on"):
        small(tmp_path, targets.no_data)
    assert len(lines(tmp_path)) == 1


def test_a_digest_is_of_the_targets_file() -> None:
    assert digest(targets.mlp) == digest(targets.deep) == digest(partial(targets.mlp, seed=1))
    assert digest(targets.mlp) not in {digest(transfer), ""}
    assert digest(Pretence()) == ""
