"""``mupfx convert`` and ``mupfx explain``."""

import json
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot
from safetensors.torch import load_file

import mupfx
from tests.cli.models import mlp
from tests.cli.terminal import MLP, MODELS, data, printed, refused

WIDE = (MLP, "--arg", "width=16", "--base", "4")
TIED = (f"{MODELS}:tied", "--input", "int64[2,5]<11", "--base", "4")


def test_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed("convert", *WIDE, "--out", "folder") == snapshot("""\
plan: mup, relative to the base
  parameter                 role    in  out  depth   std  rescale  sgd lr  adam(w) lr  adamw wd  mult
  first.weight              input    1    4      1     1        1       4           1         1     1
  first.bias                vector   1    4      1     1        1       4           1         1     1
  blocks.{0,1}.up.weight    hidden   4    4      1   0.5        1       1        0.25         4     1
  blocks.{0,1}.up.bias      vector   1    4      1     1        2       4           1         1     1
  blocks.{0,1}.down.weight  hidden   4    4      1   0.5        1       1        0.25         4     1
  blocks.{0,1}.down.bias    vector   1    4      1     1        2       4           1         1     1
  last.weight               output   4    1      1  0.25      0.5    0.25        0.25         4     1
  last.bias                 scalar   1    1      1     1        2       1           1         1     1

written
  folder/plan.json
  folder/param_groups.json
  folder/weights.safetensors
""")


def test_files_say_what_the_api_says(tmp_path: Path) -> None:
    printed("convert", *WIDE, "--out", str(tmp_path))
    model, args = mlp(16)
    mupfx.convert(model, args, base=4)
    weights = load_file(tmp_path / "weights.safetensors")
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert json.loads((tmp_path / "plan.json").read_text()) == mupfx.plan(model).to_dict()


def test_groups_make_the_optimizer_of_the_api(tmp_path: Path) -> None:
    printed("convert", *WIDE, "--out", str(tmp_path))
    families = json.loads((tmp_path / "param_groups.json").read_text())["families"]
    model, args = mlp(16)
    mupfx.convert(model, args, base=4)
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = mupfx.param_groups(model, torch.optim.AdamW, lr=1.0, weight_decay=1.0, eps=1.0)
    wanted = {names[p]: (g["lr"], g["weight_decay"], g["eps"]) for g in groups for p in g["params"]}
    found = {
        name: (group["lr"], group["weight_decay"], group["eps"])
        for group in families["adamw"]
        for name in group["parameters"]
    }
    assert found == wanted


def test_json_is_the_plan(tmp_path: Path) -> None:
    plan = data("convert", *WIDE, "--out", str(tmp_path))
    assert plan == json.loads((tmp_path / "plan.json").read_text())


def test_parametrization(tmp_path: Path) -> None:
    plan = data("convert", *WIDE, "--out", str(tmp_path), "--parametrization", "sp")
    assert {p["optimizers"]["adamw"]["lr"] for p in plan["parameters"].values()} == {1.0}


def test_a_saved_plan_is_a_base(tmp_path: Path) -> None:
    first = data("convert", MLP, "--arg", "width=4", "--base", "4", "--out", str(tmp_path))
    assert {p["multiplier"] for p in first["parameters"].values()} == {1.0}
    path = str(tmp_path / "plan.json")
    wide = data("convert", MLP, "--arg", "width=16", "--base", path, "--out", str(tmp_path / "b"))
    assert wide["parameters"]["blocks.0.up.weight"]["fan_in_ratio"] == 4.0


def test_tied(tmp_path: Path) -> None:
    text = printed("convert", *TIED, "--out", str(tmp_path))
    assert "`head.weight` is `embed.weight`, written once" in text
    assert load_file(tmp_path / "weights.safetensors").keys() >= {"embed.weight"}


def test_hooks_can_be_refused(tmp_path: Path) -> None:
    text = refused("convert", *TIED, "--no-hooks", "--out", str(tmp_path / "new"), code=1)
    assert text.startswith("LoweringError: ")
    assert not (tmp_path / "new").exists()


