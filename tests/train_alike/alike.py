"""One model, converted in every way there is, and trained in each: the same training.

What is compared is the effective weight of every parameter, and the loss of every step.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import mupfx
from tests.zoo.models import gpt, resnet, small
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built, floats

O = torch.optim  # noqa: E741
STEPS = 20
OPTIMIZERS: Mapping[str, tuple[type[O.Optimizer], dict[str, Any]]] = {
    "sgd": (O.SGD, {"lr": 1e-2, "weight_decay": 0.05}),
    "momentum": (O.SGD, {"lr": 5e-3, "momentum": 0.9, "weight_decay": 0.05}),
    "adam": (O.Adam, {"lr": 1e-3, "eps": 1e-4}),
    "adamw": (O.AdamW, {"lr": 1e-3, "eps": 1e-4, "weight_decay": 0.5}),
}
"""``eps`` above the rounding of gradients that a symmetry makes zero, such as those of key biases."""
WAYS = (
    ("eager", "fold"), ("eager", "mup"), ("eager", "unit"),
    ("graph", "fold"), ("graph", "mup"), ("graph", "unit"),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model, its base, and what is asked of the conversion."""

    build: Callable[[], Built]
    base: Callable[[], Built]
    parametrization: str = "mup"
    rate: float = 1.0
    """What learning rates are multiplied by."""


def mixtral(scale: int) -> Built:
    """Experts as one product over all of them: the grouped one knows no double precision."""
    model, args, kwargs = hf.mixtral(scale)
    model.set_experts_implementation("batched_mm")  # type: ignore[operator]
    return model, args, kwargs


def spelled_out(scale: int) -> Built:
    """Llama with attention op by op: traced, transformers asks torch's kernel for other options."""
    model, args, kwargs = hf.llama(scale)
    model.set_attn_implementation("eager")  # type: ignore[operator]
    return model, args, kwargs


def images(scale: int) -> Built:
    """Batch norms over more than a few values, which amplify rounding by orders a step."""
    return resnet.resnet50(scale)[0], (floats(8, 3, 64, 64),), {}


QUICK: dict[str, Case] = {
    "small gpt": Case(partial(gpt.gpt, 1, head_scale=2), partial(gpt.gpt, 1)),
    "small lstm": Case(partial(small.lstm, 2), partial(small.lstm, 1)),
}
WHOLE: dict[str, Case] = {
    "gpt2": Case(partial(hf.gpt2, 1, head_scale=2), partial(hf.gpt2, 1)),
    "gpt2, deeper": Case(partial(hf.gpt2, 2, layers=4), partial(hf.gpt2, 1, layers=2), "completep"),
    "llama": Case(partial(hf.llama, 2), partial(hf.llama, 1)),
    "llama, wider heads and deeper": Case(
        partial(hf.llama, 1, head_dim=20, layers=4), partial(hf.llama, 1), "completep"
    ),
    "bert": Case(partial(hf.bert, 2), partial(hf.bert, 1)),
    "vit": Case(partial(hf.vit, 2), partial(hf.vit, 1)),
    "resnet": Case(partial(images, 2), partial(images, 1), rate=1e-4),
    "mixtral": Case(partial(mixtral, 2), partial(mixtral, 1)),
    "mamba": Case(partial(hf.mamba, 2), partial(hf.mamba, 1)),
    "lstm": Case(partial(small.lstm, 2), partial(small.lstm, 1)),
}

EXACT = {name: case for name, case in WHOLE.items() if name != "llama"} | {
    "llama, attention spelled out": Case(partial(spelled_out, 2), partial(spelled_out, 1))
}
"""Where bits can be the same: the same kernels run in both lowerings."""
CASES = QUICK | WHOLE | EXACT


def inputs(built: Built, dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
    _, args, kwargs = built

    def cast(value: Any) -> Any:
        floats = isinstance(value, Tensor) and value.is_floating_point()
        return value.to(dtype) if floats else value

    cache = {} if args or "input_ids" not in kwargs else {"use_cache": False}
    return tuple(map(cast, args)), {key: cast(value) for key, value in kwargs.items()} | cache


def convert(case: Case, way: tuple[str, str], dtype: torch.dtype, **options: Any) -> nn.Module:
    """A model in one of the ways, in training mode."""
    built, lowering, gauge = case.build(), *way
    args, kwargs = inputs(built, dtype)
    model: nn.Module = mupfx.convert(
        built[0].to(dtype).train(),
        args,
        kwargs,
        base=case.base()[0].to(dtype),
        parametrization=case.parametrization,
        gauge=gauge,
        lowering=lowering,
        **options,
    )
    return model.train()


def first(output: Any) -> Tensor:
    """The first tensor of what a model gives."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output
    return first(next(iter(values)))


@dataclass(frozen=True)
class Run:
    """What training came to."""

    losses: Tensor
    weights: Mapping[str, Tensor]
    """Effective ones."""


def train(
    prototype: nn.Module, case: Case, dtype: torch.dtype, optimizer: str, steps: int = STEPS
) -> Run:
    """Some steps on one batch."""
    model, (args, kwargs) = copy.deepcopy(prototype), inputs(case.build(), dtype)
    cls, options = OPTIMIZERS[optimizer]
    options = options | {"lr": options["lr"] * case.rate}
    stepped = mupfx.optimizer(cls, model, **options)
    losses = []
    for step in range(steps):
        torch.manual_seed(step)  # the same masks of dropout
        stepped.zero_grad()
        loss = first(model(*args, **kwargs)).square().mean()
        torch.autograd.backward(loss)
        stepped.step()
        losses.append(loss.detach())
    rows = mupfx.plan(model).parameters
    values = dict(model.named_parameters())
    weights = {name: values[name].detach() * row.multiplier for name, row in rows.items()}
    return Run(torch.stack(losses), weights)


def apart(one: Run, other: Run) -> float:
    """The largest difference of a weight or a loss, relative to the largest of its kind."""
    pairs = [(one.losses, other.losses)]
    pairs += [(value, other.weights[name]) for name, value in one.weights.items()]
    return max(_apart(*pair) for pair in pairs)


FLOOR = 1e-3
"""Biases that start at zero, and whose gradient a symmetry makes zero, stay at rounding errors."""


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max().clamp(min=FLOOR))


def same_bits(one: Run, other: Run) -> bool:
    """Whether losses and effective weights are the very same numbers."""
    weights = all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())
    return weights and torch.equal(one.losses, other.losses)
