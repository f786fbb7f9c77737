"""Write the starting values of a model as a program that needs no mupfx, with its plan beside."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from mupfx.core.drawn import Drawn
from mupfx.core.plan import Plan
from mupfx.errors import ExportError, InitError
from mupfx.exports.folder import GROUPS, PLAN
from mupfx.exports.groups import groups_dict
from mupfx.exports.init_kernels import Row, init_kernels
from mupfx.exports.plan_file import write_json
from mupfx.kernels.draw import Draw
from mupfx.kernels.start import Start
from mupfx.pipeline.lowering import converted
from mupfx.pipeline.redrawing import Settled, Wishes, settle
from mupfx.pipeline.starting import start_of

KERNELS = "init_kernels.py"


def emit(model: nn.Module, folder: Path, laws: Mapping[str, Draw]) -> tuple[Path, ...]:
    """Write ``init_kernels.py``, ``plan.json`` and ``param_groups.json``.

    Raises:
        ExportError: The folder cannot be written.
        InitError: A parameter is not drawn by a law of the kernels.
        PlanError: The model was not converted.
    """
    module, conversion = converted(model)
    settled, plan = settle(module, conversion, Wishes(laws)), conversion.plan
    rows = {name: _row(name, tensor, settled, plan) for name, tensor in settled.tensors.items()}
    size = sum(tensor.numel() for tensor in settled.tensors.values())
    title = f"{type(module).__name__}: {size:,} parameters in {len(rows)} tensors"
    text = init_kernels(title, rows, _tied(plan, rows), list(_outside(plan)))
    files = (folder / KERNELS, folder / PLAN, folder / GROUPS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files[0].write_text(text, encoding="utf-8")
        write_json(files[1], plan.to_dict())
        write_json(files[2], groups_dict(plan))
    except OSError as error:
        raise ExportError(f"cannot write `{folder}`", found=str(error)) from error
    return files


def _row(name: str, tensor: Tensor, settled: Settled, plan: Plan) -> Row:
    dtype = str(tensor.dtype).removeprefix("torch.")
    role = f"{plan.parameters[name].role}: " if name in plan.parameters else ""
    if name in settled.given:
        return Row(settled.given[name], dtype, f"{role}a law given by hand")
    law = settled.planned[name]
    return Row(_start(name, tensor, law, plan), dtype, f"{role}{law}")


def _start(name: str, tensor: Tensor, law: Drawn, plan: Plan) -> Start:
    row = plan.parameters.get(name)
    start = start_of(tensor, law, None if row is None else row.init)
    if start is None:
        raise InitError(
            f"{name!r} is not drawn by a law of the kernels",
            where=f"{name} {list(tensor.shape)}, {law.source}",
            expected="normal, uniform, truncated or constant values",
            found=str(law),
            hint=f"laws={{{name!r}: mupfx.kernels.normal(std)}}, or mupfx.build, which fills it",
        )
    return start


def _tied(plan: Plan, rows: Mapping[str, Row]) -> dict[str, str]:
    return {other: name for other, name in plan.aliases.items() if name in rows}


def _outside(plan: Plan) -> Iterator[str]:
    """Multipliers that are applied when the model runs."""
    for site in plan.sites.values():
        if site.lowering in {"hook", "graph"}:
            yield f"{site.name}: {site.multiplier:.9g}, as {', '.join(site.target)}"
    for name, row in plan.parameters.items():
        if row.multiplier != 1:
            yield f"{name}: times {row.multiplier:.9g} wherever it is read"
