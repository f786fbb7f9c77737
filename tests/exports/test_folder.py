"""A converted model on disk: what is written can be read back into the stock class."""

import json
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot
from safetensors.torch import load_file, load_model
from torch import Tensor, nn

from mupfx.errors import ModelError, PlanError
from mupfx.exports.folder import save
from mupfx.exports.groups import groups_dict
from mupfx.exports.plan_file import load_plan
from mupfx.exports.weights import save_weights
from tests.passes.grouped import model, plan_at


class Tied(nn.Module):
    """Two names of one tensor, a transposed tensor, and empty ones."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.embed = nn.Embedding(7, 4, _weight=torch.randn(7, 4, generator=generator))
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("turned", torch.randn(2, 3, generator=generator).T)
        self.register_buffer("empty", torch.empty(0))
        self.register_buffer("other_empty", torch.empty(0))


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_weights_come_back_into_the_stock_class(tmp_path: Path) -> None:
    saved, loaded = Tied(0), Tied(1)
    assert not same(saved.state_dict(), loaded.state_dict())
    shared = save_weights(saved, tmp_path / "weights.safetensors")
    load_model(loaded, tmp_path / "weights.safetensors")
    assert same(saved.state_dict(), loaded.state_dict())
    assert shared == {"head.weight": "embed.weight"}
    assert loaded.head.weight is loaded.embed.weight


def test_a_shared_tensor_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(Tied(0), path)
    assert load_file(path).keys() == {"embed.weight", "turned", "empty", "other_empty"}


def test_views_that_overlap_are_written_each(tmp_path: Path) -> None:
    flat = torch.arange(6.0)
    module = nn.Module()
    module.register_buffer("left", flat[:4])
    module.register_buffer("right", flat[2:])
    path = tmp_path / "weights.safetensors"
    assert save_weights(module, path) == {}
    assert same(load_file(path), module.state_dict())


def test_saving_changes_nothing(tmp_path: Path) -> None:
    module = Tied(0)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    save_weights(module, tmp_path / "weights.safetensors")
    assert same(before, module.state_dict())
    assert module.head.weight is module.embed.weight


def test_meta_weights_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        save_weights(nn.Linear(2, 2, device="meta"), tmp_path / "weights.safetensors")
    assert str(error.value) == snapshot("""\
there are no values to write
  where: `weight` is on the meta device
  hint: build the model on a real device, or call to_empty and initialise it first\
""")


def test_folder(tmp_path: Path) -> None:
    plan = plan_at(4)
    saved = save(model(), plan, tmp_path / "new" / "folder")
    names = [path.name for path in saved.files]
    assert names == ["plan.json", "param_groups.json", "weights.safetensors"]
    assert load_plan(saved.files[0]) == plan
    assert json.loads(saved.files[1].read_text()) == groups_dict(plan)


def test_on_meta_there_are_no_weights(tmp_path: Path) -> None:
    saved = save(model().to("meta"), plan_at(4), tmp_path)
    assert [path.name for path in saved.files] == ["plan.json", "param_groups.json"]
    assert sorted(tmp_path.iterdir()) == sorted(saved.files)


def test_groups() -> None:
    assert groups_dict(plan_at(4))["families"]["adamw"] == snapshot(
        [
            {
                "name": "input+vector.lr=1",
                "lr": 1.0,
                "weight_decay": 1.0,
                "eps": 0.25,
                "parameters": ["0.weight", "0.bias", "2.bias"],
            },
            {
                "name": "hidden.lr=0.25",
                "lr": 0.25,
                "weight_decay": 4.0,
                "eps": 0.25,
                "parameters": ["2.weight"],
            },
            {
                "name": "output.lr=0.25",
                "lr": 0.25,
                "weight_decay": 4.0,
                "eps": 1.0,
                "parameters": ["4.weight"],
            },
            {
                "name": "scalar.lr=1",
                "lr": 1.0,
                "weight_decay": 1.0,
                "eps": 1.0,
                "parameters": ["4.bias"],
            },
        ]
    )


@pytest.mark.parametrize("family", ["sgd", "adam", "adamw"])
def test_each_parameter_is_in_one_group_with_its_own_factors(family: str) -> None:
    plan = plan_at(4)
    groups = groups_dict(plan)["families"][family]
    factors = {name: group for group in groups for name in group["parameters"]}
    assert sum(len(group["parameters"]) for group in groups) == len(plan.parameters)
    for name, parameter in plan.parameters.items():
        wanted = parameter.optimizers[family]
        assert factors[name]["lr"] == wanted.lr
        assert factors[name]["weight_decay"] == wanted.weight_decay
        assert factors[name]["eps"] == wanted.eps


def test_group_names_are_distinct() -> None:
    for groups in groups_dict(plan_at(4))["families"].values():
        names = [group["name"] for group in groups]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 2}', json.dumps(plan_at(2).to_dict() | {"hash": "0"})]
)
def test_a_file_that_is_no_plan(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanError, match="holds no plan"):
        load_plan(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot read"):
        load_plan(tmp_path / "plan.json")


def test_plan_survives_the_file(tmp_path: Path) -> None:
    plan = plan_at(3)
    files = save(model(), plan, tmp_path).files
    assert load_plan(files[0]).to_dict() == plan.to_dict()


def test_hyperparameters_that_only_some_optimizers_have() -> None:
    families = groups_dict(plan_at(4))["families"]
    hidden = {
        family: next(group for group in groups if "2.weight" in group["parameters"])
        for family, groups in families.items()
    }
    assert hidden["asgd"]["lambd"] == 1.0
    assert hidden["adafactor"]["eps.1"] == 0.5
    assert (hidden["rprop"]["lr"], hidden["rprop"]["step_sizes.0"]) == (0.25, 0.25)
    assert "lambd" not in hidden["sgd"]
