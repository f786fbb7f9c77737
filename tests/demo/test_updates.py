"""The statistic of the demo: the change of what a layer computes, not of its weights alone."""

import pytest
import torch
from torch import nn

from mupfx.demo.gpt import CONTEXT, GPT, VOCABULARY, Attention, example
from mupfx.demo.updates import updates, weights


def test_only_the_changed_layer_shows() -> None:
    changed = nn.Linear(4, 4)
    model = nn.Sequential(nn.Embedding(5, 4), changed, nn.Linear(4, 2))
    start = weights(model)
    with torch.no_grad():
        changed.weight.add_(1.0)
    found = updates(model, start, torch.tensor([[1, 2]]))
    assert (found["0"], found["2"]) == (0.0, 0.0)
    assert found["1"] > 0


def test_it_is_the_rms_of_the_change_on_the_input() -> None:
    changed = nn.Linear(3, 2)
    model = nn.Sequential(changed)
    start = weights(model)
    with torch.no_grad():
        changed.weight.add_(2.0)
    assert updates(model, start, torch.ones(4, 3))["0"] == pytest.approx(6.0)


def test_an_embedding_counts_the_rows_looked_up() -> None:
    changed = nn.Embedding(5, 4)
    model = nn.Sequential(changed)
    start = weights(model)
    with torch.no_grad():
        changed.weight[1] += 3.0
    assert updates(model, start, torch.tensor([1, 1]))["0"] == pytest.approx(3.0)
    assert updates(model, start, torch.tensor([2]))["0"] == 0.0


def test_nothing_stays_on_the_model() -> None:
    model, args = example(32)
    start = weights(model)
    assert set(updates(model, start, *args)) == set(start)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_the_example_is_what_the_model_takes() -> None:
    model, (tokens,) = example(32)
    assert isinstance(model, GPT)
    assert tokens.max() < VOCABULARY
    assert model(tokens).shape == (2, CONTEXT, VOCABULARY)


def test_heads_grow_in_number() -> None:
    heads = [Attention(width).heads for width in (32, 64)]
    assert heads == [2, 4]
