"""The user's own groups, in whatever form torch allows, read into one form and never changed.

Each trainable parameter of the model must be in exactly one group::

    read_groups([{"params": [w], "weight_decay": 0.1}, {"params": [b]}], {"w": w, "b": b})
    -> Given({"weight_decay": 0.1}, (("w", None, w),), "0."), Given({}, (("b", None, b),), "1.")
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mupfx.errors import OptimizerError

_FORMS = "tensors, (name, tensor) pairs, or dicts with 'params'"


@dataclass(frozen=True, slots=True)
class Given:
    """One group as the user gave it, without its frozen parameters."""

    options: Mapping[str, Any]
    """Its own hyperparameters."""
    members: tuple[tuple[str, str | None, Tensor], ...]
    """The model's name, the user's name where pairs were given, and the parameter."""
    prefix: str
    """What the names of its parts begin with."""


def read_groups(groups: object, named: Mapping[str, Tensor]) -> tuple[Given, ...]:
    """Read groups, or make one of all trainable parameters where there are none.

    Raises:
        OptimizerError: A trainable parameter is missing, or one is unknown or given twice.
    """
    if groups is None:
        return (Given({}, tuple((name, None, t) for name, t in _trainable(named).items()), ""),)
    names = {id(tensor): name for name, tensor in named.items()}
    found: dict[str, int] = {}
    entries = _as_dicts(groups)
    given = []
    for index, group in enumerate(entries):
        options = {key: value for key, value in group.items() if key != "params"}
        prefix = f"{index}." if len(entries) > 1 else ""
        if "name" in options:
            prefix = f"{options['name']}."
        given.append(Given(options, _members(group["params"], index, names, found), prefix))
    _require_all(named, found)
    return tuple(given)


def _as_dicts(groups: object) -> list[Mapping[str, Any]]:
    entries = _listed(groups, "groups")
    if not entries or not any(isinstance(entry, Mapping) for entry in entries):
        return [{"params": entries}]
    if all(isinstance(entry, Mapping) and "params" in entry for entry in entries):
        return entries
    raise OptimizerError(
        "the groups are of several forms, or one has no parameters",
        expected=f"a list of one of: {_FORMS}",
        found=", ".join(sorted({type(entry).__name__ for entry in entries})),
    )


def _members(
    params: object, index: int, names: Mapping[int, str], found: dict[str, int]
) -> tuple[tuple[str, str | None, Tensor], ...]:
    members = []
    for position, entry in enumerate(_listed(params, f"groups[{index}]['params']")):
        where = f"groups[{index}]['params'][{position}]"
        label, tensor = _pair(entry, where)
        name = _name(tensor, names, where)
        _require_new(name, index, found)
        if tensor.requires_grad:
            members.append((name, label, tensor))
    return tuple(members)


def _listed(entries: object, where: str) -> list[Any]:
    if isinstance(entries, Tensor):
        return [entries]
    if isinstance(entries, Iterable) and not isinstance(entries, Mapping | set | str):
        return list(entries)
    raise OptimizerError(
        "parameters must come in an ordered collection",
        where=where,
        expected=f"a list of {_FORMS}",
        found=type(entries).__name__,
    )


def _pair(entry: object, where: str) -> tuple[str | None, Tensor]:
    if isinstance(entry, Tensor):
        return None, entry
    if isinstance(entry, tuple) and len(entry) == 2:
        label, tensor = entry
        if isinstance(label, str) and isinstance(tensor, Tensor):
            return label, tensor
    raise OptimizerError(
        "a group holds something that is no parameter",
        where=where,
        expected="a tensor, or a (name, tensor) pair as named_parameters() gives",
        found=type(entry).__name__,
    )


def _name(tensor: Tensor, names: Mapping[int, str], where: str) -> str:
    if id(tensor) in names:
        return names[id(tensor)]
    raise OptimizerError(
        "a group holds a tensor that is not a parameter of this model",
        where=where,
        found=f"a tensor of shape {list(tensor.shape)}",
        hint="pass the parameters of the converted model itself: list(model.parameters())",
    )


def _require_new(name: str, index: int, found: dict[str, int]) -> None:
    if name in found:
        raise OptimizerError(
            "a parameter is given twice",
            where=name,
            expected="each parameter in exactly one group, once",
            found=f"it is in groups[{found[name]}] and in groups[{index}]",
        )
    found[name] = index


def _require_all(named: Mapping[str, Tensor], found: Mapping[str, int]) -> None:
    missing = [name for name in _trainable(named) if name not in found]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise OptimizerError(
            "the groups miss trainable parameters of the model",
            where=", ".join(missing[:5]) + more,
            expected="each trainable parameter in exactly one group",
            found=f"{len(missing)} of {len(_trainable(named))} in none",
            hint="add them to a group, or freeze them with requires_grad_(False)",
        )


def _trainable(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in named.items() if tensor.requires_grad}
