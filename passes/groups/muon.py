"""Muon for the matrices of a model, AdamW for the rest.

::

    MuonGroups(
        muon=[{"params": [qkv.weight], "lr": 0.02, "parts": [[(0, 0, 64, 192, 1.0), ...]], ...}],
        adamw=[{"params": [embedding.weight, norm.weight, head.weight], "lr": 3e-4, ...}, ...],
    )
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mupfx.core.axes import ParameterRole
from mupfx.core.plan import ParameterPlan, Plan, Rows
from mupfx.core.vocabulary import Role
from mupfx.errors import OptimizerError
from mupfx.passes.groups.build import build_groups
from mupfx.passes.groups.factors import planned
from mupfx.passes.groups.fused import Cut, Muon
from mupfx.tables.optimizers import muon_adjustment

Group = dict[str, Any]


class MuonGroups(NamedTuple):
    """Groups for two optimizers."""

    muon: list[Group]
    adamw: list[Group]


def split_planned(
    plan: Plan,
    named_parameters: Iterable[tuple[str, Tensor]],
    muon: Mapping[str, Any],
    adamw: Mapping[str, Any],
    wd_rule: str,
) -> MuonGroups:
    """Groups of a converted model, with every hyperparameter scaled.

    Raises:
        OptimizerError: There is no matrix for Muon, or a hyperparameter does not fit.
    """
    named = dict(named_parameters)
    rows = {name: planned(plan, name) for name in named}
    chosen = {
        name: t for name, t in named.items() if _is_matrix(rows[name].role, t, rows[name].parts)
    }
    _require_some(chosen)
    rest = {name: tensor for name, tensor in named.items() if name not in chosen}
    groups = build_groups(plan, chosen.items(), Muon, muon, wd_rule=wd_rule)
    for group in groups:
        members = [rows[name] for name in group["mupfx"]["parameters"]]
        group["parts"] = [_cuts(row, muon) for row in members]
    others = build_groups(plan, rest.items(), torch.optim.AdamW, adamw, wd_rule=wd_rule)
    return MuonGroups(groups, [group for group in others if group["params"]])


def split_analysed(  # noqa: PLR0913, PLR0917 - what is known of a model
    roles: Mapping[str, ParameterRole],
    parts: Mapping[str, tuple[Rows, ...]],
    aliases: Mapping[str, str],
    named_parameters: Iterable[tuple[str, Tensor]],
    muon: Mapping[str, Any],
    adamw: Mapping[str, Any],
) -> MuonGroups:
    """Groups of a model as it is.

    Args:
        roles: What each parameter is.
        parts: The matrices in fused ones.
        aliases: Other names of tied parameters.
        named_parameters: ``model.named_parameters()``.
        muon: Hyperparameters of Muon.
        adamw: Those of AdamW.

    Raises:
        OptimizerError: There is no matrix for Muon.
    """
    named = {name: tensor for name, tensor in named_parameters if tensor.requires_grad}
    found: dict[str, ParameterRole | None] = {n: roles.get(aliases.get(n, n)) for n in named}
    chosen = {
        name: role
        for name, role in found.items()
        if role is not None and _is_matrix(role.role, named[name], parts.get(role.name, ()))
    }
    _require_some(chosen)
    rest = [tensor for name, tensor in named.items() if name not in chosen]
    apart = [parts.get(role.name, ()) for role in chosen.values()]
    cuts = [[_cut(piece, 1.0) for piece in rows] or None for rows in apart]
    matrices: Group = {
        "params": [named[name] for name in chosen],
        **muon,
        "name": "muon",
        "parts": cuts,
    }
    return MuonGroups([matrices], [{"params": rest, **adamw, "name": "adamw"}] if rest else [])


def _is_matrix(role: Role, tensor: Tensor, parts: tuple[Rows, ...]) -> bool:
    """A trained matrix from width to width, and so is every one that it is made of."""
    hidden = role is Role.HIDDEN and all(part.role is Role.HIDDEN for part in parts)
    return hidden and tensor.ndim == 2 and tensor.requires_grad


def _require_some(chosen: Mapping[str, object]) -> None:
    if not chosen:
        raise OptimizerError(
            "no parameter of this model is a matrix from width to width, which Muon is for",
            hint="train it with torch.optim.AdamW alone",
        )


def _cuts(row: ParameterPlan, settings: Mapping[str, Any]) -> list[Cut] | None:
    """The matrices of a fused parameter, with what is left of Muon's own change by shape."""
    whole = _adjusted(row.base_shape, row.shape, settings)
    found = []
    for rows in row.parts:
        here, base = list(row.shape), list(row.base_shape)
        here[rows.dim] = (rows.stop - rows.start) * (row.shape[rows.dim] // rows.period)
        base[rows.dim] = rows.base_size
        found.append(_cut(rows, _adjusted(tuple(base), tuple(here), settings) / whole))
    return found or None


def _adjusted(base: tuple[int, ...], here: tuple[int, ...], settings: Mapping[str, Any]) -> float:
    return muon_adjustment(base, settings) / muon_adjustment(here, settings)


def _cut(rows: Rows, scale: float) -> Cut:
    return (rows.dim, rows.start, rows.stop, rows.period, scale)
