"""A converted model as a folder: ``plan.json``, ``param_groups.json``, ``weights.safetensors``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mupfx.core.plan import Plan
from mupfx.errors import MupfxError
from mupfx.exports.groups import groups_dict
from mupfx.exports.plan_file import write_json
from mupfx.exports.weights import save_weights

WEIGHTS, PLAN, GROUPS = "weights.safetensors", "plan.json", "param_groups.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written."""

    files: tuple[Path, ...]
    shared: Mapping[str, str]
    """Names that the weights file leaves out, with the name that holds their tensor."""


def save(model: nn.Module, plan: Plan, folder: Path) -> Saved:
    """Write the plan, the groups, and the weights where there are any.

    Raises:
        MupfxError: The folder cannot be written.
    """
    on_meta = any(parameter.is_meta for parameter in model.parameters())
    names = (PLAN, GROUPS) if on_meta else (PLAN, GROUPS, WEIGHTS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / PLAN, plan.to_dict())
        write_json(folder / GROUPS, groups_dict(plan))
        shared = {} if on_meta else save_weights(model, folder / WEIGHTS)
    except OSError as error:
        raise MupfxError(f"cannot write `{folder}`", found=str(error)) from error
    return Saved(tuple(folder / name for name in names), shared)
