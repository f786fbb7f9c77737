"""Targets that name models of Hugging Face and timm: no network, no weights, inputs made for them."""

import json
import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import nn

import mupfx
from mupfx.commands import library
from mupfx.errors import TargetError
from mupfx.integrations.written import written
from mupfx.pipeline.inputs import first_that_runs
from tests.cli.terminal import data, printed, refused

SIZES = {
    "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 99,
}  # fmt: skip
HALF = SIZES | {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_key_value_heads": 1,
}  # fmt: skip
LLAMA_70B = {
    "hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64,
    "num_key_value_heads": 8, "num_hidden_layers": 80, "vocab_size": 128256,
}  # fmt: skip


def called(name: str, **fields: object) -> str:
    return f"hf:{name}({', '.join(f'{key}={value!r}' for key, value in fields.items())})"


LLAMA = called("LlamaForCausalLM", **SIZES)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a configuration, as ``save_pretrained`` leaves one."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SIZES}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_class_with_fields() -> None:
    found = data("inspect", LLAMA)
    roles = {name: (p["shape"], p["role"]) for name, p in found["parameters"].items()}
    assert roles["model.embed_tokens.weight"] == ([99, 64], "input")
    assert roles["model.layers.1.self_attn.k_proj.weight"] == ([32, 64], "hidden")
    assert roles["model.layers.1.mlp.down_proj.weight"] == ([64, 96], "hidden")
    assert roles["lm_head.weight"] == ([99, 64], "output")
    assert found["unreached"] == []


def test_configuration_in_a_file_or_a_folder_is_the_class_that_it_names(saved: Path) -> None:
    wanted = data("inspect", LLAMA)
    assert data("inspect", f"hf:{saved}") == wanted
    assert data("inspect", f"hf:{saved / 'config.json'}") == wanted


