"""``torch.export.save``: a program that runs without the model's code."""

from pathlib import Path

import torch
from torch import Tensor

from mupfx.exports.outputs import flat
from mupfx.exports.parcel import Artefact, Call, Parcel
from mupfx.exports.program import trace
from mupfx.exports.quiet import quiet

PLAIN = "it returns plain containers of tensors, without caches, as in evaluation"


def write_pt2(parcel: Parcel, path: Path) -> Artefact:
    """Export, save, and load again."""
    traced = trace(parcel.model, parcel.call)
    with quiet():
        torch.export.save(traced.program, path)
        module = torch.export.load(path).module()

    def run(call: Call) -> list[Tensor]:
        return flat(module(*call.args, **call.kwargs))

    return Artefact(run, traced.calls, (traced.note, PLAIN))
