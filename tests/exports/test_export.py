"""``mupfx.export``: what it writes where, what it says, and that a failure leaves nothing."""

import copy
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot
from safetensors.torch import load_file
from torch import Tensor, nn

import mupfx
from mupfx.exports import formats
from mupfx.exports.formats import Format
from mupfx.exports.outputs import largest_error, plain, relative_error
from mupfx.exports.parcel import Artefact, Parcel
from mupfx.tables.export_tolerances import COARSEST, TOLERANCES
from tests.cli.models import mlp, tied
from tests.exports.stock import MODELS, tensor

TOKENS = torch.arange(10).view(2, 5) % 11


def converted() -> nn.Module:
    return mupfx.convert(tied(16), TOKENS, base=4)


def test_the_source_is_left_as_it_is(tmp_path: Path) -> None:
    model = converted().train()
    before = copy.deepcopy(model.state_dict())
    wanted = model(TOKENS)
    for name in ("net.pt", "net.pt2"):
        mupfx.export(model, tmp_path / name, TOKENS)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(model(TOKENS), wanted)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert mupfx.plan(model).sites


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_untied_only_where_it_must_be_and_said(tmp_path: Path, name: str) -> None:
    done = mupfx.export(converted(), tmp_path / name, TOKENS)
    assert done.notes == snapshot(
        (
            "head.weight is 0.25 times embed.weight now, and a parameter of its own: they were tied",
            "the class ties `head.weight`: load with load_state_dict(weights, assign=True)",
        )
    )
    weights = torch.load(done.path) if name == "net.pt" else load_file(done.path)
    assert torch.equal(weights["head.weight"], weights["embed.weight"] * 0.25)
    fresh = tied(16)
    fresh.load_state_dict(weights, strict=True, assign=True)
    assert torch.equal(fresh(TOKENS), converted()(TOKENS))


def test_what_to_standard_untied_is_said_too(tmp_path: Path) -> None:
    model = converted()
    with pytest.warns(mupfx.MupfxWarning, match="they were tied"):
        mupfx.to_standard(model)
    done = mupfx.export(model, tmp_path / "net.pt", TOKENS)
    assert done.notes == snapshot(
        ("head.weight is 0.25 times embed.weight now, and a parameter of its own: they were tied",)
    )


def test_a_batch_of_one_stays_so_and_that_is_said(tmp_path: Path) -> None:
    done = mupfx.export(nn.Linear(3, 2), tmp_path / "net.pt2", torch.ones(1, 3))
    assert done.calls == 1
    assert done.notes[0] == snapshot(
        "sizes are the example's; one of 1 stays, so give an example of 2 to open it"
    )


@pytest.mark.parametrize("base", [4, 16])
def test_tied_where_the_class_can_stay_tied(tmp_path: Path, base: int) -> None:
    """At the base nothing is multiplied; with a norm before the readout its gain carries it."""
    model, args, kwargs = MODELS["gpt"](2) if base == 4 else (tied(16), (TOKENS,), {})
    mupfx.convert(model, args, kwargs, base=MODELS["gpt"](1)[0] if base == 4 else 16)
    done = mupfx.export(model, tmp_path / "net.pt", args, kwargs)
    assert done.notes == ()
    fresh = MODELS["gpt"](2)[0] if base == 4 else tied(16)
    fresh.load_state_dict(torch.load(done.path), strict=True)
    found, wanted = (tensor(net.eval()(*args, **kwargs)) for net in (fresh, model))
    assert relative_error(found, wanted) < 1e-5


def test_a_model_that_was_not_converted(tmp_path: Path) -> None:
    model, args = mlp(8)
    done = mupfx.export(model, tmp_path / "net.safetensors", args)
    weights = load_file(done.path)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert str(done) == f"{done.path}: largest relative error 0 in 1 call"


def test_files_are_replaced_and_folders_are_not(tmp_path: Path) -> None:
    model, args = mlp(8)
    file = tmp_path / "net.pt"
    file.write_text("old")
    mupfx.export(model, file, args)
    assert torch.load(file).keys() == model.state_dict().keys()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("old")
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(model, tmp_path / "full", args, format="python")
    assert str(error.value).replace(str(tmp_path), "HERE") == snapshot("""\
`HERE/full` is a folder that holds something
  expected: a path that is free, or a file to replace
  hint: remove it, or name another\
""")


class Broken(nn.Module):
    """Its weights alone say less than it does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def get_extra_state(self) -> Tensor:
        return torch.ones(1)

    def set_extra_state(self, state: object) -> None:
        raise RuntimeError("not mine")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def test_what_cannot_be_read_back_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(Broken(), tmp_path / "net.pt", torch.ones(2, 3))
    assert str(error.value) == snapshot("""\
writing format 'state_dict' failed
  where: net.pt
  found: RuntimeError: not mine\
""")
    assert list(tmp_path.iterdir()) == []


def test_another_function_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off(parcel: Parcel, path: Path) -> Artefact:
        path.write_text("half")
        return Artefact(lambda call: [parcel.model(*call.args) * 1.5])

    row = Format(off, formats.FORMATS["state_dict"].wants, (".pt",))
    monkeypatch.setitem(dict(formats.FORMATS), "state_dict", row)
    monkeypatch.setattr("mupfx.pipeline.exporting.FORMATS", {"state_dict": row})
    model, args = mlp(8)
    (tmp_path / "net.pt").write_text("old")
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(model, tmp_path / "net.pt", args)
    assert str(error.value) == snapshot("""\
