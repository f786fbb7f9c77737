"""What rules say of training, each on runs that have its fault and on runs that do not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from inline_snapshot import snapshot

from mupfx.checks.dynamic import dynamic_findings, standing
from mupfx.core.finding import Finding, Level, Place
from mupfx.core.run import Gradient, Run, Seen
from mupfx.core.trained import Trained
from mupfx.pipeline.checking.dynamic import Expected, dynamic_evidence
from tests.checks.drawn_runs import WIDTHS, drawn, run


def said(runs: Sequence[Run], **further: Any) -> list[tuple[str, str | None, str, str]]:
    slopes = dynamic_evidence(runs, {}) if runs and not any(r.not_finite for r in runs) else ()
    trained = replace(Trained("width", tuple(runs), slopes), **further)
    found = dynamic_findings(trained)
    assert all(f.dynamic for f in found)
    return [(f.code, f.parameter, str(f.level), f.message) for f in found]


WRONG = Finding("MUP002", "w", "its learning rate is the same at every width")
RATES = {"w": -1.0, "b": 0.0}
"""Exponents of two parameters' learning rates."""


def rated(at_steps: Sequence[Mapping[str, float]], factor: float = 1.0) -> list[Run]:
    """Rates that are given as ``RATES``, and go otherwise in the steps."""
    return [
        run(
            width,
            given={name: 0.1 * (width / 64) ** power for name, power in RATES.items()},
            rates=[
                {name: factor * 0.1 * (width / 64) ** power for name, power in step.items()}
                for step in at_steps
            ],
        )
        for width in WIDTHS
    ]


def test_a_schedule_that_gives_all_groups_one_rate() -> None:
    assert said(rated([{"w": 0.0, "b": 0.0}, RATES])) == snapshot(
        [
            (
                "MUP013",
                None,
                "error",
                "the schedule changes rates by factors that differ between sizes: in step 1 that of w goes as n^0, and was given as n^-1; all groups have one rate",
            )
        ]
    )


def test_a_schedule_that_does_so_later() -> None:
    ((code, _, _, message),) = said(rated([RATES, RATES, {"w": -0.5, "b": 0.0}]))
    assert code == "MUP013"
    assert "in step 3 that of w goes as n^-1/2, and was given as n^-1" in message


def test_a_schedule_that_depends_on_the_width() -> None:
    ((code, _, _, message),) = said(rated([{"w": -2.0, "b": -1.0}]))
    assert code == "MUP013"
    assert "and 1 others" in message


def test_an_optimizer_may_set_rates_right_in_its_steps() -> None:
    given = [replace(r, given={"w": 0.1, "b": 0.1}) for r in rated([RATES, RATES])]
    before = (Finding("MUP002", "w", "its learning rate is the same at every width"),)
    trained = Trained("width", tuple(given), (), before, due=RATES)
    assert standing(trained) == ()
    assert dynamic_findings(replace(trained, before=())) == ()
    still = replace(trained, due={**RATES, "w": -0.5})
    assert standing(still) == before
    assert [f.code for f in dynamic_findings(still)] == ["MUP013"]


def own_step(slope: float) -> list[Finding]:
    """Rates that an optimizer of an unknown kind changes in its step, and what updates do."""
    found = {r.size.width: r for r in rated([RATES])}
    given = {"w": 0.1, "b": 0.1}
    runs = [
        replace(r, given=given, rates=found[r.size.width].rates, scheduled=(given,))
        for r in drawn({"w": slope, "b": 0.0})
    ]
    slopes = dynamic_evidence(runs, {name: (Expected(0.0),) for name in RATES})
    return list(dynamic_findings(Trained("width", tuple(runs), slopes)))


def test_what_a_step_of_an_unknown_kind_does_to_rates_is_judged_by_updates() -> None:
    assert own_step(0.0) == []
    assert [f.code for f in own_step(1.0)] == ["MUP013"]


