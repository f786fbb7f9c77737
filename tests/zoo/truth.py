"""What is true of every zoo model, written by hand: role, fans, residual branch and factors.

``"h.*.attn.c_attn.weight": hidden(1, 0, branch=True, factors={0: "3 heads head_dim"})`` says that
dimension 1 is contracted, dimension 0 lives on, the weight sits in a residual branch, and its rows
are three factors. Dimensions are those that grow with width when heads grow in number; sizes of
named factors are in the case's ``sizes``, at the scale the test builds.

``free`` entries have an axis that only a constant of the architecture keeps finite: one instance
cannot tell, so without a base either answer is right.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.zoo.models import encoder, gpt, resnet, small
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built


@dataclass(frozen=True)
class Expected:
    """The truth about one parameter; ``branch`` None where either reading is right."""

    role: str
    fan_in: tuple[int, ...] = ()
    fan_out: tuple[int, ...] = ()
    branch: bool | None = False
    factors: Mapping[int, str] = field(default_factory=dict)
    free: bool = False

    @property
    def width(self) -> list[int]:
        """Dimensions that grow."""
        return sorted({*self.fan_in, *self.fan_out})


def hidden(
    fan_in: int | tuple[int, ...], fan_out: int | tuple[int, ...], **rest: object
) -> Expected:
    """Width in, width out."""
    return Expected("hidden", _dims(fan_in), _dims(fan_out), **rest)  # type: ignore[arg-type]


def given(fan_out: int, **rest: object) -> Expected:
    """Finite in, width out."""
    return Expected("input", (), (fan_out,), **rest)  # type: ignore[arg-type]


def output(fan_in: int, **rest: object) -> Expected:
    """Width in, finite out."""
    return Expected("output", (fan_in,), (), **rest)  # type: ignore[arg-type]


def vector(dim: int = 0, **rest: object) -> Expected:
    """A bias, gain or token."""
    return Expected("vector", (), (dim,), **rest)  # type: ignore[arg-type]


def scalar(**rest: object) -> Expected:
    """Nothing grows."""
    return Expected("scalar", **rest)  # type: ignore[arg-type]


def _dims(dims: int | tuple[int, ...]) -> tuple[int, ...]:
    return (dims,) if isinstance(dims, int) else dims


@dataclass(frozen=True)
class Case:
    """A model of the zoo with its truth."""

    build: Callable[[int], Built]
    parameters: Mapping[str, Expected]
    depths: tuple[int, ...] = ()
    """Residual adds of each stream, ascending."""
    block_depths: tuple[int, ...] | None = ()
    """Weight layers in sequence of each stream's longest branch, in the order of ``depths``."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of the named factors at scale 2."""
    record: str | None = None
    """The independent record the truth is compared with."""
    tied: tuple[tuple[str, str], ...] = ()


HEADS_3 = "parts heads head_dim"
HEADS = "heads head_dim"
GQA = "kv_heads group head_dim"
KV = "kv_heads head_dim"

GPT = {
    "wte.weight": given(1),
    "wpe.weight": given(1),
    "h.*.ln_?.*": vector(branch=True),
    "h.*.attn.c_attn.weight": hidden(1, 0, branch=True, factors={0: HEADS_3}),
    "h.*.attn.c_attn.bias": vector(branch=True, factors={0: HEADS_3}),
    "h.*.attn.c_proj.weight": hidden(1, 0, branch=True, factors={1: HEADS}),
    "h.*.mlp.c_*.weight": hidden(1, 0, branch=True),
    "h.*.c_*.bias": vector(branch=True),
    "ln_f.*": vector(),
}

ENCODER = {
    "position": vector(2),
    "embed.weight": given(1),
    "encoder.layers.*.self_attn.in_proj_weight": hidden(1, 0, branch=True, factors={0: HEADS_3}),
    "encoder.layers.*.self_attn.in_proj_bias": vector(branch=True, factors={0: HEADS_3}),
    "encoder.layers.*.self_attn.out_proj.weight": hidden(1, 0, branch=True, factors={1: HEADS}),
    "encoder.layers.*.self_attn.out_proj.bias": vector(branch=True),
    "encoder.layers.*.linear?.weight": hidden(1, 0, branch=True),
    "encoder.layers.*.linear?.bias": vector(branch=True),
    "encoder.layers.*.norm?.*": vector(branch=False),
    "head.weight": output(1),
    "head.bias": scalar(),
}
ENCODER_PRE_NORM = ENCODER | {"encoder.layers.*.norm?.*": vector(branch=True)}

