"""One training: what is trained, in which parametrization, and what its loss is."""

from dataclasses import replace
from typing import Any

import pytest
import torch

import mupfx
from mupfx.core.report import Size
from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.demo import pretraining
from mupfx.errors import MupfxError, TargetError
from mupfx.pipeline.transfer.data import read
from mupfx.pipeline.transfer.task import task_of
from mupfx.pipeline.transfer.trial import rate_at, run_trial
from tests.transfer import targets

RECIPE = Recipe("target", Size(4), steps=3)


def trained(factory: Any, name: str = "sp", width: int = 8, lr: float = 2**-6, **more: Any) -> Run:
    return run_trial(factory, replace(RECIPE, **more), Trial(name, Size(width), 0, lr))


def rates(factory: Any, name: str, width: int = 16) -> list[float]:
    task = task_of(factory, RECIPE, Trial(name, Size(width), 0, 0.5))
    return sorted(group["lr"] for each in task.optimizers for group in each.param_groups)


def test_the_same_trial_ends_the_same() -> None:
    first, again = trained(targets.mlp), trained(targets.mlp)
    assert replace(first, seconds=0.0) == replace(again, seconds=0.0)
    assert first.loss != trained(targets.mlp, lr=2**-5).loss


def test_nothing_outside_is_changed() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    trained(targets.mlp, "mup")
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("factory", [targets.mlp, targets.full_batch, targets.with_optimizer])
def test_at_the_base_both_parametrizations_are_the_same_bit_for_bit(factory: Any) -> None:
    plain, converted = (trained(factory, name, width=4) for name in ("sp", "mup"))
    assert plain.loss == converted.loss
    assert plain.start == converted.start


def test_elsewhere_they_are_not() -> None:
    assert trained(targets.mlp, "sp").loss != trained(targets.mlp, "mup").loss


def test_rates_are_those_of_the_plan() -> None:
    """The hidden-to-output weight at 4 times the width: its rate over 4, the others' as they are."""
    assert rates(targets.full_batch, "sp") == [0.5]
    assert rates(targets.full_batch, "mup") == [0.125, 0.5]


def test_the_targets_own_groups_are_kept_and_scaled() -> None:
    assert rates(targets.with_optimizer, "sp") == [0.5, 1.0]
    assert rates(targets.with_optimizer, "mup") == [0.125, 1.0]


def test_a_target_that_converts_itself() -> None:
    assert rates(targets.converting, "own") == [0.125, 0.5]
    assert set(rates(targets.converting, "sp")) == {0.5}
    own, plain = trained(targets.converting, "own"), trained(targets.converting, "sp")
    assert own.loss == trained(targets.full_batch, "mup").loss
    assert plain.loss == trained(targets.full_batch, "sp").loss
    with pytest.raises(TargetError, match="--parametrization own,sp"):
        trained(targets.converting, "mup")


def test_a_table_with_depth_rules_sees_the_depth_of_the_base() -> None:
    """At the base's own depth nothing changes; deeper, only a table with depth rules does."""
    recipe = replace(RECIPE, base=Size(4, 2))
    losses = {
        (name, depth): run_trial(
            targets.residual, recipe, Trial(name, Size(4, depth), 0, 0.01)
        ).loss
        for name in ("sp", "mup", "completep")
        for depth in (2, 4)
    }
    assert losses["sp", 2] == losses["mup", 2] == losses["completep", 2]
    assert losses["sp", 4] == losses["mup", 4] != losses["completep", 4]


def test_what_diverges_is_a_result() -> None:
    run = trained(targets.exploding, lr=2.0)
    assert (run.loss, run.diverged, run.steps) == (None, True, 2)
    assert run.start is not None
    assert not trained(targets.exploding, lr=0.5).diverged


def test_the_loss_is_that_of_what_is_held_out() -> None:
    task = task_of(targets.mlp, RECIPE, Trial("sp", Size(8), 0, 2**-6))
    expected = targets.loss(task.model, targets.batch(99)).item()
    assert trained(targets.mlp, lr=0.0).loss == expected


def test_or_the_mean_of_the_last_steps() -> None:
    losses = [trained(targets.full_batch, steps=steps, tail=1 / steps).loss for steps in (1, 2, 3)]
    whole = trained(targets.full_batch, tail=1.0).loss
    assert whole == pytest.approx(sum(loss or 0 for loss in losses) / 3)


def test_a_list_of_batches_is_read_again_and_an_iterator_is_not() -> None:
    assert trained(targets.mlp, steps=5).steps == 5
    assert trained(targets.three_batches).steps == 3
    with pytest.raises(TargetError, match="end after 3 steps"):
        trained(targets.three_batches, steps=4)


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("none", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]),
    ],
)
def test_schedules(decay: str, expected: list[float]) -> None:
    recipe = replace(RECIPE, steps=6, warmup=2, decay=decay)
    assert [rate_at(step, recipe) for step in range(6)] == pytest.approx(expected, abs=1e-3)


def test_a_schedule_is_followed() -> None:
    assert trained(targets.mlp, decay="linear").loss != trained(targets.mlp).loss


def test_an_optimizer_by_name_and_its_arguments() -> None:
    losses = {
        trained(targets.mlp, optimizer=optimizer, hyperparameters=more).loss
        for optimizer, more in [
            ("SGD", {}),
            ("SGD", {"momentum": 0.9}),
            ("AdamW", {}),
            ("AdamW", {"betas": (0.5, 0.9)}),
        ]
    }
    assert len(losses) == 4


REFUSED = {
    "no_data": "brings nothing to train on",
    "rate_unknown": "makes an optimizer and takes no learning rate",
    "failing": "ZeroDivisionError",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(TargetError, match=REFUSED[name]):
        trained(getattr(targets, name))


def test_a_loss_that_never_calls_the_model_cannot_be_converted() -> None:
    assert trained(targets.never_called).steps == 3
    with pytest.raises(TargetError, match="never calls the model"):
        trained(targets.never_called, "mup")


def test_an_unknown_optimizer_or_table() -> None:
    with pytest.raises(TargetError, match="did you mean `AdamW`"):
        trained(targets.mlp, optimizer="AdmW")
    with pytest.raises(MupfxError, match="mup"):
        trained(targets.mlp, "mupp")


def test_a_check_takes_the_same_target() -> None:
    report = mupfx.check(targets.mlp, widths=(8, 16, 32), dynamic=False)
    assert not [finding for finding in report.findings if finding.code == "MUP019"]


@pytest.mark.parametrize("batches", [3, [], iter(())])
def test_batches_that_are_none(batches: object) -> None:
    made = {"model": targets.net(4), "batches": batches, "loss": targets.loss}
    with pytest.raises(TargetError, match="batch"):
        read(made, "target")


def test_the_embedded_gpt_learns() -> None:
    run = run_trial(
        pretraining.gpt, Recipe("gpt", Size(16), steps=4), Trial("mup", Size(32), 0, 2**-5)
    )
    assert run.start is not None
    assert run.loss is not None
    assert run.loss < run.start - 1
