"""``mupfx.check``: verdicts, what is supplied, what is put back, the same twice, and the control."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.core.finding import Level
from mupfx.testing import assert_mup
from tests.check import targets
from tests.check.targets import WIDTHS, batch, loss, net

QUICK: dict[str, Any] = {"widths": WIDTHS, "dynamic": False}
TRAINED: dict[str, Any] = {"widths": (32, 64, 128, 256), "seeds": 3, "steps": 2, "fast": True}


def codes(report: mupfx.Report) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.parameter) for finding in report.errors]


def test_a_converted_model_passes() -> None:
    report = mupfx.check(targets.good, **TRAINED)
    assert (report.verdict, report.errors) == ("pass", ())
    assert {slope.parameter for slope in report.slopes} >= {"0.weight", "2.weight", "4.weight"}
    assert {quantity.name for quantity in report.quantities} >= {"init std", "learning rate"}
    assert report.settings["seeds"][:3] == [0, 1, 2]


def test_one_as_torch_makes_it_fails() -> None:
    report = mupfx.check(targets.standard, **TRAINED)
    assert report.verdict == "fail"
    slope = next(s for s in report.slopes if (s.parameter, s.statistic) == ("2.weight", "update"))
    assert slope.verdict == "fail"


def test_a_parameter_that_no_optimizer_trains() -> None:
    report = mupfx.check(targets.forgotten, **QUICK)
    assert codes(report) == [("MUP015", "2.weight")]
    assert report.errors[0].message == snapshot(
        "it is used and requires a gradient, but no optimizer holds it: it stays as it started"
    )


def test_a_parameter_that_two_optimizers_train() -> None:
    report = mupfx.check(targets.twice, **QUICK)
    assert ("MUP015", "2.weight") in codes(report)


def test_what_is_no_matter_of_an_axis_is_said_once() -> None:
    def deep(width: int, depth: int) -> Any:
        inner = (nn.Linear(width, width) for _ in range(depth))
        model = nn.Sequential(nn.Linear(8, width), *inner, nn.Linear(width, 16))
        trained = [p for name, p in model.named_parameters() if name != "1.weight"]
        return model, torch.optim.SGD(trained, lr=0.1), batch(), loss

    report = mupfx.check(deep, depths=(1, 2, 3), **QUICK)
    assert [f.parameter for f in report.findings if f.code == "MUP015"] == ["1.weight"]


def test_an_optimizer_of_no_known_family_is_said() -> None:
    report = mupfx.check(targets.unknown, **QUICK)
    assert [(f.code, f.level) for f in report.findings] == [("MUP019", "warning")]
    assert report.findings[0].message == snapshot(
        "learning rates of Unknown are not read: how this optimizer scales is not known"
    )
    assert report.verdict == "inconclusive"


def test_what_has_no_effect_needs_no_verdict() -> None:
    report = mupfx.check(targets.attentive, widths=WIDTHS, fast=True)
    assert not report.errors
    assert not [s for s in report.slopes if s.parameter == "k.bias" and s.judged]
    assert report.verdict == "pass"


def test_an_optimizer_of_another_model() -> None:
    def stale(width: int) -> Any:
        other = torch.optim.SGD(net(width).parameters(), lr=0.1)
        return net(width), other, batch(), loss

    found = mupfx.check(stale, **QUICK)
    assert ("MUP015", None) in codes(found)
    finding = next(f for f in found.errors if f.code == "MUP015")
    assert finding.message == snapshot(
        "the optimizer holds no parameter of the model: nothing is trained"
    )


def test_a_frozen_parameter_that_an_optimizer_holds() -> None:
    def frozen(width: int) -> Any:
        made = targets.good(width)
        made[0].get_parameter("2.bias").requires_grad_(False)  # noqa: FBT003
        return made

    report = mupfx.check(frozen, **QUICK)
    found = [f for f in report.findings if f.code == "MUP015"]
    assert [(f.parameter, f.level) for f in found] == [("2.bias", "warning")]
    assert report.verdict == "pass"


def test_models_that_do_not_grow_test_nothing() -> None:
    report = mupfx.check(targets.constant, inputs="float32[5,8]", **QUICK)
    assert codes(report) == [("MUP019", None)]
    assert report.errors[0].message == snapshot(
        "the models of every width are the same: nothing grows"
    )


class Elsewhere(nn.Module):
    """Has a part that its forward never calls."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.used, self.spare = net(width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