GPT2 = {
    "transformer.wte.weight": given(1),
    "transformer.wpe.weight": given(1),
    "transformer.h.*.ln_?.*": vector(branch=True),
    "transformer.h.*.attn.c_attn.weight": hidden(0, 1, branch=True, factors={1: HEADS_3}),
    "transformer.h.*.attn.c_attn.bias": vector(branch=True, factors={0: HEADS_3}),
    "transformer.h.*.attn.c_proj.weight": hidden(0, 1, branch=True, factors={0: HEADS}),
    "transformer.h.*.mlp.c_*.weight": hidden(0, 1, branch=True),
    "transformer.h.*.c_*.bias": vector(branch=True),
    "transformer.ln_f.*": vector(),
}

LLAMA_ATTENTION = {
    "model.embed_tokens.weight": given(1),
    "model.layers.*.self_attn.q_proj.weight": hidden(1, 0, branch=True, factors={0: GQA}),
    "model.layers.*.self_attn.[kv]_proj.weight": hidden(1, 0, branch=True, factors={0: KV}),
    "model.layers.*.self_attn.o_proj.weight": hidden(1, 0, branch=True, factors={1: GQA}),
    "model.layers.*.*layernorm.weight": vector(branch=True),
    "model.norm.weight": vector(),
    "lm_head.weight": output(1),
}
LLAMA = LLAMA_ATTENTION | {"model.layers.*.mlp.*_proj.weight": hidden(1, 0, branch=True)}
MIXTRAL = LLAMA_ATTENTION | {
    "model.layers.*.mlp.gate.weight": output(1, branch=True),
    "model.layers.*.mlp.experts.*": hidden(2, 1, branch=True),
}

BERT = {
    "bert.embeddings.*_embeddings.weight": given(1),
    "bert.embeddings.LayerNorm.*": vector(),
    "bert.encoder.layer.*.attention.self.*.weight": hidden(1, 0, branch=True, factors={0: HEADS}),
    "bert.encoder.layer.*.attention.self.*.bias": vector(branch=True, factors={0: HEADS}),
    "bert.encoder.layer.*.attention.output.dense.weight": hidden(
        1, 0, branch=True, factors={1: HEADS}
    ),
    "bert.encoder.layer.*.dense.weight": hidden(1, 0, branch=True),
    "bert.encoder.layer.*.dense.bias": vector(branch=True),
    "bert.encoder.layer.*.LayerNorm.*": vector(branch=False),
    "cls.predictions.transform.dense.weight": hidden(1, 0),
    "cls.predictions.transform.dense.bias": vector(),
    "cls.predictions.transform.LayerNorm.*": vector(),
    "cls.predictions.bias": scalar(),
}

T5 = {
    "shared.weight": given(1),
    "*.relative_attention_bias.weight": given(1, branch=None, factors={1: "heads"}),
    "*Attention.[qkv].weight": hidden(1, 0, branch=True, factors={0: HEADS}),
    "*Attention.o.weight": hidden(1, 0, branch=True, factors={1: HEADS}),
    "*.DenseReluDense.w*.weight": hidden(1, 0, branch=True),
    "*.block.*.layer_norm.weight": vector(branch=True),
    "*.final_layer_norm.weight": vector(),
}

VIT = {
    "vit.embeddings.cls_token": vector(2),
    "vit.embeddings.position_embeddings": vector(2),
    "vit.embeddings.patch_embeddings.projection.weight": given(0),
    "vit.embeddings.patch_embeddings.projection.bias": vector(),
    "vit.layers.*.attention.[qkv]_proj.weight": hidden(1, 0, branch=True, factors={0: HEADS}),
    "vit.layers.*.attention.[qkv]_proj.bias": vector(branch=True, factors={0: HEADS}),
    "vit.layers.*.attention.o_proj.weight": hidden(1, 0, branch=True, factors={1: HEADS}),
    "vit.layers.*.mlp.fc?.weight": hidden(1, 0, branch=True),
    "vit.layers.*.bias": vector(branch=True),
    "vit.layers.*.layernorm_*.*": vector(branch=True),
    "vit.layernorm.*": vector(),
    "classifier.weight": output(1),
    "classifier.bias": scalar(),
}

MAMBA = {
    "backbone.embeddings.weight": given(1),
    "backbone.layers.*.norm.weight": vector(branch=True),
    "backbone.layers.*.mixer.A_log": vector(branch=True, free=True),
    "backbone.layers.*.mixer.D": vector(branch=True),
    "backbone.layers.*.mixer.conv1d.weight": given(0, branch=True),
    "backbone.layers.*.mixer.in_proj.weight": hidden(1, 0, branch=True),
    "backbone.layers.*.mixer.x_proj.weight": output(1, branch=True, free=True),
    "backbone.layers.*.mixer.dt_proj.weight": given(0, branch=True, free=True),
    "backbone.layers.*.mixer.out_proj.weight": hidden(1, 0, branch=True),
    "backbone.layers.*.mixer.*.bias": vector(branch=True),
    "backbone.norm_f.weight": vector(),
}