def floored(least: float) -> list[Run]:
    return [replace(r, floors=(least,)) for r in rated([RATES])]


def test_a_floor_that_is_one_number_at_every_size() -> None:
    ((code, _, _, message),) = said(floored(0.01))
    assert code == "MUP013"
    assert message == snapshot(
        "the schedule ends at 0.01 for all groups at every size, and the rate of w starts at 0.1 in the smallest model and at 0.0125 in the largest: the ratio is lost on the way"
    )


def test_floors_that_follow_the_rates_or_are_next_to_nothing() -> None:
    assert said(floored(1e-4)) == []
    assert said([replace(r, floors=(r.given["w"] / 10,)) for r in floored(0.01)]) == []
    alike = [replace(r, given={"w": 0.1, "b": 0.1}) for r in floored(0.01)]
    assert said([replace(r, rates=(r.given,), scheduled=(r.given,)) for r in alike]) == []


@pytest.mark.parametrize("factor", [1.0, 0.01, 0.0])
def test_one_factor_for_all_groups_keeps_the_ratios(factor: float) -> None:
    assert said(rated([RATES, RATES], factor)) == []


def test_what_schedulers_say_themselves() -> None:
    runs = [replace(r, schedules=("OneCycleLR: max_lr",)) for r in rated([RATES])]
    assert [(code, message) for code, _, _, message in said(runs)] == [
        ("MUP013", "OneCycleLR: max_lr")
    ]


def test_one_maximum_for_all_groups_is_a_fault_where_rates_are_wrong() -> None:
    runs = [replace(r, pinned=("OneCycleLR",)) for r in rated([RATES])]
    assert said(runs) == []
    assert [code for code, *_ in said(runs, before=(WRONG,))] == ["MUP013"]


NORMS = {"hidden": 0.0, "out": 0.5}
"""Exponents of two gradients' norms in muP."""


def clipped(how: str, threshold: float = 0.5) -> list[Run]:
    return [
        run(
            width,
            gradients=[_clipped(how, threshold, width, t)] * 1
            + [_clipped(how, threshold, width, 1)],
        )
        for width in WIDTHS
        for t in (0,)
    ]


def _clipped(how: str, threshold: float, width: int, step: int) -> dict[str, Gradient]:
    n = width / 64
    norms = {name: (0.9 + 0.1 * step) * n**power for name, power in NORMS.items()}
    largest = {"hidden": 0.3 / n, "out": 0.3}
    whole = sum(norm**2 for norm in norms.values()) ** 0.5
    weighed = (norms["hidden"] ** 2 + norms["out"] ** 2 / n) ** 0.5
    kept = {
        "": dict.fromkeys(norms, 1.0),
        "norm": dict.fromkeys(norms, min(1.0, threshold / whole)),
        "weighed": dict.fromkeys(norms, min(1.0, threshold / weighed)),
        "tensor": {name: min(1.0, threshold / norm) for name, norm in norms.items()},
        "value": dict.fromkeys(norms, 0.8),
    }[how]
    return {
        name: Gradient(
            norm,
            largest[name],
            kept[name],
            min(1.0, 1e-3 / largest[name]) if how == "value" else kept[name],
        )
        for name, norm in norms.items()
    }


def test_clipping_by_the_plain_norm() -> None:
    assert said(clipped("norm")) == snapshot(
        [
            (
                "MUP014",
                None,
                "error",
                "gradients are clipped by their norm; it goes as n^0.36, so that it bites ever more in larger models",
            )
        ]
    )


@pytest.mark.parametrize(
    ("how", "what"),
    [("value", "the size of their entries"), ("tensor", "the norm of each tensor")],
)
def test_other_ways_to_clip(how: str, what: str) -> None:
    ((code, _, level, message),) = said(clipped(how))
    assert (code, level) == ("MUP014", "error")
    assert what in message


@pytest.mark.parametrize("how", ["", "weighed"])
def test_clipping_alike_at_every_width(how: str) -> None:
    assert said(clipped(how)) == []


