"""Every law of whole models is named or refused, and what is named is what many seeds measure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mupfx.core.drawn import Box, Drawn, Shape
from mupfx.passes.laws import absent, record, record_shapes
from tests.zoo.models import encoder, gpt, hugging_face, resnet, small

MODELS: dict[str, Callable[[], tuple[object, ...]]] = {
    "gpt": gpt.gpt,
    "encoder": encoder.encoder,
    "lstm": small.lstm,
    "two towers": small.two_towers,
    "einsum": small.einsum_transformer,
    "functional": small.functional_weights,
    "gpt2": hugging_face.gpt2,
    "llama": hugging_face.llama,
    "bert": hugging_face.bert,
    "t5": hugging_face.t5,
    "vit": hugging_face.vit,
    "mixtral": hugging_face.mixtral,
    "mamba": hugging_face.mamba,
    "resnet": resnet.resnet50,
}
OPEN = {
    "mamba": {"A_log": "given: computed by log", "dt_proj.bias": "unknown: add of clamp of exp"},
}
"""By the end of the name: what is computed, or no law that has a name."""
SEEDS = 3
KURTOSIS = {Shape.UNIFORM: 1.8}


def factory(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        model = MODELS[name]()[0]
        assert isinstance(model, nn.Module)
        return model

    return build


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Builders seed themselves; each time with another."""
    seed = torch.manual_seed
    offset = iter(range(100, 200))
    number = {"now": 0}

    def other(value: int) -> torch.Generator:
        return seed(value + number["now"])

    monkeypatch.setattr(torch, "manual_seed", other)

    def walk() -> Iterator[int]:
        for number["now"] in offset:
            yield number["now"]

    return walk()


def cut(tensor: Tensor, box: Box) -> Tensor:
    for dim, (first, count, step) in enumerate(box):
        places = torch.arange(first, first + count * step, step)
        tensor = tensor.index_select(dim, places)
    return tensor


def regions(law: Drawn, values: Tensor) -> Iterator[tuple[Drawn, Tensor]]:
    """The values of each law: of each part, and of what no part covers."""
    free = torch.ones(values.shape[1:], dtype=torch.bool)
    for box, part in law.parts:
        yield part, cut(values, ((0, len(values), 1), *box)).flatten()
        free[tuple(slice(a, a + n * s, s) for a, n, s in box)] = False
    yield replace(law, parts=()), values[:, free].flatten()


def check(law: Drawn, values: Tensor) -> None:
    """Mean, mean square and bounds are the law's, to five standard errors."""
    std, count = law.std, values.numel()
    assert std is not None
    error = 5 * std / math.sqrt(count) + 1e-6 * (abs(law.mean) + std)
    assert float(values.mean()) == pytest.approx(law.mean, abs=error)
    spread = 5 * math.sqrt((KURTOSIS.get(law.shape, 3.0) - 1) / 4 / count) + 1e-5
    assert float((values - law.mean).square().mean().sqrt()) == pytest.approx(std, rel=spread)
    reach = {Shape.UNIFORM: 1.0, Shape.CONSTANT: 0.0, Shape.TRUNCATED: law.high}.get(law.shape)
    if reach is not None:
        edge = float((values - law.location).abs().max())
        assert edge <= reach * abs(law.scale) * (1 + 1e-5) + 1e-6 * abs(law.location)


@pytest.mark.parametrize("name", MODELS)
def test_laws_are_those_of_the_values(name: str, seeds: Iterator[int]) -> None:
    runs = [record(factory(name)) for _, _ in zip(range(SEEDS), seeds, strict=False)]
    drawn = [dict(run.model.named_parameters()) for run in runs]
    seen = OPEN.get(name, {})
    for parameter in drawn[0]:
        law = runs[0].laws[parameter]
        assert {str(run.laws[parameter]) for run in runs} == {str(law)}
        expected = next((text for end, text in seen.items() if parameter.endswith(end)), None)
        if expected is not None:
            assert str(law).startswith(expected)
            continue
        assert law.known, (parameter, str(law))
        values = torch.stack([found[parameter].detach().double() for found in drawn])
        for part, inside in regions(law, values):
            check(part, inside)


@pytest.mark.parametrize("name", MODELS)
def test_laws_are_the_same_without_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent.Limits.__init__, "__defaults__", (32, 32.0))
    plain, shapes = record(factory(name)), record_shapes(factory(name))
    assert {n: str(law) for n, law in plain.laws.items()} == {
        n: str(law) for n, law in shapes.laws.items()
    }
    buffers = dict(plain.model.named_buffers())
    for buffer, values in shapes.values.items():
        if buffer in buffers:
            assert torch.equal(values, buffers[buffer]), buffer


def test_depth_is_in_the_numbers() -> None:
    """GPT-2 divides what ends a branch by the square root of twice its layers."""
    laws = record(factory("gpt2")).laws
    stds = {name: law.std for name, law in laws.items() if name.endswith("c_proj.weight")}
    assert len(stds) == 4
    assert set(stds.values()) == {0.02 / math.sqrt(2 * 2)}
