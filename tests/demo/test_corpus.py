"""The text that every machine has."""

import torch

from mupfx.demo.corpus import batches, corpus


def test_text_is_bytes_and_the_same_each_time() -> None:
    text, test = corpus()
    assert torch.equal(text, corpus()[0])
    assert len(text) > 8 * len(test) > 0
    assert 0 <= int(text.min()) <= int(text.max()) < 256


def test_targets_are_the_next_bytes() -> None:
    text = torch.arange(100)
    for tokens, targets in batches(text, count=3, size=4, context=5, seed=0):
        assert tokens.shape == (4, 5)
        assert torch.equal(targets, tokens + 1)


def test_seeds_draw_different_windows() -> None:
    text, _ = corpus()
    drawn = [next(batches(text, count=1, size=4, context=8, seed=seed))[0] for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
