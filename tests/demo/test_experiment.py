"""The demo itself, small; and whole, among the slow tests."""

import pytest
import torch

from mupfx.demo.experiment import experiment
from mupfx.demo.outcome import outcome
from mupfx.demo.settings import MUP, SP, Run, Settings
from tests.cli.terminal import data, printed

SMALL = Settings(widths=(32, 64), base=32, steps=3, measured_at=2, seeds=1, batch=2)


def _do_nothing() -> None:
    pass


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, int], Run]:
    found = experiment(SMALL, _do_nothing)
    return {(run.parametrization, run.width): run for run in found}


def test_every_width_is_trained_both_ways(runs: dict[tuple[str, int], Run]) -> None:
    assert set(runs) == {(kind, width) for kind in (SP, MUP) for width in SMALL.widths}


def test_at_the_base_both_are_the_same_bit_for_bit(runs: dict[tuple[str, int], Run]) -> None:
    assert runs[SP, 32].updates == runs[MUP, 32].updates
    assert runs[SP, 32].loss == runs[MUP, 32].loss


def test_wider_they_differ(runs: dict[tuple[str, int], Run]) -> None:
    assert runs[SP, 64].updates["head"] > 1.2 * runs[MUP, 64].updates["head"]


def test_steps_are_counted_and_nothing_global_is_left() -> None:
    settings = Settings(widths=(32,), base=32, steps=2, measured_at=1, seeds=1, batch=2)
    state, threads, steps = torch.get_rng_state(), torch.get_num_threads(), []
    experiment(settings, lambda: steps.append(1))
    assert len(steps) == settings.all_steps == 4
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_it_shows_what_it_says() -> None:
    found = data("demo")
    assert found["shown"]
    assert found["plan"]["parametrization"] == "mup"
    text = printed("demo")
    assert text.rstrip().endswith("muP's updates keep their size while SP's do not")


def test_the_outcome_of_a_small_run(runs: dict[tuple[str, int], Run]) -> None:
    found = outcome(list(runs.values()))
    assert set(found.mup.layers) == set(found.sp.layers)
    assert list(found.mup.losses) == [32, 64]
