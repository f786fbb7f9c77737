"""The table of observations: rows, files, exponents, and what is said of a wrong question."""

import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.core.observed import Row
from mupfx.errors import MupfxError
from mupfx.observables.observations import Observations


def rows(value: Callable[[int, int], float]) -> Observations:
    found = [
        Row(width, None, seed, step, "", op, "", "rms", value(width, seed) if step else 1.0)
        for width in (64, 128, 256)
        for seed in (0, 1)
        for step in (0, 4)
        for op in ("", "linear")
    ]
    return Observations("net", tuple(found))


def test_exponents() -> None:
    seen = rows(lambda width, seed: 3 * width ** (0.5 + 0.1 * seed))
    whole, op = seen.slopes("rms")
    assert (whole.op, op.op) == ("", "linear")
    assert whole.slopes == pytest.approx((0.5, 0.6))
    assert whole.mean == pytest.approx(0.55)
    assert whole.interval == pytest.approx((0.55 - 12.706 * 0.05, 0.55 + 12.706 * 0.05), rel=1e-3)
    assert whole.intervals[0] == pytest.approx((0.5, 0.5))
    assert seen.slope("rms", step=0).mean == pytest.approx(0)


def test_one_seed_has_the_interval_of_its_fit() -> None:
    seen = rows(lambda width, _: width + 10.0 * math.sin(width)).where(seed=0)
    found = seen.slope("rms")
    assert found.interval == found.intervals[0]
    assert found.interval[0] < found.mean < found.interval[1]


def test_what_some_sizes_lack_has_no_exponent() -> None:
    seen = rows(lambda width, _: float(width))
    some = Observations("net", tuple(r for r in seen.rows if (r.op, r.width) != ("linear", 64)))
    assert [e.op for e in some.slopes("rms")] == [""]


def test_files(tmp_path: Path) -> None:
    seen = rows(lambda width, _: float(width))
    seen.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(seen.rows)
    assert read[1] | {"value": ""} == snapshot(
        {
            "width": "64",
            "depth": "",
            "seed": "0",
            "step": "0",
            "block": "",
            "op": "linear",
            "parameter": "",
            "quantity": "rms",
            "value": "",
        }
    )
    table = seen.table()
    assert isinstance(table, pd.DataFrame)
    assert table["value"].tolist() == [row.value for row in seen.rows]
    assert table["depth"].isna().all()
    assert table["width"].dtype == "Int64"


def test_without_pandas_a_table_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = rows(lambda width, _: float(width)).table()
    assert isinstance(table, list)
    assert table[0]["width"] == 64


def said(call: Callable[[], object]) -> str:
    with pytest.raises(MupfxError) as caught:
        call()
    return str(caught.value)


def test_what_is_not_finite_has_no_exponent() -> None:
    seen = rows(lambda width, seed: math.inf if (width, seed) == (256, 1) else float(width))
    assert seen.slope("rms").seeds == (0,)


def test_a_table_that_cannot_be_written(tmp_path: Path) -> None:
    seen = rows(lambda width, _: float(width))
    assert said(lambda: seen.to_csv(tmp_path)).startswith("the table cannot be written\n  where: ")
    assert "No such file" in said(lambda: seen.to_csv(tmp_path / "none" / "table.csv"))


def test_parquet_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    seen = rows(lambda width, _: float(width))
    assert said(lambda: seen.to_parquet("table.parquet")) == snapshot("""\
Parquet needs pyarrow, which is not installed
  hint: pip install pyarrow, or write CSV\
""")


X = torch.ones(3, 4)
ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "no seeds": ({"seeds": 0}, "nothing is observed without a seed"),
    "a width of zero": ({"widths": (0, 8)}, "widths are whole numbers from 1 on"),
    "a width as text": ({"widths": ("8", 16)}, "widths are whole numbers from 1 on"),
    "another name of width": (
        {"widths": (), "depths": (1, 2)}, "`lambda` takes no `depth`",
    ),
    "half a step": ({"steps": 2.5}, "steps are whole numbers from 0 on"),
    "no steps": ({"steps": []}, "there is no step to look at"),
    "a step before the first": ({"seldom": [-1]}, "steps are whole numbers from 0 on"),
    "an optimizer": ({"optimizer": torch.optim.SGD([X], lr=0.1)}, "optimizer(model) failed"),
    "no optimizer": ({"optimizer": lambda _: None}, "optimizer(model) gave nothing"),
    "another's optimizer": (
        {"optimizer": lambda _: torch.optim.SGD([nn.Parameter(X)], lr=0.1)},
        "an optimizer of `lambda` trains no parameter of the model",
    ),
    "an optimizer that evaluates": (
        {"optimizer": lambda m: torch.optim.LBFGS(m.parameters())},
        "an optimizer that evaluates the model several times a step cannot be followed",
    ),
    "a loss of several numbers": ({"loss": lambda m, b: m(b)}, "the loss of `lambda` is no number"),
    "a loss without gradient": (
        {"loss": lambda m, b: m(b).detach().sum()}, "the loss of `lambda` has no gradient",
    ),
    "a loss that fails": (
        {"loss": lambda m, b: m(b).nothing}, "the loss of `lambda` raised AttributeError at width=8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", ASKED)
