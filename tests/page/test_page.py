"""The page as text: all there is stands in it, nothing is loaded, names are never markup."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from markupsafe import Markup

import mupfx
from mupfx.core.observed import Exponent
from mupfx.core.report import Size
from mupfx.core.transfer import Curve, Run, Trial
from mupfx.demo.gpt import example
from mupfx.errors import MupfxError
from mupfx.pipeline.reporting import Wanted, described
from mupfx.render.page.coordinates import layers, overviews, relative
from mupfx.render.page.facts import Facts
from mupfx.render.page.page import _breaks, contents, page
from mupfx.render.page.swept import _top
from mupfx.tables.parametrizations import parametrization
from tests.page.pages import (
    HOSTILE,
    Hostile,
    Tree,
    checked,
    facts,
    gpt,
    made,
    observations,
    sweep,
)
from tests.render.check.reports import slope

LOADS = {"src", "srcset", "data", "poster", "action", "background", "manifest", "xlink:href"}
SECTIONS = ("model", "plan", "check", "transfer", "observed")


@pytest.fixture(scope="module")
def whole() -> str:
    return page(facts())


def test_it_parses_and_has_every_section(whole: str) -> None:
    tree = Tree(whole)
    ids = tree.having("id")
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    links = tree.having("href")
    assert all(link.startswith("#") and link[1:] in ids for link in links), links


def test_nothing_is_loaded(whole: str) -> None:
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)\w", Tree(whole).text)
    assert not LOADS & {name for _, found in Tree(whole).tags for name in found}
    assert not {"link", "iframe", "object", "img"} & {tag for tag, _ in Tree(whole).tags}
    assert "url(" not in whole
    assert "@import" not in whole
    policy = next(value for value in Tree(whole).having("content") if "default-src" in value)
    assert policy.startswith("default-src 'none';")


def test_every_parameter_is_there_with_its_numbers(whole: str) -> None:
    tree = Tree(whole)
    names = {name for value in tree.having("data-names") for name in value.split()}
    analysis, plan = gpt()
    assert names >= set(analysis.roles)
    for source in {parameter.source for parameter in plan.parameters.values()}:
        assert source in tree.text


def test_evidence_is_that_of_explain(whole: str) -> None:
    _, plan = gpt()
    text = Tree(whole).text
    for link in plan.parameters["head.weight"].evidence:
        assert link in text


def test_every_layer() -> None:
    assert len(contents(facts()).entries) == 17
    assert len(contents(facts(every_layer=True)).entries) == 29
    Tree(page(facts(every_layer=True)))


def test_factors_of_the_graph_are_classes_of_the_list(whole: str) -> None:
    listed = [
        f["data-class"] for tag, f in Tree(whole).tags if tag == "button" and "data-class" in f
    ]
    drawn = {f["data-class"] for tag, f in Tree(whole).tags if tag == "g" and "data-class" in f}
    assert drawn <= set(listed)
    assert {"c1", "c4", "c6"} <= drawn


def test_names_are_text() -> None:
    analysis, plan = made(Hostile(64), torch.zeros(2, 8), base=16)
    text = page(replace(facts(analysis=analysis, plan=plan), title=HOSTILE))
    tree = Tree(text)
    assert "<img" not in text
    assert not [name for _, found in tree.tags for name in found if name.startswith("on")]
    assert f"weights.{HOSTILE}" in tree.text
    assert HOSTILE in next(iter(tree.having("data-names")))


def test_a_plan_alone() -> None:
    found = page(Facts("plan", None, gpt()[1]))
    tree = Tree(found)
    assert "model" not in tree.having("id")
    assert "plan" in tree.having("id")
    assert "blocks.{0,1}.mlp.0.weight" in found.replace("<wbr>", "")


def test_an_analysis_alone() -> None:
    found, plan = described(*example(width=64), {}, Wanted(parametrization("mup")))
    assert plan is None
    tree = Tree(page(Facts("model", found)))
    assert {"model", "plan"} <= set(tree.having("id"))
    assert "contracts width 64 into output 256" in tree.text


def test_a_converted_model_shows_its_own_plan(tmp_path: Path) -> None:
    model, args = example(width=256)
    mupfx.convert(model, args, base=32)
    text = mupfx.report(model, tmp_path / "page.html", args).read_text()
    assert "<dt>base</dt><dd>32</dd>" in text
    assert 'id="model"' in text


def test_a_model_stays_as_it_is(tmp_path: Path) -> None:
    model, args = example(width=64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mupfx.report(model, tmp_path / "page.html", args, base=32)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with pytest.raises(mupfx.PlanError):
        mupfx.plan(model)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MupfxError, match="the page cannot be written"):
        mupfx.report(gpt()[1], tmp_path / "nowhere" / "page.html")


def test_measurements_of_another_model_are_refused(tmp_path: Path) -> None:
    model, args = example(width=64)
    page = tmp_path / "page.html"
    for wrapped in ("tokens.weight", "_orig_mod.tokens.weight"):
        mupfx.report(model, page, args, check=replace(checked(), slopes=(slope(wrapped, 0.0),)))
    page.unlink()
    with pytest.raises(MupfxError, match=r"the check is of another model\n  expected: .*bias"):
        mupfx.report(model, page, args, check=replace(checked(), slopes=(slope("far", 0.0),)))
    with pytest.raises(MupfxError, match="what was observed is of another model"):
        mupfx.report(model, page, args, observe=mupfx.Observations("far", observations()))
    assert not page.exists()


def test_the_verdict_and_its_findings(whole: str) -> None:
    tree = Tree(whole)
    assert "grows <img" in tree.text
    marks = {entry.row.name: entry.marks for entry in contents(facts()).entries}
    assert marks["blocks.{0,1}.mlp.2.weight"] == "MUP002"
    assert marks["head.weight"] == "pass"
    assert marks["norm.bias"] == ""


def test_slopes_beside_the_control() -> None:
    (found,) = overviews(checked(), {"head.weight": "output"})
    assert [heading for heading, _ in found.plots] == ["mup", "control: as it is without"]
    bars = {bar.name: bar for bar in found.bars}
    bad = bars["blocks.1.mlp.2.weight"]
    assert (bad.verdict, round(bad.off, 2)) == ("fail", 0.9)
    assert bad.control == pytest.approx(1.0)
    assert bars["blocks.0.mlp.{0,2}.weight"].verdict == "pass"
    assert found.at(found.low) == 0
    assert found.at(found.high) == 100
    assert found.low < -found.margin < 0 < found.margin < found.high


def test_layers_whose_controls_differ_are_apart() -> None:
    own = tuple(slope(f"{at}.weight", 0.0) for at in range(3))
    control = tuple(slope(f"{at}.weight", found) for at, found in enumerate((0.0, 1.0, 0.9)))
    names = [name for name, _ in layers(own, control, {})]
    assert names == ["0.weight", "{1,2}.weight"]
    roles = {"0.weight": "input", "1.weight": "hidden", "2.weight": "output"}
    assert len(layers(own, (), roles)) == 3
    assert len(layers(own, (), {})) == 1


def test_growth_is_over_what_is_expected() -> None:
    points = relative(slope("head.weight", -0.5, -0.5), (64.0, 128.0, 256.0, 512.0))
    assert [x for x, _ in points] == [64, 128, 256, 512]
    assert [y for _, y in points] == pytest.approx([1.0] * 4)
    zeros = replace(slope("head.weight", 0.0), values=((0.0,) * 4,))
    assert relative(zeros, (64.0, 128.0, 256.0, 512.0)) == ()


def test_a_check_that_trained_nothing() -> None:
    static = replace(checked(), slopes=(), control=())
    assert overviews(static, {}) == ()
    Tree(page(facts(check=static)))


def test_observations(whole: str) -> None:
    exponent = Exponent(
        "output", "", "", "", 4, "width", None, (0,), (-1.0,), ((-1.1, -0.9),), -1.0, (-1.1, -0.9)
    )
    found = contents(facts(exponents=(exponent,)))
    said = {each.quantity: (each.said, bool(each.picture)) for each in found.observed}
    assert said == {
        "rms": ("", True),
        "output": ("n^-1.00 (-1.10 to -0.90)", True),
        "richness": ("0.5", False),
    }
    assert found.exponents is not None
    assert found.exponents.rows[0][6:] == ("-1.00", "-1.10 to -0.90", "1")
    assert len(observations()) == 11
    assert "richness" in Tree(whole).text


def test_a_sweep(whole: str) -> None:
    assert sweep().verdict == "pass"
    text = Tree(whole).text
    assert "standard (SP)" in text
    assert "drift of the best rate, tolerance 0.5 octaves" in text


def test_a_loss_that_grows_hides_no_other() -> None:
    found = sweep()
    rates, seeds, sizes = (0.001, 0.002, 0.004), (0, 1), (Size(64), Size(128))
    wild = Curve(rates, ((2.2, 2.3), (2.0, 2.1), (900.0, 1100.0)), seeds)
    runs = (Run(Trial("sp", Size(64), 0, 0.004), 900.0, 2.5, 3, 1.0),)
    found = replace(found, curves={**found.curves, "sp": dict.fromkeys(sizes, wild)}, runs=runs)
    assert 2.25 < _top(found) < 3


def test_numbers_stay_whole_and_names_may_break(whole: str) -> None:
    assert _breaks("blocks.0.weight at -9.46 (+3.05)") == Markup(
        "blocks.<wbr>0.<wbr>weight at -9.46 (+3.05)"
    )
    assert not re.search(r"[-+( ]\d+\.<wbr>\d", whole)
