"""A folder that ``from_pretrained`` reads: weights and configuration of a transformers model."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mupfx.errors import ExportError
from mupfx.exports.outputs import flat, plain
from mupfx.exports.parcel import Artefact, Call, Parcel, device_of
from mupfx.exports.quiet import quiet

TIE = "tie_word_embeddings"
CACHE = "use_cache"
GROUPED = "grouped_mm"


def write_hugging_face(parcel: Parcel, folder: Path) -> Artefact:
    """``save_pretrained``, and ``from_pretrained`` of the same class.

    Raises:
        ExportError: The model is none of transformers.
    """
    model = pretrained(parcel.model)
    notes: tuple[str, ...] = ()
    if parcel.untied:
        setattr(model.config.get_text_config(), TIE, False)
        setattr(model.config, TIE, False)
        notes = (f"{TIE} is False in config.json",)
    with quiet():
        model.save_pretrained(folder)
        read = type(model).from_pretrained(folder, dtype="auto", local_files_only=True).eval()
    read = read.to(device_of(model))

    def run(call: Call) -> list[Tensor]:
        return flat(plain(read(*call.args, **call.kwargs)))

    return Artefact(run, notes=notes)


@contextmanager
def without_cache(model: nn.Module) -> Iterator[None]:
    """A model of transformers that keeps no keys and values while open; any other as it is."""
    configs = [
        config
        for module in model.modules()
        if (config := _config(module)) is not None and getattr(config, CACHE, None)
    ]
    for config in configs:
        setattr(config, CACHE, False)
    try:
        yield
    finally:
        for config in configs:
            setattr(config, CACHE, True)


def _config(module: nn.Module) -> Any:
    return module.config if is_pretrained(module) else None


def batch_experts(model: nn.Module) -> bool:
    """Let experts be batched products where they are grouped ones; whether they were."""
    pre: Any = model
    if not is_pretrained(model) or not pre._can_set_experts_implementation():  # noqa: SLF001
        return False
    if pre.config._experts_implementation != GROUPED:  # noqa: SLF001 - there is no other name
        return False
    pre.set_experts_implementation("batched_mm")
    return True


def is_pretrained(model: nn.Module) -> bool:
    """Whether a model is one of transformers."""
    transformers = sys.modules.get("transformers")  # where there is such a model, it is imported
    return transformers is not None and isinstance(model, transformers.PreTrainedModel)


def pretrained(model: nn.Module) -> Any:
    """The model as one of transformers.

    Raises:
        ExportError: It is none.
    """
    if not is_pretrained(model):
        raise ExportError(
            "only a model of transformers can be saved as one",
            expected="a PreTrainedModel",
            found=type(model).__name__,
            hint='format="safetensors" or "state_dict"',
        )
    return model
