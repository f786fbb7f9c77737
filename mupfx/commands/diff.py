"""``mupfx diff``: what a change did to a plan."""

from pathlib import Path

from mupfx.commands.terminal import write, write_json
from mupfx.errors import PlanError, TargetError
from mupfx.exports.plan_file import load_plan
from mupfx.pipeline.diffing import changes
from mupfx.render.diff import diff_document


def diff(old: Path, new: Path, *, as_json: bool, every_layer: bool) -> bool:
    """Print what differs, and say whether anything does.

    Raises:
        TargetError: A file holds no plan.
    """
    try:
        found = changes(load_plan(old), load_plan(new))
    except PlanError as error:
        raise TargetError(error.what, found=error.found) from error
    if as_json:
        same = not found
        write_json({"schema": 1, "same": same, "changes": [each.to_dict() for each in found]})
    else:
        write(diff_document(found, every_layer=every_layer))
    return bool(found)
