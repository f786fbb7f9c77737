"""The laws of stock models, each built at two widths: the std really moves as the law says."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
import transformers
from torch import nn
from torch.nn import init

from mupfx.core.plan import ParameterPlan
from mupfx.core.vocabulary import Role
from mupfx.passes.initialize import Hints, documented_laws, plan_init
from tests.passes.drawn import rows_of

Make = Callable[[int], nn.Module]
VOCABULARY = 257
HEADS = {"SelfAttention.q.weight": 32, "EncDecAttention.q.weight": 32}


def hugging_face(model: str, config: str, **sizes: object) -> Make:
    """A model whose sizes may depend on the width ``n``."""

    def make(n: int) -> nn.Module:
        given = {key: size(n) if callable(size) else size for key, size in sizes.items()}
        made = getattr(transformers, model)(getattr(transformers, config)(**given))
        assert isinstance(made, nn.Module)
        return made

    return make


def four(n: int) -> int:
    return 4 * n


def same(n: int) -> int:
    return n


STREAM = {"hidden_size": same, "intermediate_size": four, "num_hidden_layers": 3}
TEXT = {**STREAM, "vocab_size": VOCABULARY, "num_attention_heads": 4}
IMAGE = {**STREAM, "image_size": 32, "patch_size": 8, "num_attention_heads": 4}


def clip(n: int) -> nn.Module:
    sizes = {"hidden_size": n, "intermediate_size": 4 * n, "num_hidden_layers": 3}
    text = {**sizes, "num_attention_heads": 4, "vocab_size": VOCABULARY}
    text |= {"bos_token_id": 1, "eos_token_id": 2}
    image = {**sizes, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=image, projection_dim=n)
    made = transformers.CLIPModel(config)
    assert isinstance(made, nn.Module)
    return made


class Recurrent(nn.Module):
    """Every recurrent layer of torch; the input size equals the hidden size at 64."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 64, padding_idx=0)
        self.lstm = nn.LSTM(64, width, num_layers=2)
        self.gru = nn.GRU(64, width)
        self.rnn = nn.RNN(width, width)
        self.projected = nn.LSTM(width, width, proj_size=width // 2)
        self.cell = nn.GRUCell(width, width)
        self.head = nn.Linear(width, 10)


def convolutions(n: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, n, 3),
        nn.Conv2d(n, 2 * n, 3),
        nn.Conv2d(2 * n, 2 * n, 3, groups=2 * n),
        nn.BatchNorm2d(2 * n),
        nn.ConvTranspose2d(2 * n, n, 3),
        nn.ConvTranspose2d(n, 3, 3),
        nn.Bilinear(n, n, 5),
    )


def mlp(n: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(20, n),
        nn.Linear(n, 4 * n),
        nn.Linear(4 * n, n),
        nn.Linear(n, n),
        nn.LayerNorm(n),
        nn.Linear(n, 10),
    )


def drawn(law: Callable[[torch.Tensor], object]) -> Make:
    """An MLP whose weights someone drew anew."""

    def make(n: int) -> nn.Module:
        model = mlp(n)
        for layer in model:
            if isinstance(layer, nn.Linear):
                law(layer.weight)
        return model

    return make