def test_what_is_refused(wrong: str) -> None:
    given, text = ASKED[wrong]
    plain = {"loss": lambda m, b: m(b).pow(2).sum(), "widths": (8, 16), "steps": 1}
    given = {**plain, "batch": X, **given}
    found = said(lambda: mupfx.observe(lambda width: nn.Linear(4, width), **given))
    assert found.splitlines()[0] == text
    assert "_arg" not in found  # an option of checks


def test_sizes_and_seeds_are_taken_once() -> None:
    seen = mupfx.observe(
        lambda width: nn.Linear(4, width), X, lambda m, b: m(b).pow(2).sum(), widths=(8, 8),
        seeds=[1, 1], steps=0, what="output",
    )  # fmt: skip
    assert len(seen.where(quantity="output").rows) == 1


def test_a_loss_that_diverges_is_noted() -> None:
    seen = mupfx.observe(
        nn.Linear(4, 2), X, lambda m, b: m(b).pow(2).sum(), steps=4, what="output",
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=1e30),
    )  # fmt: skip
    assert seen.notes == ("the loss is not finite at seed 0, from step 1 on",)


def test_messages() -> None:
    seen = rows(lambda width, _: float(width))
    assert said(lambda: seen.slopes("rmss")) == snapshot("""\
`rmss` was not observed
  expected: rms
  hint: did you mean `rms`?\
""")
    assert said(lambda: seen.slopes("rms", "depth")) == snapshot("""\
`rms` has no exponent in depth at step 4
  expected: positive values at two or more depths\
""")
    some = seen.where(op="linear")
    assert said(lambda: some.slope("rms")) == snapshot("""\
`rms` is of ops, not of the whole model
  hint: slopes("rms") has one exponent for each\
""")
    assert said(lambda: seen.where(widht=3)) == snapshot("""\
rows have no `widht`
  expected: width, depth, seed, step, block, op, parameter, quantity, value\
""")
    net = nn.Linear(3, 1)
    assert said(lambda: mupfx.observe(net, torch.ones(1, 3), what="ntkk")) == snapshot("""\
`ntkk` is nothing that can be observed
  expected: coordinates, updates, output, ntk, feature_speed, diversity, richness, gamma
  hint: did you mean `ntk`?\
""")
    assert said(lambda: mupfx.observe(net, torch.ones(1, 3), widths=[4])) == snapshot("""\
one model has one width
  expected: a factory, to be called with every size
  hint: mupfx.observe(lambda width: Model(width), ...)\
""")
    assert said(
        lambda: mupfx.observe(
            net,
            torch.ones(1, 3),
            lambda m, x: next(m.parameters()).sum() + x.sum(),
            optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
        )
    ) == snapshot("""\
the loss never calls the model itself, so there is nothing to observe
  hint: call the model in the loss: loss = lambda model, batch: f(model(batch))\
""")


class Cache:
    """What no graph can make."""

    def __init__(self, keys: torch.Tensor) -> None:
        self.keys = keys


class GivesCache(nn.Module):
    """Scores, and beside them a cache, as causal models of libraries do."""

    def __init__(self) -> None:
        super().__init__()
        self.keys, self.scores = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        keys = self.keys(x).tanh()
        return {"scores": self.scores(keys), "cache": Cache(keys)}


def test_a_cache_beside_the_output_is_left_out() -> None:
    seen = mupfx.observe(GivesCache(), X, lambda m, b: m(b)["scores"].pow(2).mean(), steps=1)
    assert {row.op for row in seen.where(quantity="rms").rows} == {"linear", "tanh", "linear_1"}
    assert "angle_cosine" in seen.quantities
