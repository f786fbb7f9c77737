"""A plan as a file; reading one needs no torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mupfx.core.plan import Plan
from mupfx.errors import PlanError


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON, one value a line."""
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


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
