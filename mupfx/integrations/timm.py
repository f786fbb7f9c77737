"""Models of timm by name, with arguments: ``vit_tiny_patch16_224(num_classes=10)``.

Nothing is fetched. The example input has the size in the model's own description.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import nn

from mupfx.errors import TargetError, did_you_mean
from mupfx.integrations.written import written

_SIZE = (3, 224, 224)


def build(target: str, changes: Mapping[str, Any], device: str) -> nn.Module:
    """The model of a name, in evaluation mode.

    Args:
        target: What follows ``timm:``.
        changes: Arguments that replace those in the target.
        device: ``"meta"`` for shapes alone, else ``"cpu"``.

    Raises:
        TargetError: There is no timm, or no model of this name, or it does not take an argument.
    """
    timm = _timm()
    name, arguments = written(target)
    if not timm.is_model(name):
        raise TargetError(
            f"timm {timm.__version__} has no model `{name}`",
            hint=did_you_mean(name, timm.list_models()),
        )
    try:
        with torch.device(device):
            model = timm.create_model(name, pretrained=False, **{**arguments, **changes})
    except Exception as error:
        raise TargetError(
            f"timm cannot build `{target}`",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
        ) from error
    assert isinstance(model, nn.Module)
    return model.eval()


def candidates(model: nn.Module) -> Iterator[tuple[str, ...]]:
    """Inputs to try: the size that the model describes, then larger ones."""
    described = getattr(model, "pretrained_cfg", None) or {}
    channels, *space = described.get("input_size", _SIZE)
    channels = getattr(model, "in_chans", channels)
    yield (f"float32[2,{channels},{','.join(map(str, space))}]",)
    for size in (224, 256, 384, 512, 128, 96, 64, 32):
        yield (f"float32[2,{channels},{size},{size}]",)


def _timm() -> ModuleType:
    try:
        return import_module("timm")
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        raise TargetError(
            "`timm:` needs timm", hint="pip install 'mupfx[timm]', or pip install timm"
        ) from error
