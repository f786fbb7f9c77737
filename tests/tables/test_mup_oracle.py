"""The muP table against the numbers that the ``mup`` package gives seven models, row by row.

Role and ratios are read off the file itself (which dimensions grow, and by what), so this tests the
table and its evaluation alone. The file's gauge has ``fwd``; ours has none: effective rates are
compared.
"""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from mupfx.core.axes import ParameterRole
from mupfx.core.base import Ratios
from mupfx.core.plan import ParameterPlan
from mupfx.core.vocabulary import Role, Status
from mupfx.passes.assign import assign
from mupfx.tables.mup import MUP
from mupfx.tables.optimizers import FAMILIES
from mupfx.tables.parametrizations import parametrization

FILES = sorted(Path(__file__).parents[1].joinpath("oracle").glob("*.json"))
Entry = dict[str, Any]


def read(file: Path) -> dict[str, Entry]:
    parameters: dict[str, Entry] = json.loads(file.read_text())["params"]
    return parameters


def used(entry: Entry) -> tuple[Role, tuple[int, ...], tuple[int, ...]]:
    """Role, fan-in and fan-out by how the module that holds the parameter uses it."""
    rows, columns = (1, 0) if entry["module"][0] in {"Embedding", "Conv1D"} else (0, 1)
    grows = entry["inf"]
    if len(grows) == 1:
        return (Role.VECTOR if grows[0] else Role.SCALAR), (), ()
    role = {
        (False, True): Role.INPUT,
        (True, True): Role.HIDDEN,
        (True, False): Role.OUTPUT,
    }[grows[columns], grows[rows]]
    return role, (columns,), (rows,)


def planned(name: str, entry: Entry, table: str = "mup") -> ParameterPlan:
    role, fan_in, fan_out = used(entry)
    sizes = zip(entry["shape"], entry["base_shape"], strict=True)
    ratios = {str(dim): Fraction(size, base) for dim, (size, base) in enumerate(sizes)}
    sized = ParameterRole(
        name=name,
        shape=tuple(entry["shape"]),
        axes=tuple((str(dim),) for dim in range(len(entry["shape"]))),
        role=role,
        fan_in=fan_in,
        fan_out=fan_out,
        status=Status.CERTAIN,
        uses=(),
        tied_to=(),
        why="",
    )
    return assign({name: sized}, Ratios(ratios), parametrization(table), FAMILIES, {})[name]


def effective(entry: Entry) -> dict[str, float]:
    """The file's rates, in the gauge without ``fwd``; a tied embedding's use as input has none."""
    fwd = 1.0 if entry["tied"] else entry["fwd"]
    return {
        "sgd": entry["lr"]["MuSGD"] * fwd**2,
        "adam": entry["lr"]["MuAdam"] * fwd,
        "adamw": entry["lr"]["MuAdamW"] * fwd,
        "sgd decay": entry["lr"]["MuSGD"] * entry["wd"]["MuSGD"],
        "adamw decay": entry["lr"]["MuAdamW"] * entry["wd"]["MuAdamW"],
    }


def ours(plan: ParameterPlan) -> dict[str, float]:
    rows = plan.optimizers
    rates = {name: rows[name].lr for name in ("sgd", "adam", "adamw")}
    for name in ("sgd", "adamw"):
        rates[f"{name} decay"] = rows[name].lr * (rows[name].weight_decay or 0)
    return rates


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rates(file: Path) -> None:
    for name, entry in read(file).items():
        assert ours(planned(name, entry)) == pytest.approx(effective(entry), rel=1e-12), name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_canonical_rates(file: Path) -> None:
    """The same against the file's own canonical numbers, where no weight is used twice."""
    for name, entry in read(file).items():
        if entry["tied"]:
            continue
        rows = planned(name, entry).optimizers
        canonical = entry["canonical"]
        assert rows["sgd"].lr == pytest.approx(canonical["eff_lr_sgd"], rel=1e-12), name
        assert rows["adamw"].lr == pytest.approx(canonical["eff_lr_adam"], rel=1e-12), name
        assert ours(planned(name, entry))["adamw decay"] == canonical["decay_rate_adamw"], name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_init_of_a_model_with_one_std_for_all(file: Path) -> None:
    compared = 0
    for name, entry in read(file).items():
        constant = entry["canonical"]["eff_init_mult_const"]
        if constant is None or entry["tied"]:
            continue
        plan = planned(name, entry)
        values = {"fan_in": plan.fan_in_ratio, "fan_out": plan.fan_out_ratio}
        assert plan.init.power.value(values) == pytest.approx(constant, rel=1e-12), name
        compared += 1
    assert compared >= 3


def test_a_tied_embedding_has_the_input_rule_and_an_output_multiplier() -> None:
    """Not mup's own std, which grows with the width when the embedding is tied."""
    name = "transformer.wte.weight"
    entry = read(next(file for file in FILES if file.stem == "hf_gpt2_tied"))[name]
    plan = planned(name, entry)
    assert plan.role is Role.INPUT
    assert plan.init.power.value({"fan_out": plan.fan_out_ratio}) == 1.0
    assert MUP.tied_readout.value({"fan_in": plan.fan_out_ratio}) == entry["fwd"]


def test_another_table_would_fail() -> None:
    """The comparison can fail: the same files against standard parametrization."""
    for file in FILES:
        wrong = [
            name
            for name, entry in read(file).items()
            if ours(planned(name, entry, "sp")) != pytest.approx(effective(entry), rel=1e-12)
        ]
        assert len(wrong) >= 2, file.stem


def test_there_are_seven_files() -> None:
    assert len(FILES) == 7