RESNET = {
    "conv1.weight": given(0),
    "bn1.*": vector(),
    "stages.*.conv?.weight": hidden(1, 0, branch=True),
    "stages.*.bn?.*": vector(branch=True),
    "stages.*.shortcut.0.weight": hidden(1, 0, branch=None),
    "stages.*.shortcut.1.*": vector(branch=None),
    "fc.weight": output(1),
    "fc.bias": scalar(),
}

AUTOENCODER = {
    "down1.weight": given(0),
    "down2.weight": hidden(1, 0),
    "to_code.weight": output(1, free=True),
    "to_code.bias": scalar(free=True),
    "from_code.weight": given(1, free=True),
    "up1.weight": hidden(0, 1),
    "up2.weight": output(0),
    "up2.bias": scalar(),
    "*.bias": vector(),
}

TWO_TOWERS = {
    "log_scale": scalar(),
    "*.fc1.weight": given(0),
    "*.fc2.weight": hidden(1, 0),
    "*.project.weight": hidden(1, 0),
    "*.bias": vector(),
}

EINSUM = {
    "table": given(1),
    "w[qkv]": hidden(0, 1, branch=True, factors={1: "heads", 2: "head_dim"}),
    "wo": hidden(0, 2, branch=True, factors={0: "heads", 1: "head_dim"}),
    "w[12]": hidden(0, 1, branch=True),
    "readout": output(0),
}

FUNCTIONAL = {
    "weights.first": given(0),
    "weights.shift": vector(),
    "weights.middle": hidden(0, 1),
    "weights.last": output(1),
    "weights.gain": vector(),
    "weights.offset": scalar(),
}

LSTM = {
    "embed.weight": given(1),
    "rnn.weight_*": hidden(1, 0),
    "rnn.bias_*": vector(),
    "head.weight": output(1),
    "head.bias": scalar(),
}

TEN_HEADS = {"parts": 3, "heads": 10, "head_dim": 7}
WIDE_GQA = {"kv_heads": 6, "group": 2, "head_dim": 10}
GPT_TIED = (("wte.weight", "lm_head.weight"),)

CASES = {
    "gpt": Case(gpt.gpt, GPT, (4,), (2,), TEN_HEADS, tied=GPT_TIED),
    "gpt_coincident": Case(
        gpt.gpt_coincident,
        GPT,
        (4,),
        (2,),
        {"parts": 3, "heads": 4, "head_dim": 4},
        tied=GPT_TIED,
    ),
    "encoder": Case(encoder.encoder, ENCODER, (4,), (2,), TEN_HEADS),
    "encoder_pre_norm": Case(encoder.encoder_pre_norm, ENCODER_PRE_NORM, (4,), (2,), TEN_HEADS),
    "gpt2": Case(
        hf.gpt2,
        GPT2,
        (4,),
        (2,),
        TEN_HEADS,
        record="gpt2",
        tied=(("transformer.wte.weight", "lm_head.weight"),),
    ),
    "llama": Case(hf.llama, LLAMA, (4,), (2,), WIDE_GQA, record="llama"),
    "llama_coincident": Case(
        hf.llama_coincident,
        LLAMA,
        (4,),
        (2,),
        {"kv_heads": 4, "group": 4, "head_dim": 4},
        record="llama",
    ),
    "bert": Case(
        hf.bert,
        BERT,
        (4,),
        (2,),
        TEN_HEADS,
        record="bert",
        tied=(
            ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
            ("cls.predictions.bias", "cls.predictions.decoder.bias"),
        ),
    ),
    "t5": Case(
        hf.t5,
        T5,
        (4, 6),
        (2, 2),
        TEN_HEADS,
        record="mt5",
        tied=(("shared.weight", "lm_head.weight"),),
    ),
    "vit": Case(hf.vit, VIT, (4,), (2,), TEN_HEADS, record="vit"),
    "mixtral": Case(hf.mixtral, MIXTRAL, (4,), (2,), WIDE_GQA, record="mixtral"),
    "mamba": Case(
        hf.mamba,
        MAMBA,
        (2,),
        None,
        record="mamba",
        tied=(("backbone.embeddings.weight", "lm_head.weight"),),
    ),
    "resnet50": Case(resnet.resnet50, RESNET, (16,), (3,)),
    "autoencoder": Case(small.autoencoder, AUTOENCODER),
    "two_towers": Case(small.two_towers, TWO_TOWERS),
    "einsum": Case(small.einsum_transformer, EINSUM, (2,), (2,), TEN_HEADS),
    "einsum_coincident": Case(
        small.einsum_coincident, EINSUM, (2,), (2,), {"heads": 4, "head_dim": 4}
    ),
    "functional": Case(small.functional_weights, FUNCTIONAL),
    "lstm": Case(small.lstm, LSTM),
}