def test_a_threshold_that_is_never_reached() -> None:
    assert said(clipped("norm", threshold=100.0)) == []


def test_a_threshold_that_only_wide_models_reach() -> None:
    ((code, _, level, message),) = said(clipped("norm", threshold=2.5))
    assert (code, level) == ("MUP014", "error")
    assert "bites ever more" in message


def test_steps_of_one_size_make_little_of_one_factor() -> None:
    """Under Adam: a warning, unless what is left of gradients differs widely."""
    adam = frozenset(NORMS)
    assert [level for _, _, level, _ in said(clipped("norm", 2.5), normalised=adam)] == ["warning"]
    assert [level for _, _, level, _ in said(clipped("norm", 0.01), normalised=adam)] == ["error"]


def judged(slopes: Mapping[str, float], **further: Any) -> list[Finding]:
    runs = drawn(slopes)
    found = dynamic_evidence(runs, {name: (Expected(0.0),) for name in slopes})
    return list(dynamic_findings(replace(Trained("width", tuple(runs), found), **further)))


def test_an_update_that_grows() -> None:
    place = Place("model.py", 7, "x = custom(x)")
    (found,) = judged({"a": 0.0, "w": 1.0}, places={"w": place})
    assert (found.code, found.parameter, found.place) == ("MUP017", "w", place)
    assert found.message == snapshot(
        "in training its update grows: (W_t - W_0) x goes as n^1.01 (0.99 to 1.02), and should as n^0"
    )


def test_an_update_that_vanishes() -> None:
    (found,) = judged({"a": 0.0, "w": -1.0})
    assert "vanishes" in found.message
    assert found.measured == pytest.approx(-1.0, abs=0.05)


def test_the_furthest_off_are_named() -> None:
    assert [f.parameter for f in judged({"a": 0.45, "w": 1.0, "z": 0.9})] == ["w", "z"]


def test_what_is_explained_is_not_said_again() -> None:
    assert judged({"w": 1.0}, before=(WRONG,)) == []
    assert len(judged({"w": 1.0}, before=(replace(WRONG, level=Level.WARNING),))) == 1


def unreached(gradients: Sequence[str], moved: float = 0.0) -> list[Finding]:
    """Two parameters that an optimizer holds; gradients come to some, and one may move."""
    place = Place("model.py", 7, "x = layer(x)")
    step = {name: Gradient(1.0, 1.0) for name in gradients}
    seen = {"a": Seen(0.1), "w": Seen(moved)}
    runs = [run(w, 0, seen, given={"a": 0.1, "w": 0.1}, gradients=[step]) for w in WIDTHS]
    return list(
        dynamic_findings(Trained("width", tuple(runs), (), places={"w": place, "a": place}))
    )


def test_a_parameter_that_no_gradient_comes_to() -> None:
    (found,) = unreached(["a"])
    assert (found.code, found.parameter) == ("MUP015", "w")
    assert "no gradient ever comes to it" in found.message


def test_parameters_that_gradients_come_to_or_that_move() -> None:
    """Sparse gradients are not measured; what they do is."""
    assert unreached(["a", "w"]) == []
    assert unreached(["a"], moved=0.1) == []


def test_runs_that_are_not_finite() -> None:
    broken = [run(w, not_finite="the loss of step 2" if w > 128 else "") for w in WIDTHS]
    assert said(broken) == snapshot(
        [
            (
                "MUP018",
                None,
                "error",
                "training is not finite from width 256 on: the loss of step 2, with seed 0",
            )
        ]
    )
    everywhere = [run(w, not_finite="the loss of step 1") for w in WIDTHS]
    assert "at every width" in said(everywhere)[0][3]
    assert said(broken, before=(WRONG,)) == []


def test_nothing_to_say() -> None:
    assert said([]) == []
    assert judged({"a": 0.0, "w": 0.1}) == []
