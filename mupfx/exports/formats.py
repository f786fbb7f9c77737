"""The formats, as a table; ``model.onnx`` names its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mupfx.errors import ExportError, did_you_mean
from mupfx.exports.code.files import write_python
from mupfx.exports.hugging_face import write_hugging_face
from mupfx.exports.onnx_file import write_onnx
from mupfx.exports.parcel import Writer
from mupfx.exports.pt2 import write_pt2
from mupfx.exports.stock_files import write_safetensors, write_state_dict


class Wants(StrEnum):
    """Where the multipliers of the model that is written are to be."""

    STOCK = "stock"
    """In the weights: the class is the user's own."""
    EITHER = "either"
    """In the weights, or as operations where none can carry them."""
    OWN = "own"
    """Where they are."""


@dataclass(frozen=True, slots=True)
class Format:
    """How something is written."""

    write: Writer
    wants: Wants
    suffixes: tuple[str, ...]
    """Of its file; none where it is a folder."""


FORMATS: Mapping[str, Format] = {
    "state_dict": Format(write_state_dict, Wants.STOCK, (".pt", ".pth", ".bin")),
    "safetensors": Format(write_safetensors, Wants.STOCK, (".safetensors",)),
    "hf": Format(write_hugging_face, Wants.STOCK, ()),
    "pt2": Format(write_pt2, Wants.EITHER, (".pt2",)),
    "python": Format(write_python, Wants.OWN, ()),
    "onnx": Format(write_onnx, Wants.EITHER, (".onnx",)),
}


def format_of(path: Path, name: str | None) -> str:
    """The format that is named, or that the file's suffix stands for.

    Raises:
        ExportError: There is none of that name, the suffix says none, or another.
    """
    if name is not None and name not in FORMATS:
        raise ExportError(
            f"format={name!r} is none",
            expected=", ".join(FORMATS),
            hint=did_you_mean(name, FORMATS),
        )
    by_suffix = {suffix: n for n, each in FORMATS.items() for suffix in each.suffixes}
    said = by_suffix.get(path.suffix)
    if name is None and said is None:
        raise ExportError(
            f"`{path.name}` does not say which format to write",
            expected=f"one of {', '.join(by_suffix)}, or a folder and its format",
            hint="the formats that are folders: hf, python",
        )
    if name is not None and said is not None and said != name:
        raise ExportError(
            f"`{path.name}` names another format",
            expected=f"{', '.join(FORMATS[name].suffixes) or 'a folder'} for format={name!r}",
            found=f"{path.suffix}, which is {said!r}",
        )
    return name or str(said)
