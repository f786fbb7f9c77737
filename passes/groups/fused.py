"""``torch.optim.Muon`` for fused matrices: a step of each by itself.

A projection to queries, keys and values in one is three matrices, and its update is to be
orthogonal in each of the three::

    qkv.weight [192, 64]  ->  rows 0:64, 64:128, 128:192 of it

The state is torch's own, a momentum a parameter, and so is every number.
"""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

Group = dict[str, Any]
Cut = tuple[int, int, int, int, float]
"""Dimension, start, stop, period, and what lr is multiplied by, of one matrix in a parameter."""


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
        opened = [each for group in self.param_groups for each in self._opened(group)]
        pieces = [piece for each in opened for piece in each.pieces()]
        if not pieces:
            return
        inner: Any = torch.optim.Muon([self._inner_group(piece) for piece in pieces])
        for piece in pieces:
            inner.state[piece.tensor]["momentum_buffer"] = piece.momentum
        inner.step()
        for piece in pieces:
            piece.put_back()
        for each in opened:
            each.close()

    def _opened(self, group: Group) -> Iterator["_Opened"]:
        parameters = group["params"]
        parts = group.get("parts") or [None] * len(parameters)
        for parameter, cuts in zip(parameters, parts, strict=True):
            if parameter.grad is not None:
                state = self.state[parameter]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                yield _open(group, parameter, state["momentum_buffer"], cuts)

    def _inner_group(self, piece: "_Piece") -> Group:
        group = {key: piece.group[key] for key in self.defaults if key in piece.group}
        scale = 1.0 if piece.cut is None else piece.cut[4]
        group["lr"] = group["lr"] * scale
        group["weight_decay"] = group["weight_decay"] / scale
        return {**group, "params": [piece.tensor]}


class _Opened(NamedTuple):
    """A parameter with its gradient and momentum, whole on this rank where it is to be cut."""

    group: Group
    stored: tuple[Tensor, Tensor]
    whole: tuple[Any, Any, Any]
    cuts: list[Cut] | None

    def pieces(self) -> Iterator["_Piece"]:
        none: list[Cut | None] = [None]
        for cut in self.cuts or none:
            tensor, grad, momentum = (_gather(each, cut) for each in self.whole)
            tensor.grad = grad
            yield _Piece(self.group, cut, tensor, momentum, self.whole)

    def close(self) -> None:
        """Give a sharded parameter its shard of what was made whole."""
        values = (self.whole[0], self.whole[2])
        for stored, value in zip(self.stored, values, strict=True):
            if self.cuts and _is_sharded(stored):
                stored.copy_(_like(value, stored))


class _Piece(NamedTuple):
    """One matrix."""

    group: Group
    cut: Cut | None
    tensor: Any
    momentum: Any
    whole: tuple[Any, Any, Any]

    def put_back(self) -> None:
        """Write a copy back; a view is written already."""
        if self.cut is not None and not _is_together(self.whole[0], self.cut):
            dim, start, stop, _, _ = self.cut
            for whole, value in ((self.whole[0], self.tensor), (self.whole[2], self.momentum)):
                _among(whole, self.cut).copy_(value.unflatten(dim, (-1, stop - start)))


def _open(group: Group, parameter: Tensor, momentum: Tensor, cuts: list[Cut] | None) -> _Opened:
    whole: tuple[Any, Any, Any] = (parameter.detach(), parameter.grad, momentum)
    if cuts and _is_sharded(parameter):
        whole = (whole[0].full_tensor(), whole[1].full_tensor(), whole[2].full_tensor())
    return _Opened(group, (parameter, momentum), whole, cuts)


def _is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor, without an import that costs seconds where there is none."""
    module: Any = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def _like(whole: Any, stored: Any) -> Any:
    module: Any = sys.modules["torch.distributed.tensor"]
    return module.distribute_tensor(whole, stored.device_mesh, stored.placements)


def _gather(tensor: Any, cut: Cut | None) -> Any:
    """One matrix: a view where its rows are together, else a copy."""
    if cut is None:
        return tensor
    dim, start, stop, _, _ = cut
    if _is_together(tensor, cut):
        return tensor.narrow(dim, start, stop - start)
    return _among(tensor, cut).flatten(dim, dim + 1)


def _is_together(tensor: Any, cut: Cut) -> bool:
    return bool(cut[3] == tensor.shape[cut[0]])


def _among(tensor: Any, cut: Cut) -> Any:
    """The matrix, with its dimension still in periods."""
    dim, start, stop, period, _ = cut
    return tensor.unflatten(dim, (-1, period)).narrow(dim + 1, start, stop - start)
