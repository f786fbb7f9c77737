"""Muon for the matrices of a model, AdamW for the rest; fused matrices one by one.

A projection to queries, keys and values in one is three matrices, and its update is to be
orthogonal in each of the three::

    qkv.weight [192, 64]  ->  rows 0:64, 64:128, 128:192 of it, each with a step of its own
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mupfx.core.axes import ParameterRole
from mupfx.core.plan import ParameterPlan, Plan, Rows
from mupfx.core.vocabulary import Role
from mupfx.errors import OptimizerError
from mupfx.passes.groups.build import build_groups
from mupfx.passes.groups.factors import planned
from mupfx.tables.optimizers import muon_adjustment

Group = dict[str, Any]
Cut = tuple[int, int, int, int, float]
"""Dimension, start, stop, period, and what lr is multiplied by, of one matrix in a parameter."""


class MuonGroups(NamedTuple):
    """Groups for two optimizers."""

    muon: list[Group]
    adamw: list[Group]


class Muon(torch.optim.Muon):
    """``torch.optim.Muon`` that takes fused matrices one by one, where a group says ``parts``."""

    def step(self, closure: Any = None) -> Any:
        """Take one step, each matrix by itself."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            self._step_pieces()
        return loss

    def _step_pieces(self) -> None:
        pieces = [piece for group in self.param_groups for piece in _pieces(group)]
        if not pieces:
            return
        inner: Any = torch.optim.Muon([self._inner_group(piece) for piece in pieces])
        for piece in pieces:
            if "momentum_buffer" in (state := self.state[piece.parameter]):
                buffer = _gather(state["momentum_buffer"], piece.cut)
                inner.state[piece.tensor]["momentum_buffer"] = buffer
        inner.step()
        for piece in pieces:
            _scatter(piece.parameter, piece.cut, piece.tensor)
            state = self.state[piece.parameter]
            buffer = state.setdefault("momentum_buffer", torch.zeros_like(piece.parameter))
            _scatter(buffer, piece.cut, inner.state[piece.tensor]["momentum_buffer"])

    def _inner_group(self, piece: "_Piece") -> Group:
        group = {key: piece.group[key] for key in self.defaults if key in piece.group}
        scale = 1.0 if piece.cut is None else piece.cut[4]
        group["lr"] = group["lr"] * scale
        group["weight_decay"] = group["weight_decay"] / scale
        return {**group, "params": [piece.tensor]}


class _Piece(NamedTuple):
    group: Group
    parameter: Tensor
    cut: Cut | None
    tensor: Tensor


def _pieces(group: Group) -> Iterator[_Piece]:
    parameters = group["params"]
    for parameter, cuts in zip(
        parameters, group.get("parts") or [None] * len(parameters), strict=True
    ):
        if parameter.grad is None:
            continue
        for cut in cuts or [None]:
            tensor = _gather(parameter.detach(), cut)
            tensor.grad = _gather(parameter.grad, cut)
            yield _Piece(group, parameter, cut, tensor)


def _gather(tensor: Any, cut: Cut | None) -> Any:
    """One matrix: a view where its rows are together, else a copy."""
    if cut is None:
        return tensor
    dim, start, stop, period, _ = cut
    if period == tensor.shape[dim]:
        return tensor.narrow(dim, start, stop - start)
    return _among(tensor, cut).flatten(dim, dim + 1)


def _among(tensor: Any, cut: Cut) -> Any:
    """The matrix, with its dimension still in periods."""
    dim, start, stop, period, _ = cut
    return tensor.unflatten(dim, (-1, period)).narrow(dim + 1, start, stop - start)


def _scatter(tensor: Any, cut: Cut | None, values: Any) -> None:
    if _gather(tensor, cut).data_ptr() == values.data_ptr():  # a view, written in place
        return
    if cut is None:
        tensor.copy_(values)
        return
    dim, start, stop, _, _ = cut
    _among(tensor, cut).copy_(values.unflatten(dim, (-1, stop - start)))


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
