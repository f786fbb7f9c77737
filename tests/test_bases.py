"""Every way of saying what the base is gives the same numbers."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.zoo.models import gpt, hugging_face, small
from tests.zoo.models.common import Built, tokens


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def saved(path: Path) -> Path:
    model, args, kwargs = gpt.gpt(1)
    mupfx.save_base(mupfx.analyze(model, args, kwargs), path / "base.json")
    return path / "base.json"


def mup_shapes(path: Path) -> Path:
    """What ``mup.save_base_shapes`` writes: base sizes, null where a dimension is finite."""
    finite = {97, 31, 11}
    lines = [
        f"{name}: [{', '.join('null' if n in finite else str(n) for n in p.shape)}]"
        for name, p in gpt.gpt(1)[0].named_parameters(remove_duplicate=False)
    ]
    (path / "base.bsh").write_text("\n".join(lines) + "\n")
    return path / "base.bsh"


def by_class(_: Path) -> dict[str, int]:
    """Half of every class of factors that is width."""
    model, args, kwargs = gpt.gpt()
    classes = mupfx.analyze(model, args, kwargs).to_dict()["classes"]
    return {name: c["size"] // 2 for name, c in classes.items() if c["kind"] == "width"}


BASES: dict[str, Callable[[Path], Any]] = {
    "width": lambda _: 35,
    "classes": by_class,
    "module": lambda _: gpt.gpt(1)[0],
    "module on meta": lambda _: on_meta(lambda: gpt.GPT((97, 31), 35, 5, 2, tied=True)),
    "factory": lambda _: lambda: gpt.gpt(1)[0],
    "file": saved,
    "file, by its name": lambda path: str(saved(path)),
    "shapes of mup": mup_shapes,
}


def numbers(model: nn.Module) -> dict[str, Any]:
    """The plan without the words."""
    plan = mupfx.plan(model).to_dict()
    keys = ("role", "ratios", "multiplier", "optimizers", "init")
    rows = {name: {key: p[key] for key in keys} for name, p in plan["parameters"].items()}
    return rows | {name: site["multiplier"] for name, site in plan["sites"].items()}


def converted(built: Built, base: Any, **options: Any) -> nn.Module:
    model, args, kwargs = built
    return mupfx.convert(model, args, kwargs, base=base, **options)


@pytest.mark.parametrize("way", BASES)
def test_ways_to_say_it(way: str, tmp_path: Path) -> None:
    model = converted(gpt.gpt(), BASES[way](tmp_path))
    expected = converted(gpt.gpt(), gpt.gpt(1)[0])
    assert numbers(model) == numbers(expected)


def test_the_saved_base_is_json_with_a_schema(tmp_path: Path) -> None:
    assert json.loads(saved(tmp_path).read_text())["schema"] == 1


def test_a_plan_is_no_base(tmp_path: Path) -> None:
    """Its model is not the one that was tuned, and that one's shapes are not in it."""
    first = converted(gpt.gpt(), gpt.gpt(1)[0])
    (tmp_path / "plan.json").write_text(json.dumps(mupfx.plan(first).to_dict()))
    with pytest.raises(mupfx.BaseError, match="save_base"):
        converted(gpt.gpt(), tmp_path / "plan.json")


def test_the_base_is_only_looked_at() -> None:
    base = gpt.gpt(1)[0].train()
    before = {name: value.clone() for name, value in base.state_dict().items()}
    converted(gpt.gpt(), base)
    assert base.training
    assert all(torch.equal(value, base.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize("training", [True, False])
def test_the_base_may_be_in_the_other_mode(training: bool) -> None:  # noqa: FBT001
    """Dropout is there in one and not in the other."""
    model, args, kwargs = hugging_face.gpt2()
    base = hugging_face.gpt2(1)[0]
    expected = converted((copy.deepcopy(model), args, kwargs), copy.deepcopy(base))
    found = converted((model.train(training), args, kwargs), base.train(not training))
    assert model.training == training
    assert numbers(found) == numbers(expected)


@pytest.mark.parametrize("change", [nn.Module.double, nn.Module.bfloat16, nn.Module.train])
def test_a_base_of_another_type_or_mode_says_as_much(
    change: Callable[[nn.Module], nn.Module],
) -> None:
    """What only the graph says is read as well: here heads grow in size, not in number."""
    target, args, kwargs = hugging_face.llama(2, head_dim=16)
    base = hugging_face.llama(1, head_dim=8)[0]
    told = mupfx.analyze(target, args, kwargs, base=base)
    other = mupfx.analyze(change(target), args, kwargs, base=base)
    assert other.ratios == told.ratios
    assert other.findings == told.findings


def test_head_size_grows_when_the_user_says_so() -> None:
    """By number, the base's heads are as many and smaller."""
    built = gpt.gpt(1, head_scale=2)
    by_number = mupfx.plan(converted(built, 35, grow="head_dim"))
    by_module = mupfx.plan(converted(gpt.gpt(1, head_scale=2), gpt.gpt(1)[0]))
    for plan in (by_number, by_module):
        logits = [s.multiplier for s in plan.sites.values() if s.kind == "attention"]
        assert logits == pytest.approx([2**-0.5] * 2)
    for name, row in by_number.parameters.items():
        assert row.optimizers == by_module.parameters[name].optimizers
        assert row.init == by_module.parameters[name].init


def test_more_heads_leave_the_logits_alone() -> None:
    sites = mupfx.plan(converted(gpt.gpt(), 35)).sites.values()
    assert {site.multiplier for site in sites if site.kind == "attention"} <= {1}


def test_an_axis_called_finite_keeps_its_numbers() -> None:
    """Overrides settle what structure cannot know."""
    model, args, kwargs = small.autoencoder()
    code = mupfx.analyze(model, args, kwargs).to_dict()["parameters"]["to_code.weight"]["axes"][0]
    built = (model, args, kwargs)
    overridden = converted(built, small.autoencoder(1)[0], overrides={code[0]: "finite"})
    expected = converted(small.autoencoder(), small.autoencoder(1)[0])
    assert numbers(overridden) == numbers(expected)


def test_inputs_may_differ_between_tracing_and_use() -> None:
    model = converted(gpt.gpt(), 35)
    with torch.no_grad():
        assert model(tokens(97, 3, 5))[0].shape == (3, 5, 97)