what was written is not the same function, and was removed
  where: net.pt, format 'state_dict'
  expected: a largest relative error of at most 1e-05
  found: 0.5
  hint: tolerance=..., if that is near enough\
""")
    assert [path.name for path in tmp_path.iterdir()] == ["net.pt"]
    assert (tmp_path / "net.pt").read_text() == "old"
    assert mupfx.export(model, tmp_path / "net.pt", args, tolerance=0.6).error == pytest.approx(0.5)


REFUSED = {
    "net": """\
`net` does not say which format to write
  expected: one of .pt, .pth, .bin, .safetensors, .pt2, .onnx, or a folder and its format
  hint: the formats that are folders: hf, python\
""",
    "net onxx": """\
format='onxx' is none
  expected: state_dict, safetensors, hf, pt2, python, onnx
  hint: did you mean `onnx`?\
""",
    "net.onnx pt2": """\
`net.onnx` names another format
  expected: .pt2 for format='pt2'
  found: .onnx, which is 'onnx'\
""",
    "net hf": """\
only a model of transformers can be saved as one
  expected: a PreTrainedModel
  found: Net
  hint: format="safetensors" or "state_dict"\
""",
}


@pytest.mark.parametrize("asked", REFUSED)
def test_formats_that_do_not_fit(tmp_path: Path, asked: str) -> None:
    model, args = mlp(8)
    name, _, form = asked.partition(" ")
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(model, tmp_path / name, args, format=form or None)
    assert str(error.value) == REFUSED[asked]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(mupfx.ModelError, match="there are no values to write"):
        mupfx.export(mlp(8)[0].to("meta"), tmp_path / "net.pt", mlp(8)[1])
    with pytest.raises(mupfx.CaptureError, match="do not fit"):
        mupfx.export(mlp(8)[0], tmp_path / "net.pt")
    with pytest.raises(mupfx.ExportError, match="says nothing"):
        mupfx.export(*mlp(8)[:1], tmp_path / "net.pt", mlp(8)[1], multipliers="here")
    with pytest.raises(mupfx.ExportError, match="has no configuration"):
        mupfx.export(*mlp(8)[:1], tmp_path / "net.pt", mlp(8)[1], multipliers="config")
    assert list(tmp_path.iterdir()) == []


class Deciding(nn.Module):
    """Asks for a value: no graph holds for all inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x if x.sum() > 0 else -x)
        return out


def test_what_torch_export_cannot_follow(tmp_path: Path) -> None:
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(Deciding(), tmp_path / "net.pt2", torch.ones(2, 3))
    lines = str(error.value).splitlines()
    assert lines[0] == "torch.export cannot follow Deciding"
    assert lines[-1] == '  hint: format="state_dict" or "safetensors" needs no graph'
    assert list(tmp_path.iterdir()) == []
    assert mupfx.export(Deciding(), tmp_path / "net.pt", torch.ones(2, 3)).error == 0


def test_multipliers_that_no_weight_can_carry(tmp_path: Path) -> None:
    """The initial function of a mean-field net is no weights; a program holds it as it is."""
    model, args = mlp(16)
    mupfx.convert(model, args, base=4, parametrization="ic_mean_field")
    with pytest.raises(mupfx.LoweringError):
        mupfx.export(model, tmp_path / "net.pt", args)
    assert list(tmp_path.iterdir()) == []
    done = mupfx.export(model, tmp_path / "net.pt2", args)
    assert done.error <= 1e-5
    assert done.notes[0].startswith("written as it is, for ")


def test_half_precision_has_its_own_tolerance(tmp_path: Path) -> None:
    model, args = mlp(16)
    mupfx.convert(model, args, base=4, gauge="mup")
    done = mupfx.export(model.bfloat16(), tmp_path / "net.pt", args[0].bfloat16())
    assert done.tolerance == TOLERANCES["state_dict"][torch.bfloat16]


def test_every_format_has_tolerances() -> None:
    assert TOLERANCES.keys() == formats.FORMATS.keys()
    for table in TOLERANCES.values():
        found = [table[dtype] for dtype in COARSEST]
        assert sorted(found, reverse=True) == found


@pytest.mark.parametrize(
    ("found", "wanted", "error"),
    [
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([0.0], [0.0], 0.0),
        ([1.0], [0.0], float("inf")),
        ([float("nan")], [1.0], float("inf")),
        ([float("nan"), 1.0], [float("nan"), 1.0], 0.0),
        ([float("-inf"), 1.0], [float("-inf"), 2.0], 0.5),
        ([1.0], [float("inf")], float("inf")),
        ([], [], 0.0),
    ],
)
def test_relative_errors(found: list[float], wanted: list[float], error: float) -> None:
    assert relative_error(torch.tensor(found), torch.tensor(wanted)) == error


def test_the_largest_error_is_of_the_output_where_it_is_largest() -> None:
    wanted = [torch.ones(2), torch.full((2,), 100.0)]
    assert largest_error([torch.ones(2), torch.full((2,), 110.0)], wanted) == pytest.approx(0.1)
    assert largest_error([torch.ones(2) * 1.5, torch.full((2,), 110.0)], wanted) == 0.5
    with pytest.raises(mupfx.ExportError, match="other outputs"):
        largest_error(wanted[:1], wanted)


def test_plain_outputs_hold_tensors_alone() -> None:
    x = torch.ones(1)
    assert plain({"a": None, "b": (x, None, [3])}) == {"b": (x, None, None)}
    assert plain(object()) is None
