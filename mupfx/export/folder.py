"""A converted model as a folder: ``weights.safetensors``, ``plan.json``, ``param_groups.json``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from mupfx.core.plan import Plan
from mupfx.errors import PlanError
from mupfx.export.groups import groups_dict
from mupfx.export.weights import save_weights

WEIGHTS, PLAN, GROUPS = "weights.safetensors", "plan.json", "param_groups.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written."""

    files: tuple[Path, ...]
    shared: Mapping[str, str]
    """Names that the weights file leaves out, with the name that holds their tensor."""
    hooked: tuple[str, ...]
    """Multipliers that are in no weight: the stock class alone does not apply them."""


def save(model: nn.Module, plan: Plan, folder: Path) -> Saved:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = (folder / WEIGHTS, folder / PLAN, folder / GROUPS)
    shared = save_weights(model, files[0])
    _write(files[1], plan.to_dict())
    _write(files[2], groups_dict(plan))
    hooked = tuple(site.name for site in plan.sites.values() if site.lowering == "hook")
    return Saved(files, shared, hooked)


def load_plan(path: Path) -> Plan:
    """Read ``plan.json``.

    Raises:
        PlanError: There is no such file, or it holds no plan.
    """
    try:
        return Plan.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PlanError(f"cannot read `{path}`: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(f"`{path}` holds no plan", found=str(error)) from error


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