def test_on_meta_there_are_no_weights(tmp_path: Path) -> None:
    printed(
        "convert",
        f"{MODELS}:on_meta",
        "--input",
        "float32[2,3]",
        "--base",
        "4",
        "--out",
        str(tmp_path),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["param_groups.json", "plan.json"]


@pytest.mark.parametrize("name", ["axes", "plan"])
def test_dump_after_writes_nothing(tmp_path: Path, name: str) -> None:
    text = printed("convert", *WIDE, "--out", str(tmp_path / "new"), "--dump-after", name)
    assert "blocks.0.up.weight" in text or "width = 16" in text
    assert not (tmp_path / "new").exists()


def test_no_base(tmp_path: Path) -> None:
    assert refused("convert", MLP, "--out", str(tmp_path), code=3) == snapshot("""\
TargetError: a conversion needs a base
  hint: --base 64, or --base-arg width=64 for a base model
""")


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = refused("convert", *WIDE, "--out", str(tmp_path / "file" / "folder"), code=1)
    assert text.startswith("MupfxError: cannot write")


def test_explain() -> None:
    assert printed("explain", "blocks.0.up.weight", "--target", *WIDE) == snapshot("""\
blocks.0.up.weight  [32 x 16]  hidden
  1. c2 32 is width (assumed): contracted at linear_2; its size is its own, and may stay
  2. width 16 is width (certain): contracted at linear_1
  3. contracts width 16 into c2 32 in aten.linear.default, models.py:14 out: Tensor = x + self.down(torch.tanh(self.up(x)))
  4. fan-in grew by 4, fan-out grew by 4
  5. init std fan_in^-1/2, Adam lr fan_in^-1, SGD lr fan_in^-1 fan_out^1, gradient fan_out^-1: Tensor Programs V (arXiv:2203.03466), Table 3, hidden weights; where fan-out grows less than fan-in, the std of the spectral condition (arXiv:2310.17813, Parametrization 1)
  6. init: torch_linear: std 0.5774 * fan_in^-1/2 (assumed: the likeliest that fits)

size here over size at the base
  along    ratio
  fan-in       4
  fan-out      4
  depth        1

factors on your own values
  number           factor  is                       note
  init std            0.5  fan_in^-1/2              torch_linear: 0.2887 at the base, 0.1443 here
  starting values       1                           what the values drawn are multiplied by
  multiplier            1                           of the forward pass
  lr                    1  fan_in^-1 fan_out^1      sgd, asgd, adadelta
  lr                 0.25  fan_in^-1                adam, rmsprop, adamw, radam, radamw, adagrad, rprop, sign
  lr                  0.5  fan_in^-1/2              adafactor
  lr                    1  fan_in^-1/2 fan_out^1/2  muon, shampoo
  weight decay          1  fan_in^1 fan_out^-1      sgd, asgd
  weight decay          -  -                        adam, rmsprop, radam, adagrad, adadelta: no rule
  weight decay          4  fan_in^1                 adamw, radamw, sign
  weight decay          1  1                        rprop
  weight decay          2  fan_in^1/2               adafactor
  weight decay          1  fan_in^1/2 fan_out^-1/2  muon, shampoo
  eps                   1  1                        sgd, asgd, rprop, adafactor, sign
  eps                0.25  fan_out^-1               adam, rmsprop, adamw, radam, radamw, adagrad
  eps              0.0625  fan_out^-2               adadelta
  eps                   1  fan_in^1/2 fan_out^-1/2  muon
  eps                   1  fan_in^1 fan_out^-1      shampoo
  lambd                 1  fan_in^1 fan_out^-1      asgd
  step_sizes.0       0.25  fan_in^-1                rprop
  step_sizes.1       0.25  fan_in^-1                rprop
  eps.1               0.5  fan_in^-1/2              adafactor
""")


def test_explain_from_a_plan(tmp_path: Path) -> None:
    printed("convert", *WIDE, "--out", str(tmp_path))
    path = str(tmp_path / "plan.json")
    assert printed("explain", "blocks.0.up.weight", "--plan", path) == printed(
        "explain", "blocks.0.up.weight", "--target", *WIDE
    )
    assert data("explain", "blocks.0.up.weight", "--plan", path)["role"] == "hidden"


def test_explain_what_is_not_there() -> None:
    assert refused("explain", "blocks.0.upp.weight", "--target", *WIDE, code=1) == snapshot("""\
PlanError: the plan has no parameter `blocks.0.upp.weight`
  hint: did you mean `blocks.0.up.weight` or `blocks.1.up.weight` or `blocks.0.down.weight`?
""")


@pytest.mark.parametrize("given", [(), ("--target", *WIDE, "--plan", "plan.json")])
def test_explain_needs_one_model(given: tuple[str, ...]) -> None:
    assert "give either" in refused("explain", "x", *given, code=3)
