"""Plain (standard-parametrization) models the JSON files beside this one were read from.

Each builder takes the width and returns an untouched PyTorch model whose parameter names match the
file's. Nothing here knows muP: the numbers in the JSON were asked of the ``mup`` package itself
(1.0.0, on torch 2.13 and transformers 5.23). Their fields:

- ``inf``, ``base_shape``: which dimensions mup scales, and the shape at the base;
- ``fwd``: multiplies the input of the layer; ``lr``, ``wd``: factors in the optimizer's groups;
- ``rescale``: factor on a tensor built with torch's default init; ``init``: std by init function;
- ``canonical``: the same in the gauge where ``fwd`` is one;
- ``warnings``: where mup itself is wrong or cannot know.
"""

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)


def mlp_test(width: int) -> nn.Module:
    """3072-w-w-10 ReLU MLP, torch's default init; base 256, target 1024."""
    return nn.Sequential(
        nn.Linear(3072, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def cnn_test(width: int) -> nn.Module:
    """Two 5x5 convolutions, three linears on 3x32x32; w, 2w, 16w, 10w wide; base 8, target 32."""
    return nn.Sequential(
        nn.Conv2d(3, width, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * 25, 16 * width),
        nn.ReLU(),
        nn.Linear(16 * width, 10 * width),
        nn.ReLU(),
        nn.Linear(10 * width, 10),
    )


class _TanhMLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc_1 = nn.Linear(3072, width, bias=False)
        self.fc_2 = nn.Linear(width, width, bias=False)
        self.fc_3 = nn.Linear(width, 10, bias=False)
        nn.init.kaiming_normal_(self.fc_1.weight, a=1)
        nn.init.kaiming_normal_(self.fc_2.weight, a=1)
        nn.init.zeros_(self.fc_3.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc_3(torch.tanh(self.fc_2(torch.tanh(self.fc_1(x)))))
        return out


def mlp_example(width: int) -> nn.Module:
    """Bias-free 3072-w-w-10 tanh MLP with a zero readout; base 64, target 512."""
    return _TanhMLP(width)


def hf_gpt2(width: int, *, tied: bool = False) -> nn.Module:
    """Hugging Face GPT-2, ReLU, 2 layers, 4 heads (head_dim grows); base 256, target 512."""
    model: nn.Module = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=512,
            n_positions=64,
            n_embd=width,
            n_layer=2,
            n_head=4,
            activation_function="relu",
            tie_word_embeddings=tied,
        )
    )
    return model


def hf_gpt2_tied(width: int) -> nn.Module:
    """The same with the embedding tied to the readout (Hugging Face's default)."""
    return hf_gpt2(width, tied=True)


def hf_llama(width: int) -> nn.Module:
    """Hugging Face Llama, GQA (two query heads per kv head), head_dim 64; base 256, target 1024."""
    heads = width // 64
    model: nn.Module = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=512,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=2,
            num_attention_heads=heads,
            num_key_value_heads=max(1, heads // 2),
            max_position_embeddings=64,
            tie_word_embeddings=False,
        )
    )
    return model


def hf_bert(width: int) -> nn.Module:
    """Hugging Face BERT, untied, 2 layers, 4 heads, ffn = width; base 256, target 512."""
    model: nn.Module = BertForMaskedLM(
        BertConfig(
            vocab_size=512,
            max_position_embeddings=64,
            hidden_size=width,
            intermediate_size=width,
            num_attention_heads=4,
            num_hidden_layers=2,
            type_vocab_size=1,
            tie_word_embeddings=False,
        )
    )
    return model
