"""Example inputs of a Hugging Face model, made from its forward and its configuration.

Candidates are ``--input`` texts, the likeliest first: ``("input_ids=int64[2,16]<32000",)``. What a
model takes is read from the arguments of its forward; sizes come from its configuration.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

from torch import nn

INPUTS: Mapping[str, tuple[str, ...]] = {
    "input_ids": ("int64[2,16]<{vocabulary}",),
    "pixel_values": (
        "float32[2,{channels},{height},{width}]",
        "float32[2,{frames},{channels},{height},{width}]",
        "float32[2,{channels},224,224]",
    ),
    "pixel_values_videos": ("float32[2,{frames},{channels},{height},{width}]",),
    "input_features": (
        "float32[2,{mels},{steps}]",
        "float32[2,{longest},{mels}]",
        "float32[2,128,{mels}]",
        "float32[2,1,{longest},{mels}]",
    ),
    "input_values": (
        "float32[2,16000]",
        "float32[2,{longest},{mels}]",
        "float32[2,{audio_channels},16000]",
    ),
    "audio_codes": ("int64[2,{codebooks},16]<{codes}",),
    "spectrogram": ("float32[2,16,{mels}]",),
    "past_values": ("float32[2,{context},{series}]",),
    "inputs": ("int64[2,16]<{vocabulary}", "float32[2,{channels},{height},{width}]"),
    "hidden_states": ("float32[2,16,{hidden}]",),
    "inputs_embeds": ("float32[2,16,{hidden}]",),
    "decoder_input_ids": ("int64[2,8]<{vocabulary}",),
    "decoder_input_values": ("float32[2,8,{mels}]",),
    "bbox": ("int64[2,16,4]<1",),
}
"""Forms that an argument of this name can have."""

COMPANIONS = ("decoder_input_ids", "decoder_input_values", "bbox")
"""What goes with another input, and is no input alone."""

SIZES: Mapping[str, tuple[tuple[str, ...], int]] = {
    "vocabulary": (("vocab_size",), 100),
    "channels": (("num_channels", "in_channels", "in_chans"), 3),
    "height": (("image_size", "img_size"), 224),
    "width": (("image_size", "img_size"), 224),
    "frames": (("num_frames", "frames_per_clip"), 8),
    "mels": (
        (
            "num_mel_bins",
            "feature_projection_input_dim",
            "input_feat_per_channel",
            "model_in_dim",
            "feature_size",
        ),
        80,
    ),
    "steps": (("max_source_positions",), 64),
    "longest": (("max_length", "spec_size"), 64),
    "audio_channels": (("audio_channels",), 1),
    "codebooks": (("num_codebooks", "num_quantizers"), 8),
    "codes": (("codebook_size", "vocab_size"), 100),
    "context": (("context_length",), 32),
    "series": (("num_input_channels",), 1),
    "hidden": (("hidden_size", "d_model", "n_embd"), 64),
}
"""Fields that hold a size, and what it is where none does."""

HALVED = "steps"
"""Positions that are half the steps of the input: two convolutions, one of stride 2."""
MOST = 40
"""Candidates, at most."""


def candidates(model: nn.Module) -> Iterator[tuple[str, ...]]:
    """Sets of inputs to try, in order."""
    config = model.config
    taken = inspect.signature(model.forward).parameters
    known = [name for name in INPUTS if name in taken]
    main = getattr(model, "main_input_name", None)
    known.sort(key=lambda name: name != main)
    sizes = {word: _size(config, word) for word in SIZES}
    seen: dict[tuple[str, ...], None] = {}
    for names in _sets(known, wants_decoder=bool(getattr(config, "is_encoder_decoder", False))):
        for forms in product(*(INPUTS[name] for name in names)):
            texts = (f"{n}={form.format(**sizes)}" for n, form in zip(names, forms, strict=True))
            seen.setdefault(tuple(texts))
    yield from list(seen)[:MOST]


def _sets(known: Sequence[str], *, wants_decoder: bool) -> Iterator[tuple[str, ...]]:
    """All senses at once, then the main one, then each alone; with what goes with them first."""
    beside = tuple(name for name in known if name in COMPANIONS)
    given = [name for name in known if name not in COMPANIONS]
    senses = tuple(name for name in given if not name.startswith(("inputs", "hidden")))
    together = [senses[:2]] if len(senses) > 1 else []
    for names in chain(together, ((name,) for name in given)):
        with_decoder, alone = (*names, *beside), names
        yield from (with_decoder, alone) if wants_decoder or beside else (alone,)


def _size(config: Any, word: str) -> int:
    names, default = SIZES[word]
    found = next((v for c in _configs(config) if (v := _field(c, names)) is not None), default)
    if isinstance(found, Mapping):
        found = found.get(word, default)
    if isinstance(found, list | tuple):
        found = found[0 if word == "height" else -1]
    size = found if isinstance(found, int) else default
    return 2 * size if word == HALVED else size


def _field(config: Any, names: Sequence[str]) -> Any:
    return next((v for name in names if (v := getattr(config, name, None)) is not None), None)


def _configs(config: Any) -> Iterator[Any]:
    """A configuration and those inside it."""
    yield config
    for name in getattr(config, "sub_configs", ()):
        inner = getattr(config, name, None)
        if inner is not None and not isinstance(inner, Mapping):
            yield from _configs(inner)
