"""Hypothesis strategies for models: programs over a menu of operations, of any width.

A ``ModelSpec`` is a program over a menu of operations that builds the same model at any width::

    ModelSpec("tokens", heads=2, head_dim=3, steps=("attention", "mlp"), tied=True, seed=0)

``spec.build()`` is the model with its inputs, ``spec.build(4)`` the one four times as wide.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

VOCABULARY, FEATURES, CLASSES, BATCH, LENGTH, SIDE = 11, 5, 7, 2, 3, 6


class _Residual(nn.Module):
    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        update: torch.Tensor = self.branch(x)
        return x + update


class _Gain(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain


class _Attention(nn.Module):
    """Three projections and softmax written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        split = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        query = self.query(x).view(split).transpose(1, 2)
        key = self.key(x).view(split).transpose(1, 2)
        value = self.value(x).view(split).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) / split[3] ** 0.5
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape)
        out: torch.Tensor = self.out(mixed)
        return out


class _Fused(nn.Module):
    """One projection for all three, and torch's own kernel."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: torch.Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


def _mlp(width: int, _heads: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
    )


def _convolution(width: int, _heads: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())


Step = Callable[[int, int], nn.Module]

SEQUENCE_STEPS: Mapping[str, Step] = {
    "linear": lambda width, _: nn.Sequential(nn.Linear(width, width), nn.Tanh()),
    "plain_mlp": _mlp,
    "mlp": lambda width, heads: _Residual(_mlp(width, heads)),
    "attention": lambda width, heads: _Residual(_Attention(width, heads)),
    "fused_attention": lambda width, heads: _Residual(_Fused(width, heads)),
    "layer_norm": lambda width, _: nn.LayerNorm(width),
    "rms_norm": lambda width, _: nn.RMSNorm(width),
    "gain": lambda width, _: _Gain(width),
}
IMAGE_STEPS: Mapping[str, Step] = {
    "convolution": _convolution,
    "residual_convolution": lambda width, heads: _Residual(_convolution(width, heads)),
    "depthwise": lambda width, _: nn.Conv2d(width, width, 3, padding=1, groups=width),
    "pointwise": lambda width, _: nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.SiLU()),
}


class _Model(nn.Module):
    """A stem, the steps, a readout; the readout may be the embedding."""

    def __init__(self, spec: "ModelSpec", scale: int) -> None:
        super().__init__()
        heads = spec.heads * scale
        width = heads * spec.head_dim
        stems: Mapping[str, Callable[[], nn.Module]] = {
            "tokens": lambda: nn.Embedding(VOCABULARY, width),
            "features": lambda: nn.Linear(FEATURES, width),
            "image": lambda: nn.Conv2d(3, width, 3),
        }
        menu = IMAGE_STEPS if spec.source == "image" else SEQUENCE_STEPS
        self.stem = stems[spec.source]()
        self.steps = nn.ModuleList(menu[step](width, heads) for step in spec.steps)
        classes = VOCABULARY if spec.tied else CLASSES
        self.readout = nn.Linear(width, classes, bias=not spec.tied)
        if spec.tied and isinstance(self.stem, nn.Embedding):
            self.readout.weight = self.stem.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for step in self.steps:
            x = step(x)
        out: torch.Tensor = self.readout(x.mean((2, 3)) if x.ndim == 4 else x)
        return out


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as a program, at any width."""

    source: str
    heads: int
    head_dim: int
    steps: tuple[str, ...]
    tied: bool
    seed: int

    def build(self, scale: int = 1) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
        """The model with ``scale`` times the heads, and inputs that fit every scale.

        >>> spec = ModelSpec("tokens", 2, 3, ("mlp",), tied=True, seed=0)
        >>> [spec.build(scale)[0].stem.weight.shape[1] for scale in (1, 2)]
        [6, 12]
        """
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            inputs = {
                "tokens": torch.randint(0, VOCABULARY, (BATCH, LENGTH)),
                "features": torch.randn(BATCH, LENGTH, FEATURES),
                "image": torch.randn(BATCH, 3, SIDE, SIDE),
            }
            return _Model(self, scale), (inputs[self.source],)


@st.composite
def models(draw: st.DrawFn, *, max_steps: int = 3) -> ModelSpec:
    """Small MLPs, convolutional and residual nets, transformers, with or without a tied readout."""
    source = draw(st.sampled_from(["tokens", "features", "image"]))
    menu = IMAGE_STEPS if source == "image" else SEQUENCE_STEPS
    return ModelSpec(
        source=source,
        heads=draw(st.integers(1, 3)),
        head_dim=draw(st.integers(2, 5)),
        steps=tuple(draw(st.lists(st.sampled_from(sorted(menu)), max_size=max_steps))),
        tied=source == "tokens" and draw(st.booleans()),
        seed=draw(st.integers(0, 2**16)),
    )