MODELS: dict[str, Make] = {
    "gpt2": hugging_face(
        "GPT2LMHeadModel",
        "GPT2Config",
        n_embd=same,
        n_layer=4,
        n_head=4,
        vocab_size=VOCABULARY,
        n_positions=64,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "llama": hugging_face("LlamaForCausalLM", "LlamaConfig", **TEXT, num_key_value_heads=2),
    "mixtral": hugging_face(
        "MixtralForCausalLM", "MixtralConfig", **TEXT, num_key_value_heads=2, num_local_experts=4
    ),
    "bert": hugging_face("BertForMaskedLM", "BertConfig", **TEXT),
    "t5": hugging_face(
        "T5ForConditionalGeneration",
        "T5Config",
        d_model=same,
        d_ff=four,
        num_layers=3,
        num_heads=lambda n: n // 32,
        d_kv=32,
        vocab_size=VOCABULARY,
    ),
    "vit": hugging_face("ViTForImageClassification", "ViTConfig", **IMAGE),
    "resnet": hugging_face(
        "ResNetForImageClassification",
        "ResNetConfig",
        embedding_size=lambda n: n // 4,
        hidden_sizes=lambda n: [n // 2, n],
        depths=[2, 2],
    ),
    "mamba": hugging_face(
        "MambaForCausalLM",
        "MambaConfig",
        hidden_size=same,
        num_hidden_layers=4,
        vocab_size=VOCABULARY,
        rescale_prenorm_residual=True,
    ),
    "clip": clip,
    "recurrent": Recurrent,
    "encoder": lambda n: nn.TransformerEncoderLayer(n, 4, 4 * n),
    "transformer": lambda n: nn.Transformer(n, 4, 2, 2, 4 * n, batch_first=True),
    "convolutions": convolutions,
    "mlp": mlp,
    "constant": drawn(lambda w: init.normal_(w, std=0.02)),
    "truncated": drawn(lambda w: init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04)),
    "bound": drawn(lambda w: init.uniform_(w, -0.1, 0.1)),
    "xavier": drawn(init.xavier_normal_),
    "kaiming": drawn(init.kaiming_normal_),
    "fan_out": drawn(lambda w: init.kaiming_normal_(w, mode="fan_out")),
    "orthogonal": drawn(init.orthogonal_),
}


def planned(model: nn.Module, base: nn.Module, *, with_base: bool) -> dict[str, ParameterPlan]:
    rows, fans = rows_of(model, base, HEADS)
    values = dict(model.named_parameters())
    bases = dict(base.named_parameters()) if with_base else {}
    hints = Hints(base_params=bases, documented=documented_laws(model))
    return plan_init(values, {name: rows[name] for name in values}, fans, hints)


def moved(values: torch.Tensor, base: torch.Tensor) -> tuple[float, float] | None:
    """Std at the base over std here, as a logarithm, and five standard errors of it."""
    here, there = (t.detach().double().std(correction=0).item() for t in (values, base))
    if not here or not there:
        return None
    count = 1 / (2 / values.numel() + 2 / base.numel())
    return math.log(there / here), 5 / (2 * math.sqrt(count)) + 2e-3


@pytest.mark.parametrize("with_base", [False, True], ids=["alone", "with a base"])
@pytest.mark.parametrize("name", MODELS)
def test_stds_move_as_their_laws_say(name: str, with_base: bool) -> None:  # noqa: FBT001
    torch.manual_seed(0)
    base, model = MODELS[name](64), MODELS[name](256)
    plan = planned(model, base, with_base=with_base)
    there = dict(base.named_parameters())
    for parameter, values in model.named_parameters():
        found = moved(values, there[parameter])
        init_plan = plan[parameter].init
        if found is None or init_plan.law in {"zeros", "fill"}:
            continue
        growth = init_plan.factor / rule(plan[parameter])
        assert math.log(growth) == pytest.approx(found[0], abs=found[1]), (parameter, init_plan)


def rule(p: ParameterPlan) -> float:
    return p.init.power.value({"fan_in": p.fan_in_ratio, "fan_out": p.fan_out_ratio})


@pytest.mark.parametrize("width", [16, 32, 64, 100, 128, 200, 256, 400])
def test_torch_defaults_at_any_width(width: int) -> None:
    """Also where the default bound is round: 0.1 at 100, 0.05 at 400."""
    torch.manual_seed(width)
    plan = planned(mlp(width), mlp(width // 2), with_base=False)
    root = math.sqrt(2)
    weights = {p.role: p.init.factor for p in plan.values() if p.init.law == "torch_linear"}
    assert weights == pytest.approx({Role.INPUT: 1.0, Role.HIDDEN: 1.0, Role.OUTPUT: 1 / root})
    biases = {n: p.init.factor for n, p in plan.items() if p.init.law == "torch_bias"}
    assert biases == pytest.approx(
        {"0.bias": 1.0, "1.bias": root, "2.bias": root, "3.bias": root, "5.bias": root}
    )


EXPECTED: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "gpt2": {
        "transformer.wte.weight": ("constant_normal", 1.0),
        "transformer.h.0.attn.c_attn.weight": ("constant_normal", 0.5),
        "transformer.h.0.mlp.c_proj.weight": ("constant_normal", 0.5),
        "transformer.h.0.ln_1.weight": ("fill", 1.0),
    },
    "t5": {
        "shared.weight": ("torch_embedding", 1.0),
        "encoder.block.0.layer.0.SelfAttention.q.weight": ("head_normal", 1.0),
        "encoder.block.0.layer.0.SelfAttention.k.weight": ("lecun_normal", 1.0),
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": (
            "lecun_normal",
            2.0,
        ),
        "encoder.block.0.layer.1.DenseReluDense.wo.weight": ("lecun_normal", 1.0),
    },
    "clip": {
        "vision_model.embeddings.class_embedding": ("lecun_normal", 2.0),
        "logit_scale": ("fill", 1.0),
    },
    "mamba": {
        "backbone.layers.0.mixer.A_log": ("kept", 1.0),
        "backbone.layers.0.mixer.D": ("fill", 1.0),
        "backbone.layers.0.mixer.dt_proj.bias": ("kept", 1.0),
        "backbone.layers.0.mixer.out_proj.weight": ("torch_linear", 1.0),
    },
    "recurrent": {
        "lstm.weight_ih_l0": ("torch_lstm", 2.0),
        "lstm.weight_hh_l0": ("torch_lstm", 1.0),
        "lstm.bias_hh_l0": ("torch_lstm", 2.0),
        "gru.weight_ih_l0": ("torch_gru", 2.0),
        "embedding.weight": ("torch_embedding", 1.0),
    },
    "encoder": {
        "self_attn.in_proj_weight": ("xavier_uniform", 1.0),
        "self_attn.out_proj.weight": ("torch_linear", 1.0),
        "linear1.bias": ("torch_bias", 2.0),
    },
    "orthogonal": {"2.weight": ("orthogonal", 1.0)},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_known_laws(name: str) -> None:
    """In muP, at a ratio of 4: hidden weights of fan-in laws stay, constant ones are halved."""
    torch.manual_seed(1)
    plan = planned(MODELS[name](256), MODELS[name](64), with_base=False)
    found = {p: (plan[p].init.law, plan[p].init.factor) for p in EXPECTED[name]}
    assert found == EXPECTED[name]


def test_truncation_is_seen() -> None:
    torch.manual_seed(0)
    plan = planned(MODELS["truncated"](256), MODELS["truncated"](64), with_base=False)
    assert plan["1.weight"].init.law == "constant_truncated"
    assert plan["1.weight"].init.base_std == pytest.approx(0.02 * 0.87963, rel=1e-4)
