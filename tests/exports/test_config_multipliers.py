"""Multipliers in the configurations that have fields for them; found by running what is read."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.tables.config_multipliers import FIELDS

TOKENS = {"input_ids": torch.arange(22).view(2, 11) % 23}
CHOSEN = mupfx.Hyperparameters(
    output_multiplier=3.0, embedding_multiplier=0.5, attention_multiplier=0.5
)
SIZES: dict[str, dict[str, Any]] = {
    "Granite": {
        "attention_multiplier": 0.2, "embedding_multiplier": 12.0, "logits_scaling": 8.0,
        "residual_multiplier": 0.22,
    },
    "FalconH1": {"mamba_d_ssm": 32, "mamba_n_heads": 2, "mamba_d_head": 16, "mamba_d_state": 8},
    "MiniCPM3": {
        "q_lora_rank": 16, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
        "v_head_dim": 16,
    },
    "Cohere": {},
    "Llama": {},
}  # fmt: skip


def build(name: str, scale: int, **fields: Any) -> nn.Module:
    model_class = getattr(transformers, f"{name}ForCausalLM")
    sizes = {
        "vocab_size": 23, "hidden_size": 16 * scale, "intermediate_size": 24 * scale,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = model_class(
            model_class.config_class(**{**sizes, **SIZES[name], **fields})
        )
    return model.eval()


def converted(name: str, **fields: Any) -> nn.Module:
    """Heads twice as wide, and multipliers that were chosen."""
    return copy.deepcopy(_converted(name, **fields))


@cache
def _converted(name: str, **fields: Any) -> nn.Module:
    base = build(name, 1, **fields)
    chosen = CHOSEN
    if name == "MiniCPM3":  # its head sizes are fields of their own
        chosen = mupfx.Hyperparameters(output_multiplier=4.0, embedding_multiplier=0.5)
    return mupfx.convert(build(name, 2, **fields), (), TOKENS, base=base, hyperparameters=chosen)


MOVED = {
    "Granite": (
        "embedding_multiplier is 6 in config.json, not 12: embedding * 0.5",
        "attention_multiplier is 0.05 in config.json, not 0.2: attention * 0.25",
        "logits_scaling is 5.33333 in config.json, not 8: tied_readout * 1.5",
    ),
    "Granite untied": (
        "embedding_multiplier is 6 in config.json, not 12: embedding * 0.5",
        "attention_multiplier is 0.05 in config.json, not 0.2: attention * 0.25",
        "logits_scaling is 2.66667 in config.json, not 8: readout * 3",
    ),
    "Cohere": (
        "logit_scale is 0.1875 in config.json, not 0.0625: tied_readout * 3",
        "attention multipliers stay in the weights",
    ),
    "FalconH1": (
        "embedding_multiplier is 0.5 in config.json, not 1: embedding * 0.5",
        "key_multiplier is 0.353553 in config.json, not 1: attention * 0.353553",
        "lm_head_multiplier is 3 in config.json, not 1: readout * 3",
    ),
    "MiniCPM3": (
        "scale_emb is 6 in config.json, not 12: embedding * 0.5",
        "dim_model_base is 1024 in config.json, not 256: tied_readout * 4",
    ),
}


@pytest.mark.parametrize(
    "name",
    [n if n.startswith("Granite") else pytest.param(n, marks=pytest.mark.slow) for n in MOVED],
)
def test_families_with_fields(name: str, tmp_path: Path) -> None:
    family, _, untied = name.partition(" ")
    fields = {"tie_word_embeddings": not untied} if family == "Granite" else {}
    model = converted(family, **fields)
    done = mupfx.export(model, tmp_path / "net", (), TOKENS, format="hf", multipliers="config")
    assert done.notes == MOVED[name]
    assert done.error <= done.tolerance
    read = type(model).from_pretrained(done.path, local_files_only=True)  # type: ignore[attr-defined]
    with torch.no_grad():
        assert torch.allclose(read(**TOKENS).logits, model(**TOKENS).logits, rtol=1e-4, atol=1e-6)


def test_weights_are_those_without_multipliers(tmp_path: Path) -> None:
    """What is in the configuration is not in the weights as well."""
    model = converted("Granite")
    kwargs: Any = {"format": "hf"}
    folded = mupfx.export(model, tmp_path / "a", (), TOKENS, **kwargs)
    moved = mupfx.export(model, tmp_path / "b", (), TOKENS, **kwargs, multipliers="config")
    cls: Any = type(model)
    one, other = (cls.from_pretrained(done.path, local_files_only=True) for done in (folded, moved))
    query = "model.layers.0.self_attn.q_proj.weight"
    assert torch.allclose(other.get_parameter(query) * 0.25, one.get_parameter(query))
    assert one.config.attention_multiplier == 0.2


def test_depth(tmp_path: Path) -> None:
    model = build("Granite", 2)
    base = build("Granite", 2, num_hidden_layers=1)
    mupfx.convert(model, (), TOKENS, base=base, parametrization="completep")
    done = mupfx.export(model, tmp_path / "net", (), TOKENS, format="hf", multipliers="config")
    assert done.notes == snapshot(
        ("residual_multiplier is 0.11 in config.json, not 0.22: branch * 0.5",)
    )


def test_no_field(tmp_path: Path) -> None:
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(
            converted("Llama"), tmp_path / "net", (), TOKENS, format="hf", multipliers="config"
        )
    lines = str(error.value).splitlines()
    assert lines[0] == "LlamaConfig has no field for the multipliers of this model"
    assert lines[-1] == '  hint: multipliers="weights"'
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_the_forward_does_not_read(tmp_path: Path) -> None:
    """It has the name of one that multiplies, and multiplies nothing."""
    model = converted("Llama")
    model.config.embedding_multiplier = 1.0  # type: ignore[union-attr]
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(model, tmp_path / "net", (), TOKENS, format="hf", multipliers="config")
    lines = str(error.value).splitlines()
    assert lines[0] == "what was written is not the same function, and was removed"
    assert lines[-1] == snapshot(
        '  hint: a field that the forward pass does not read so: multipliers="weights"'
    )
    assert list(tmp_path.iterdir()) == []


def test_fields_are_those_of_configurations() -> None:
    families = ("Granite", "FalconH1", "MiniCPM3", "Cohere", "Gemma2", "Inkling", "HrmText")
    found = set()
    for family in families:
        config_class = getattr(transformers, f"{family}Config")
        found |= config_class().get_text_config().to_dict().keys()
    names = {field.name for fields in FIELDS.values() for field in fields}
    assert names - found == {"output_multiplier"}  # of Muse
    assert "output_multiplier" in transformers.MuseGlimmerTextConfig().to_dict()
