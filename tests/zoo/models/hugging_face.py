"""Hugging Face models from tiny configurations, every size apart from the others where allowed."""

from typing import Any

import transformers
from torch import nn

from tests.zoo.models.common import Built, floats, seeded, tokens

VOCABULARY = 97
POSITIONS = 31


def _build(model_class: str, config_class: str, **config: Any) -> nn.Module:
    with seeded():
        model = getattr(transformers, model_class)(getattr(transformers, config_class)(**config))
    assert isinstance(model, nn.Module)
    return model.eval()


def gpt2(scale: int = 2, *, head_scale: int = 1, tied: bool = True, layers: int = 2) -> Built:
    """GPT-2: Conv1D weights stored (in, out), fused qkv, tied head; 5 heads of 7."""
    model = _build(
        "GPT2LMHeadModel",
        "GPT2Config",
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=35 * scale * head_scale,
        n_head=5 * scale,
        n_layer=layers,
        n_inner=57 * scale * head_scale,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
    )
    return model, (), {"input_ids": tokens(VOCABULARY, 2, 11)}


def llama(
    scale: int = 2, *, layers: int = 2, kv_heads: int = 3, group: int = 2, head_dim: int = 10
) -> Built:
    """Llama: 3 kv heads shared by 2 queries each, 10 a head, a stream of 66, SwiGLU of 29."""
    model = _build(
        "LlamaForCausalLM",
        "LlamaConfig",
        vocab_size=VOCABULARY,
        hidden_size=66 * scale,
        intermediate_size=29 * scale,
        num_hidden_layers=layers,
        num_attention_heads=kv_heads * group * scale,
        num_key_value_heads=kv_heads * scale,
        head_dim=head_dim,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=False,
    )
    return model, (), {"input_ids": tokens(VOCABULARY, 5, 11)}


def llama_coincident(scale: int = 2) -> Built:
    """2 kv heads a scale, group 4, head size 4, batch 4, length 4."""
    model = _build(
        "LlamaForCausalLM",
        "LlamaConfig",
        vocab_size=64,
        hidden_size=32 * scale,
        intermediate_size=32 * scale,
        num_hidden_layers=2,
        num_attention_heads=8 * scale,
        num_key_value_heads=2 * scale,
        head_dim=4,
        max_position_embeddings=64,
        tie_word_embeddings=False,
    )
    return model, (), {"input_ids": tokens(64, 4, 4)}


def bert(scale: int = 2) -> Built:
    """BERT for masked language modelling: post-norm, 5 heads of 7, untied."""
    model = _build(
        "BertForMaskedLM",
        "BertConfig",
        vocab_size=VOCABULARY,
        max_position_embeddings=POSITIONS,
        hidden_size=35 * scale,
        intermediate_size=57 * scale,
        num_attention_heads=5 * scale,
        num_hidden_layers=2,
        type_vocab_size=3,
        tie_word_embeddings=True,
    )
    return model, (), {"input_ids": tokens(VOCABULARY, 2, 11)}


def t5(scale: int = 2, *, layers: int = 2) -> Built:
    """T5: relative bias shared by a stack's layers, tied head; 5 heads of 7 off a stream of 23."""
    model = _build(
        "T5ForConditionalGeneration",
        "T5Config",
        vocab_size=VOCABULARY,
        d_model=23 * scale,
        d_kv=7,
        d_ff=57 * scale,
        num_heads=5 * scale,
        num_layers=layers,
        relative_attention_num_buckets=18,
        decoder_start_token_id=0,
    )
    inputs = {
        "input_ids": tokens(VOCABULARY, 2, 11),
        "decoder_input_ids": tokens(VOCABULARY, 2, 13, seed=2),
    }
    return model, (), inputs


def vit(scale: int = 2) -> Built:
    """ViT: 8x8 patches of 24x24 images, 5 heads of 7, 13 classes."""
    model = _build(
        "ViTForImageClassification",
        "ViTConfig",
        image_size=24,
        patch_size=8,
        hidden_size=35 * scale,
        intermediate_size=57 * scale,
        num_attention_heads=5 * scale,
        num_hidden_layers=2,
        num_labels=13,
    )
    return model, (), {"pixel_values": floats(2, 3, 24, 24)}


def mixtral(scale: int = 2, *, layers: int = 2) -> Built:
    """Mixtral: 7 experts, 3 of them a token; 3 kv heads of 10 shared by 2.

    The grouped product wants rows of multiples of 16 bytes: hence 72 and 28.
    """
    model = _build(
        "MixtralForCausalLM",
        "MixtralConfig",
        vocab_size=VOCABULARY,
        hidden_size=72 * scale,
        intermediate_size=28 * scale,
        num_hidden_layers=layers,
        num_attention_heads=6 * scale,
        num_key_value_heads=3 * scale,
        head_dim=10,
        num_local_experts=7,
        num_experts_per_tok=3,
        max_position_embeddings=POSITIONS,
    )
    return model, (), {"input_ids": tokens(VOCABULARY, 5, 11)}


def mamba(scale: int = 2, *, layers: int = 2) -> Built:
    """Mamba: state of 5, time-step rank of 3 whatever the width, kernel of 4."""
    model = _build(
        "MambaForCausalLM",
        "MambaConfig",
        vocab_size=VOCABULARY,
        hidden_size=23 * scale,
        state_size=5,
        num_hidden_layers=layers,
        conv_kernel=4,
        time_step_rank=3,
    )
    return model, (), {"input_ids": tokens(VOCABULARY, 2, 11)}
