"""Models of Hugging Face from their configuration alone: nothing is fetched, no weights are read.

``config.json`` names its class under ``architectures``, else its ``model_type`` says which.
``LlamaForCausalLM(hidden_size=64)`` is that class with its default configuration, changed so.
Values are drawn as the class draws them, or, on the meta device, not at all.
"""

import json
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from mupfx.errors import TargetError, did_you_mean
from mupfx.integrations.written import written

_FORMS = "hf:config.json, a folder that has one, or hf:ModelClass(field=value, ...)"
_CONFIG = "config.json"


def build(target: str, changes: Mapping[str, Any], device: str) -> nn.Module:
    """The model of a configuration, in evaluation mode.

    Args:
        target: What follows ``hf:``.
        changes: Fields that replace those of the configuration.
        device: ``"meta"`` for shapes alone, else ``"cpu"``.

    Raises:
        TargetError: There is no transformers, configuration, class or field of this name.
    """
    transformers = _transformers()
    name, fields = (target, {}) if Path(target).exists() else written(target)
    fields = _merged(fields, changes)
    if Path(name).exists():
        model_class, config = _of_file(transformers, Path(name), fields)
    else:
        model_class, config = _of_class(transformers, name, fields)
    return _make(model_class, config, device)


def _transformers() -> ModuleType:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read at its import; nothing here needs the hub
    try:
        transformers = import_module("transformers")
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise TargetError(
            "`hf:` needs transformers", hint="pip install 'mupfx[hf]', or pip install transformers"
        ) from error
    transformers.logging.set_verbosity_error()
    return transformers


def _of_file(
    transformers: ModuleType, path: Path, changes: Mapping[str, Any]
) -> tuple[Any, object]:
    data = _read(path / _CONFIG if path.is_dir() else path)
    kind = data.get("model_type")
    known = transformers.CONFIG_MAPPING
    if kind not in known:
        raise TargetError(
            f"`{path}` has no model_type that transformers {transformers.__version__} knows",
            found=repr(kind),
            hint=did_you_mean(str(kind), known.keys()),
        )
    config = _config(known[kind], changes, data)
    named = data.get("architectures") or ()
    return (_class(transformers, named[0]) if named else _bare(transformers, config)), config


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TargetError(
            f"`{path}` cannot be read", expected=f"a {_CONFIG} of Hugging Face", found=str(error)
        ) from error
    if isinstance(data, dict):
        return data
    raise TargetError(f"`{path}` is no configuration", expected="a JSON object")


def _of_class(transformers: ModuleType, name: str, fields: Mapping[str, Any]) -> tuple[Any, object]:
    if not name.isidentifier():
        raise TargetError(
            f"`{name}` is no file and no class",
            expected=_FORMS,
            hint="nothing is downloaded: save the model's config.json and name it",
        )
    model_class = _class(transformers, name)
    return model_class, _config(model_class.config_class, fields, {})


def _class(transformers: ModuleType, name: str) -> Any:
    found = getattr(transformers, name, None)
    is_module = isinstance(found, type) and issubclass(found, nn.Module)
    if is_module and getattr(found, "config_class", None) is not None:
        return found
    models = [n for n in dir(transformers) if "For" in n or n.endswith("Model")]
    raise TargetError(
        f"transformers {transformers.__version__} has no model class `{name}`",
        hint=did_you_mean(name, models),
    )


def _bare(transformers: ModuleType, config: object) -> Any:
    """The class without a head."""
    if type(config) not in transformers.MODEL_MAPPING:
        raise TargetError(
            f"{type(config).__name__} stands for no model by itself",
            expected="the name of its class under `architectures`",
        )
    found = transformers.MODEL_MAPPING[type(config)]
    return found[0] if isinstance(found, tuple) else found


def _config(config_class: Any, fields: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """A configuration from a file's data and the fields that were typed."""
    try:
        config = config_class.from_dict(_merged(data, fields))
    except Exception as error:
        raise TargetError(
            f"{config_class.__name__} does not take these fields",
            found=" ".join(str(error).split()),
        ) from error
    _check_fields(config, fields)
    return config


def _check_fields(config: Any, fields: Mapping[str, Any]) -> None:
    """Refuse what a configuration would keep and no model read, also in those inside it."""
    known = {*dir(type(config)()), *config.attribute_map}
    for name, value in fields.items():
        if name not in known:
            raise TargetError(
                f"{type(config).__name__} has no field `{name}`", hint=did_you_mean(name, known)
            )
        if name in config.sub_configs and isinstance(value, Mapping):
            _check_fields(getattr(config, name), value)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """One over the other; configurations inside configurations keep what is not named."""
    merged = dict(old)
    for name, value in new.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _make(model_class: Any, config: object, device: str) -> nn.Module:
    """Parameters in float32, whatever the weights of a checkpoint would be stored in."""
    try:
        with torch.device(device):
            model = model_class(config)
    except Exception as error:
        raise TargetError(
            f"{model_class.__name__} cannot be built from this configuration",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
        ) from error
    assert isinstance(model, nn.Module)
    return model.eval()
