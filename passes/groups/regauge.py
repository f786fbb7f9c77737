"""Move a live optimizer to another gauge: its groups' numbers, and its state.

Where a parameter's multiplier grows by 4, AdamW's group and state become::

    lr / 4   weight_decay * 4   eps * 4   exp_avg * 4   exp_avg_sq * 16

A group whose parameters move differently is split.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import frexp
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from mupfx.core.optimizer_family import NOTHING, OptimizerFamily, Scaling
from mupfx.errors import OptimizerError
from mupfx.passes.groups.build import Family
from mupfx.passes.groups.factors import read, write
from mupfx.tables.optimizers import FAMILIES, family_of

Growth = Mapping[int, float]
"""How much each parameter's multiplier grows, by the tensor's identity."""

Group = dict[str, Any]
_RATES = ("initial_lr", "max_lr", "min_lr", "swa_lr")
"""What schedulers keep in a group."""


def require_movable(optimizer: Optimizer, growth: Growth, family: Family) -> None:
    """Refuse before anything is changed.

    Raises:
        OptimizerError: No factors move this optimizer, or a scheduler counts its groups.
    """
    for group in optimizer.param_groups:
        moved = [p for p in group["params"] if growth.get(id(p), 1.0) != 1.0]
        if not moved:
            continue
        row = _row(optimizer, group, family)
        _require_gaugeable(optimizer, row, group, [growth[id(p)] for p in moved])
        for parameter in moved:
            _require_known_state(optimizer, row, parameter)
        _require_whole(optimizer, group, growth)


def move(optimizer: Optimizer, growth: Growth, family: Family) -> None:
    """Give every group and every tensor of the state what it would have had."""
    moved: list[Group] = []
    for group in optimizer.param_groups:
        row = _row(optimizer, group, family)
        for part, value in _split(group, growth):
            if value != 1.0:
                _move_group(part, row, value)
                for parameter in part["params"]:
                    _move_state(optimizer.state.get(parameter, {}), row, value)
            moved.append(part)
    optimizer.param_groups[:] = moved


def _row(optimizer: Optimizer, group: Group, family: Family) -> OptimizerFamily:
    """The row that the group was made with: the user's, the class's, or the recorded one."""
    recorded = group.get("mupfx", {}).get("family")
    if family is not None or recorded is None:
        return family_of(type(optimizer), group, family)
    try:
        declared = family_of(type(optimizer), group)
    except OptimizerError:
        declared = None
    if declared is not None and declared.name == recorded:
        return declared
    if recorded in FAMILIES:
        return FAMILIES[recorded]
    raise OptimizerError(
        "these groups were made with a row that is not known here",
        where=str(group.get("name")),
        found=f"family {recorded!r}",
        hint="pass it again, family=..., or make it the class's mupfx_family",
    )


def _require_gaugeable(
    optimizer: Optimizer, row: OptimizerFamily, group: Group, values: list[float]
) -> None:
    for key, caution in row.cautions.items():
        found = read(group, key)
        if found is None or found > caution.harmless:
            raise OptimizerError(
                f"{type(optimizer).__name__} trains differently in another gauge",
                where=key.replace(".", "[") + "]" * ("." in key),
                found=f"{found}: {caution.why}",
            )
    odd = [value for value in values if frexp(value)[0] != 0.5]
    if row.powers_of_two and odd:
        raise OptimizerError(
            f"{type(optimizer).__name__} trains differently in another gauge",
            expected="multipliers that are powers of two, for which its bfloat16 rounds alike",
            found=f"{odd[0]:g}",
            hint="exact=True rounds them",
        )


def _require_known_state(optimizer: Optimizer, row: OptimizerFamily, parameter: Tensor) -> None:
    for key, value in optimizer.state.get(parameter, {}).items():
        if isinstance(value, Tensor) and key not in (row.state or {}):
            raise OptimizerError(
                f"nothing is known of a part of {type(optimizer).__name__}'s state",
                where=f"state[parameter][{key!r}]",
                expected=", ".join(row.state or {}) or "a family that lists its state",
                hint="pass a family=mupfx.OptimizerFamily(..., state={...}) that does",
            )


def _require_whole(optimizer: Optimizer, group: Group, growth: Growth) -> None:
    values = {growth.get(id(p), 1.0) for p in group["params"]}
    if len(values) > 1 and hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        raise OptimizerError(
            "a group would have to be split, and a scheduler counts the groups",
            where=str(group.get("name", "a group")),
            found=f"multipliers grow by {', '.join(f'{value:g}' for value in sorted(values))}",
            hint="move all parameters of a group alike, or move before the scheduler is made",
        )


def _split(group: Group, growth: Growth) -> Iterator[tuple[Group, float]]:
    """The group itself where all move alike, else one for each value."""
    members: dict[float, list[int]] = {}
    for index, parameter in enumerate(group["params"]):
        members.setdefault(growth.get(id(parameter), 1.0), []).append(index)
    if len(members) == 1:
        yield group, next(iter(members))
        return
    for count, (value, indices) in enumerate(members.items(), 1):
        yield _part(group, indices, count), value


def _part(group: Group, indices: list[int], count: int) -> Group:
    part = {**group, "params": [group["params"][i] for i in indices]}
    for key in ("param_names", "parts"):
        if group.get(key):
            part[key] = [group[key][i] for i in indices]
    if "name" in group and count > 1:
        part["name"] = f"{group['name']}.{count}"
    if record := group.get("mupfx"):
        names = [record["parameters"][i] for i in indices]
        part["mupfx"] = {**record, "parameters": names}
    return part


def _move_group(group: Group, row: OptimizerFamily, value: float) -> None:
    keys = ["lr", *row.others, *(["weight_decay"] if "weight_decay" in group else [])]
    for key in keys:
        if read(group, key) is not None:
            factor = value ** float(row.moved(key))
            group.update(write(group, key, read(group, key) * factor))
    for key in _RATES:
        if key in group:
            group[key] = group[key] * value ** float(row.lr.gauge)
    if "mupfx" in group:
        group["mupfx"] = _moved_record(group["mupfx"], row, keys, value)


def _moved_record(
    record: Mapping[str, Any], row: OptimizerFamily, keys: list[str], value: float
) -> dict[str, Any]:
    new = dict(record)
    for key in keys:
        old = new.get(key)
        if key in new:
            new[key] = (1.0 if old is None else old) * value ** float(row.moved(key))
    inner: tuple[tuple[str, Mapping[str, Scaling]], ...] = (
        ("first_steps", row.unrectified),
        ("state", row.initial_state),
    )
    for name, scalings in inner:
        if name in new:
            new[name] = {k: f * value ** float(scalings[k].gauge) for k, f in new[name].items()}
    return new


def _move_state(state: Mapping[str, Any], row: OptimizerFamily, value: float) -> None:
    for key, tensor in state.items():
        exponent = Fraction((row.state or {}).get(key, NOTHING).gauge)
        if exponent and isinstance(tensor, Tensor):
            tensor.mul_(value ** float(exponent))
