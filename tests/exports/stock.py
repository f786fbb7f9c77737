"""Models as their users have them: nothing here imports mupfx.

Run as a script, in a process where mupfx cannot be imported, it loads what was exported into the
unmodified classes, and writes down what they give.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.models import gpt, resnet, small
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built

MODELS: Mapping[str, Callable[..., Built]] = {
    "gpt2": hf.gpt2,
    "llama": hf.llama,
    "bert": hf.bert,
    "vit": hf.vit,
    "resnet": resnet.resnet50,
    "mixtral": hf.mixtral,
    "mamba": hf.mamba,
    "lstm": small.lstm,
    "gpt": gpt.gpt,
    "wider heads": partial(hf.gpt2, head_scale=2),
}


def tensor(output: Any) -> Tensor:
    """The first tensor that a model gives."""
    if isinstance(output, Tensor):
        return output
    found = output.values() if isinstance(output, Mapping) else output
    return tensor(next(iter(found)))


def load(name: str, scale: int, form: str, path: str) -> nn.Module:
    """An unmodified instance with the weights of a file, or what a folder holds."""
    model = MODELS[name](scale)[0]
    if form == "hf":
        read: nn.Module = type(model).from_pretrained(path, local_files_only=True)  # type: ignore[attr-defined]
        return read
    if form == "python":
        return written(Path(path) / "model.py")
    weights = torch.load(path) if form == "state_dict" else _safetensors(path)
    model.load_state_dict(weights, strict=True)
    return model


def _safetensors(path: str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = import_module("safetensors.torch").load_file(path)
    return found


def written(path: Path) -> nn.Module:
    """The model of a file of Python."""
    spec = spec_from_file_location(path.parent.name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    model: nn.Module = module.load()
    return model


class _NotHere:
    """No module of this name is found."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse mupfx."""
        del path, target
        if name.partition(".")[0] == "mupfx":
            raise ModuleNotFoundError(name)


def main() -> None:
    """Load each, run it on its example, and save what it gives."""
    sys.meta_path.insert(0, _NotHere())
    jobs, out = json.loads(sys.argv[1]), sys.argv[2]
    found = {}
    for key, (name, scale, form, path) in jobs.items():
        _, args, kwargs = MODELS[name](scale)
        model = load(name, scale, form, path).eval()
        with torch.no_grad():
            found[key] = tensor(model(*args, **kwargs)).clone()
    assert "mupfx" not in sys.modules
    torch.save(found, out)


if __name__ == "__main__":
    main()