def test_configuration_without_a_class_is_the_bare_model(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    changed = {**config, "architectures": None, "dtype": "bfloat16"}
    (saved / "bare.json").write_text(json.dumps(changed))
    drawn = library.model(f"hf:{saved / 'bare.json'}", {}, values=True)
    assert {p.dtype for p in drawn.parameters()} == {torch.float32}
    found = data("inspect", f"hf:{saved / 'bare.json'}")["parameters"]
    assert "embed_tokens.weight" in found
    assert "lm_head.weight" not in found


def test_arguments_are_fields(saved: Path) -> None:
    found = data("inspect", f"hf:{saved}", "--arg", "vocab_size=77", "--arg", "num_hidden_layers=1")
    assert found["parameters"]["lm_head.weight"]["shape"] == [77, 64]
    assert not any(".layers.1." in name for name in found["parameters"])


@pytest.mark.parametrize("way", ["target", "arguments"])
def test_base(saved: Path, way: str) -> None:
    fields = [word for item in HALF.items() for word in ("--base-arg", "{}={}".format(*item))]
    base = ["--base", called("LlamaForCausalLM", **HALF)] if way == "target" else fields
    found = data("inspect", f"hf:{saved}", *base)
    sizes = {(c["size"], c["base_size"]) for c in found["classes"].values() if c["kind"] == "width"}
    assert sizes == {(64, 32), (96, 48), (2, 1)}
    assert {p["status"] for p in found["parameters"].values()} == {"certain"}


def test_base_that_is_any_target() -> None:
    model = "tests.cli.models:mlp"
    assert data("inspect", model, "--arg", "width=16", "--base", model) == data(
        "inspect", model, "--arg", "width=16", "--base-arg", "width=8"
    )


def test_convert_rescales_the_values_that_the_class_draws(tmp_path: Path) -> None:
    printed("convert", LLAMA, "--base", "32", "--out", str(tmp_path))
    weights = load_file(tmp_path / "weights.safetensors")
    model = library.model(LLAMA, {}, values=True)
    inner = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(
        weights["model.embed_tokens.weight"], model.state_dict()["model.embed_tokens.weight"]
    )
    torch.testing.assert_close(weights[inner], model.state_dict()[inner] * 0.5**0.5)
    plan = mupfx.Plan.from_dict(json.loads((tmp_path / "plan.json").read_text()))
    assert plan.parameters[inner].role == "hidden"


def test_seventy_billion_parameters_are_shapes_alone_unless_values_are_asked_for() -> None:
    target = called("LlamaForCausalLM", **LLAMA_70B)
    model = library.model(target, {}, values=False)
    assert sum(p.numel() for p in model.parameters()) > 7e10
    assert {p.device.type for p in model.parameters()} == {"meta"}
    _, inputs = library.example_inputs(target, model)
    assert inputs["input_ids"].device.type == "cpu"


def test_small_models_have_values_and_always_the_same() -> None:
    first, second = (library.model(LLAMA, {}, values=False) for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    library.model(LLAMA, {}, values=True)
    assert torch.equal(torch.get_rng_state(), before)


BERT = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 50}
TOWER = {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 1,
}  # fmt: skip
SENSES = {
    "text": (called("BertForMaskedLM", **BERT), {"input_ids": (2, 16)}),
    "encoder and decoder": (
        called(
            "T5ForConditionalGeneration", d_model=32, d_kv=8, d_ff=48, num_heads=4, num_layers=1
        ),
        {"input_ids": (2, 16), "decoder_input_ids": (2, 8)},
    ),
    "boxes": (
        called("LayoutLMForMaskedLM", **BERT),
        {"input_ids": (2, 16), "bbox": (2, 16, 4)},
    ),
    "vision": (
        called("ViTForImageClassification", **TOWER, image_size=48, patch_size=16, num_channels=1),
        {"pixel_values": (2, 1, 48, 48)},
    ),
    "video": (
        called("VideoMAEForVideoClassification", **TOWER, image_size=48, num_frames=4),
        {"pixel_values": (2, 4, 3, 48, 48)},
    ),
    "spectrogram": (
        called(
            "WhisperForConditionalGeneration", d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=48,
            decoder_ffn_dim=48, num_mel_bins=40, max_source_positions=50,
        ),
        {"input_features": (2, 40, 100), "decoder_input_ids": (2, 8)},
    ),
    "waveform": (called("Wav2Vec2ForCTC", **TOWER), {"input_values": (2, 16000)}),
    "text and vision": (
        called("CLIPModel", text_config=TOWER, vision_config=TOWER | {"image_size": 64}),
        {"input_ids": (2, 16), "pixel_values": (2, 3, 64, 64)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("sense", SENSES)
def test_inputs_are_made_from_the_configuration(sense: str) -> None:
    target, wanted = SENSES[sense]
    model = library.model(target, {}, values=False)
    args, kwargs = library.example_inputs(target, model)
    assert args == ()
    assert {name: tuple(value.shape) for name, value in kwargs.items()} == wanted


def test_inputs_that_are_given_are_used() -> None:
    found = data("inspect", LLAMA, "--input", "inputs_embeds=float32[2,7,64]")
    assert found["unreached"] == ["model.embed_tokens.weight"]


def test_trying_inputs_changes_nothing() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    args, _ = first_that_runs("it", model, [("int64[2]<3",), ("float32[2,3,5,5]",)])
    assert args[0].shape == (2, 3, 5, 5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


VERSION = f"transformers {transformers.__version__}"
ERRORS = {
    "hf:LlamaForCausalML": f"""\
TargetError: {VERSION} has no model class `LlamaForCausalML`
  hint: did you mean `LlamaForCausalLM` or `Llama4ForCausalLM` or `MllamaForCausalLM`?
""",
    "hf:LlamaConfig": f"TargetError: {VERSION} has no model class `LlamaConfig`\n",
    "hf:LlamaForCausalLM(hiden_size=3)": """\
TargetError: LlamaConfig has no field `hiden_size`
  hint: did you mean `hidden_size` or `hidden_act`?
""",
    "hf:CLIPModel(text_config=dict(hiden_size=3))": """\
TargetError: CLIPTextConfig has no field `hiden_size`
  hint: did you mean `hidden_size` or `hidden_act`?
""",
    "hf:LlamaForCausalLM(hidden_size='a')": """\
TargetError: LlamaConfig does not take these fields
  found: Validation error for field 'hidden_size': TypeError: Field 'hidden_size' expected int, got str (value: 'a')
""",
    "hf:LlamaForCausalLM(64)": """\
TargetError: `LlamaForCausalLM(64)` cannot be read
  expected: NAME(field=value, ...) with literal values
  found: a value without a name
""",
    "hf:meta-llama/Llama-3-8B": """\
TargetError: `meta-llama/Llama-3-8B` is no file and no class
  expected: hf:config.json, a folder that has one, or hf:ModelClass(field=value, ...)
  hint: nothing is downloaded: save the model's config.json and name it
""",
    "hf:lama.json": f"""\
TargetError: `lama.json` has no model_type that {VERSION} knows
  found: 'lama'
  hint: did you mean `llama` or `mllama` or `llama4`?
""",
    "hf:none.json": f"""\
TargetError: `none.json` has no model_type that {VERSION} knows
  found: None
""",
    "hf:list.json": """\
TargetError: `list.json` is no configuration
  expected: a JSON object
""",
    "hf:torn.json": """\
TargetError: `torn.json` cannot be read
  expected: a config.json of Hugging Face
  found: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
""",
    "hf:part.json": """\
TargetError: GitVisionConfig stands for no model by itself
  expected: the name of its class under `architectures`
""",
    "hf:odd.json": f"""\
TargetError: {VERSION} has no model class `LlamaForNothing`
  hint: did you mean `LlamaForQuestionAnswering`?
""",
}
FILES = {
    "lama.json": '{"model_type": "lama"}',
    "none.json": "{}",
    "list.json": "[]",
    "torn.json": "{",
    "part.json": '{"model_type": "git_vision_model"}',
    "odd.json": '{"model_type": "llama", "architectures": ["LlamaForNothing"]}',
}


@pytest.mark.parametrize("target", ERRORS)
def test_errors(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert refused("inspect", target, code=3) == ERRORS[target]


def test_inputs_that_were_tried_are_named() -> None:
    model = nn.Linear(3, 4)
    tried = [(f"float32[2,{size}]",) for size in (1, 2, 4, 5, 6, 7, 8)]
    with pytest.raises(TargetError) as error:
        first_that_runs("it", model, tried)
    message = str(error.value)
    assert message.startswith(
        "no example inputs were found that `it` runs on\n  found: float32[2,1] ("
    )
    assert "and 1 more" in message
    assert "hint: --input" in message


@pytest.mark.parametrize("name", ["transformers", "timm"])
def test_a_library_that_is_not_installed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    prefix = {"transformers": "hf", "timm": "timm"}[name]
    assert refused("inspect", f"{prefix}:Net", code=3) == (
        f"TargetError: `{prefix}:` needs {name}\n"
        f"  hint: pip install 'mupfx[{prefix}]', or pip install {name}\n"
    )


class Stub(nn.Module):
    """What timm's models have: a description of their input."""

    def __init__(self, width: int = 8, num_classes: int = 5) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": (3, 12, 12)}
        self.stem = nn.Conv2d(3, width, 3)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(torch.relu(self.stem(x)).mean((2, 3)))
        return out


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The part of timm that is used, in its place."""
    module = ModuleType("timm")
    module.__dict__.update(
        __version__="1.0",
        is_model={"stub", "stubby"}.__contains__,
        list_models=lambda: ["stub", "stubby"],
        create_model=lambda name, *, pretrained, **given: Stub(**given),
    )
    monkeypatch.setitem(sys.modules, "timm", module)


@pytest.mark.usefixtures("stub")
def test_timm() -> None:
    found = data("inspect", "timm:stub(num_classes=7)", "--arg", "width=16", "--base", "timm:stub")
    parameters = {name: (p["shape"], p["role"]) for name, p in found["parameters"].items()}
    assert parameters["stem.weight"] == ([16, 3, 3, 3], "input")
    assert parameters["head.weight"] == ([7, 16], "output")


@pytest.mark.usefixtures("stub")
def test_timm_errors() -> None:
    assert refused("inspect", "timm:stab", code=3) == (
        "TargetError: timm 1.0 has no model `stab`\n  hint: did you mean `stub` or `stubby`?\n"
    )
    assert refused("inspect", "timm:stub(depth=3)", code=3).startswith(
        "TargetError: timm cannot build `stub(depth=3)`\n  found: TypeError: "
    )


def test_calls_run_nothing() -> None:
    assert written("a-b/c.d(x=1, y=dict(z=[1, 'two']))") == (
        "a-b/c.d",
        {"x": 1, "y": {"z": [1, "two"]}},
    )
    for text in ("a(x=open('/'))", "a(**{})", "a(1)", "a(x=1) + 1", "a(x=1", "a(x=b)"):
        with pytest.raises(TargetError, match="cannot be read"):
            written(text)
