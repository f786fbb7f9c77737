"""A folder that ``from_pretrained`` reads: weights and configuration of a transformers model."""

import sys
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mupfx.errors import ExportError
from mupfx.exports.outputs import flat, plain
from mupfx.exports.parcel import Artefact, Call, Parcel
from mupfx.exports.quiet import quiet

TIE = "tie_word_embeddings"


def write_hugging_face(parcel: Parcel, folder: Path) -> Artefact:
    """``save_pretrained``, and ``from_pretrained`` of the same class.

    Raises:
        ExportError: The model is none of transformers.
    """
    model = _pretrained(parcel.model)
    notes = ()
    if parcel.untied:
        setattr(model.config.get_text_config(), TIE, False)
        setattr(model.config, TIE, False)
        notes = (f"{TIE} is False in config.json",)
    with quiet():
        model.save_pretrained(folder)
        read = type(model).from_pretrained(folder, dtype="auto", local_files_only=True).eval()
    read = read.to(next(model.parameters()).device)

    def run(call: Call) -> list[Tensor]:
        return flat(plain(read(*call.args, **call.kwargs)))

    return Artefact(run, notes=notes)


def _pretrained(model: nn.Module) -> Any:
    transformers = sys.modules.get("transformers")  # where such a model is, it was imported
    if transformers is None or not isinstance(model, transformers.PreTrainedModel):
        raise ExportError(
            "only a model of transformers can be saved as one",
            expected="a PreTrainedModel",
            found=type(model).__name__,
            hint='format="safetensors" or "state_dict"',
        )
    return model