def test_parameters_that_nothing_reaches_are_noted() -> None:
    report = mupfx.check(Elsewhere, inputs="float32[5,8]", **QUICK)
    notes = [f for f in report.findings if f.code == "MUP019"]
    assert [(f.parameter, f.level) for f in notes] == [
        ("spare.weight", "note"),
        ("spare.bias", "note"),
    ]


def test_a_model_that_cannot_be_read_and_is_not_trained_tests_nothing() -> None:
    def made(width: int) -> Any:
        model, *rest = targets.good(width)
        torch.nn.init.constant_(model.get_parameter("0.bias"), float("nan"))
        return model, *rest

    report = mupfx.check(made, **QUICK)
    assert report.verdict == "fail"
    assert [(f.level, f.message) for f in report.findings] == snapshot(
        [
            (
                Level.WARNING,
                "the model could not be analysed: weights hold values that are not finite",
            ),
            (
                Level.ERROR,
                "nothing was tested: no number could be compared, and no update be measured",
            ),
        ]
    )


class Steps(nn.Module):
    """Is never called itself, as models of training frameworks are not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = net(width)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return functional.cross_entropy(self.net(batch[0]), batch[1])


@pytest.mark.parametrize("converted", [True, False])
def test_a_model_whose_loss_is_a_method_of_its_own(converted: bool) -> None:  # noqa: FBT001
    def made(width: int) -> Any:
        model = Steps(width)
        if converted:
            mupfx.convert(model.net, torch.zeros(1, 8), base=net(targets.BASE))
            optimizer = mupfx.optimizer(torch.optim.AdamW, model.net, lr=2**-8)
        else:
            optimizer = torch.optim.AdamW(model.parameters(), lr=2**-8)
        return model, optimizer, batch(), lambda model, data: model.training_step(data)

    report = mupfx.check(made, **QUICK)
    assert report.notes == ("the loss calls parts of the model alone: the model is read with it",)
    assert (report.verdict == "pass") is converted
    assert converted or ("MUP002", "net.2.weight") in codes(report)


def test_everything_supplied_is_said() -> None:
    report = mupfx.check(net, inputs="float32[5,8]", **QUICK)
    assert report.notes == snapshot(
        (
            "the batch is a fixed random batch, float32[5,8]",
            "the loss is cross-entropy on fixed random classes",
            "the optimizer is AdamW, its groups scaled by mup",
        )
    )
    assert {p for _, p in codes(report)} == {"4.weight"}  # torch's own readout is too large


def test_depth_is_an_axis_of_its_own() -> None:
    def deep(width: int = 16, depth: int = 1) -> nn.Module:
        layers = (nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(depth))
        return nn.Sequential(nn.Linear(8, width), *layers, nn.Linear(width, 4))

    report = mupfx.check(deep, depths=(1, 2, 3), inputs="float32[5,8]", dynamic=False)
    assert list(report.sizes) == ["depth"]
    assert [(size.width, size.depth) for size in report.sizes["depth"]] == [
        (None, 1),
        (None, 2),
        (None, 3),
    ]
    assert any("says nothing of depth" in f.message for f in report.findings)
    both = mupfx.check(deep, depths=(1, 2, 3), inputs="float32[5,8]", **QUICK)
    assert [(s.width, s.depth) for s in both.sizes["width"]] == [(w, 1) for w in WIDTHS]
    assert [(s.width, s.depth) for s in both.sizes["depth"]] == [(16, d) for d in (1, 2, 3)]


def test_two_checks_give_one_report() -> None:
    options = {**TRAINED, "widths": WIDTHS, "seeds": 2}
    assert mupfx.check(targets.good, **options) == mupfx.check(targets.good, **options)


def test_everything_around_is_as_before() -> None:
    def restless(width: int) -> Any:
        random.seed(width)
        np.random.seed(width)  # noqa: NPY002
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
        return targets.good(width)

    def state() -> tuple[object, ...]:
        drawn = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
        settings = torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()
        return (*map(str, drawn), torch.get_num_threads(), *settings)

    before = state()
    mupfx.check(restless, **QUICK)
    assert state() == before


def test_a_control_of_a_converted_target_fails() -> None:
    report = mupfx.check(targets.good, control=True, **QUICK)
    assert report.verdict == "pass"
    assert report.settings["control_errors"] > 0


def test_a_control_shows_its_slopes() -> None:
    report = mupfx.check(targets.good, control=True, **TRAINED)
    slopes = {s.parameter: sum(s.slopes) / 3 for s in report.control if s.statistic == "update"}
    assert slopes["2.weight"] > 0.5
    assert report.verdict == "pass"


def test_a_control_that_passes_is_an_error() -> None:
    report = mupfx.check(targets.good, control=targets.good, **QUICK)
    assert codes(report) == [("MUP019", None)]
    assert report.errors[0].message == snapshot(
        "the control passes: a check that cannot tell it from the target says nothing"
    )


def test_a_control_of_what_is_not_converted_is_not_there() -> None:
    def by_hand(width: int) -> Any:
        model, optimizer, data, taught = targets.good(width)
        plain = net(width)
        plain.load_state_dict(model.state_dict())
        mine = {id(p): q for p, q in zip(model.parameters(), plain.parameters(), strict=True)}
        groups = [
            {"params": [mine[id(p)] for p in g["params"]], "lr": g["lr"], "weight_decay": 0.0}
            for g in optimizer.param_groups
        ]
        return plain, torch.optim.AdamW(groups), data, taught

    report = mupfx.check(by_hand, control=True, **QUICK)
    assert report.verdict == "pass"
    assert report.notes == snapshot(
        (
            "no control was tried: nothing is converted by mupfx: give the control as a target of its own",
        )
    )


def test_seeds_that_change_nothing_are_said() -> None:
    def fixed(width: int) -> Any:
        torch.manual_seed(0)
        return targets.good(width)

    report = mupfx.check(fixed, widths=WIDTHS, seeds=2, steps=1, fast=True)
    assert any("every seed gives the same run" in note for note in report.notes)


def test_progress_is_told() -> None:
    told: list[tuple[str, float, float]] = []
    mupfx.check(targets.good, progress=lambda *now: told.append(now), **QUICK)
    assert told[0][0] == "reading width=16"
    assert all(done <= total for _, done, total in told)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_assert_mup() -> None:
    assert assert_mup(targets.good, **QUICK).verdict == "pass"
    with pytest.raises(AssertionError, match=r"MUP015 2\.weight"):
        assert_mup(targets.forgotten, **QUICK)


def failing_in_training(width: int) -> Any:
    model, optimizer, data, _ = targets.good(width)

    def broken(model: nn.Module, batch: Any) -> Tensor:
        raise ZeroDivisionError if model(batch[0]) is not None else KeyError

    return model, optimizer, data, broken


WRONG: dict[str, dict[str, Any]] = {
    "fast and full": {"fast": True, "full": True},
    "two widths": {"widths": (16, 32)},
    "the same width": {"widths": (16, 16, 16)},
    "no number": {"widths": "64"},
    "a width of zero": {"widths": (0, 16, 32)},
    "no seeds": {"seeds": 0},
    "seeds that are none": {"seeds": ("a",)},
    "no steps": {"steps": 0},
    "a margin of one": {"margin": 1.0},
    "nothing to do": {"static": False, "dynamic": False},
}


def test_wrong_options_are_said() -> None:
    said = {}
    for name, options in WRONG.items():
        with pytest.raises(mupfx.TargetError) as caught:
            mupfx.check(targets.good, **options)
        said[name] = str(caught.value)
    assert said == snapshot(
        {
            "fast and full": """\
fast and full are both given
  hint: leave one out\
""",
            "two widths": """\
2 different widths show no power law
  expected: at least 3
  found: 16, 32\
""",
            "the same width": """\
1 different widths show no power law
  expected: at least 3
  found: 16\
""",
            "no number": """\
widths='64' are no sizes
  expected: widths=(64, 128, 256)\
""",
            "a width of zero": """\
widths=(0, 16, 32) are no sizes
  expected: widths=(64, 128, 256)\
""",
            "no seeds": """\
seeds=0 is no number
  expected: a whole number above 0\
""",
            "seeds that are none": """\
seeds=('a',) are no seeds
  expected: a number of seeds, or a list\
""",
            "no steps": """\
steps=0 is no number
  expected: a whole number above 0\
""",
            "a margin of one": """\
margin=1.0 is no margin
  expected: a number between 0 and 1\
""",
            "nothing to do": "neither static nor dynamic rules are to be tried: nothing is left",
        }
    )


def test_what_fails_in_training_is_the_cause() -> None:
    with pytest.raises(mupfx.TargetError) as caught:
        mupfx.check(failing_in_training, widths=WIDTHS, fast=True)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert str(caught.value) == snapshot(
        "training `failing_in_training` raised ZeroDivisionError at width=16"
    )
