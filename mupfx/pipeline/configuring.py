"""Multipliers that go into a configuration's fields, and out of the weights that carry them.

A Granite with ``attention_multiplier=0.125`` whose logits are multiplied by 1/2 becomes one with
``attention_multiplier=0.0625``, and its query weights are as they would be without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mupfx.core.plan import Baked, Plan, SitePlan
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import ExportError
from mupfx.passes.capture import tied
from mupfx.pipeline.shipping import Stock, untied
from mupfx.pipeline.stored import Change, multiply, rows_of
from mupfx.tables.config_multipliers import FIELDS, ConfigField

READOUTS = (SiteKind.TIED_READOUT, SiteKind.READOUT)


@dataclass(frozen=True, slots=True)
class Move:
    """A multiplier that goes from weights to a field."""

    field: ConfigField
    kind: SiteKind
    value: float
    """What the field takes over."""
    undone: tuple[Change, ...]
    """What the weights are divided by."""


def configured(source: nn.Module, stock: Stock, plan: Plan, config: Any) -> tuple[str, ...]:
    """Move what a configuration has fields for; a sentence for each multiplier.

    Args:
        source: The converted model.
        stock: Its stock copy, which is changed.
        plan: Of the conversion.
        config: The copy's configuration of its text model, which is changed.

    Raises:
        ExportError: It has no field for any of the multipliers.
    """
    kinds = {s.kind: s.multiplier for s in plan.sites.values() if s.multiplier != 1}
    moves = _with_embedding(plan, list(_moves(stock, plan, config)))
    if kinds and not moves:
        raise ExportError(
            f"{type(config).__name__} has no field for the multipliers of this model",
            expected="; ".join(_expected(kind) for kind in kinds if kind in FIELDS) or None,
            found=", ".join(f"{kind} * {value:g}" for kind, value in kinds.items()),
            hint='multipliers="weights"',
        )
    notes = [note for move in moves for note in _put(stock.module, move, config)]
    _tie_again(source, stock.module, moves)
    moved = {move.kind for move in moves}
    notes += [f"{kind} multipliers stay in the weights" for kind in kinds if kind not in moved]
    return tuple(notes)


def _moves(stock: Stock, plan: Plan, config: Any) -> Iterator[Move]:
    own = config.to_dict()  # fields that are saved, and no properties made of others
    for kind, fields in FIELDS.items():
        sites = [site for site in plan.sites.values() if site.kind is kind]
        values = {site.multiplier for site in sites}
        field = next((f for f in fields if own.get(f.name) is not None), None)
        if field is None or len(values) != 1 or values == {1.0}:
            continue
        rows = {(row, s.multiplier, s.target) for s in sites for row in _rows(s, untie=stock.untie)}
        undone = tuple(Change(row, value) for row, value, _ in rows)
        (value,) = values
        if _fits(config, field, value):
            yield Move(field, kind, value, undone)


def _rows(site: SitePlan, *, untie: bool) -> Sequence[Baked]:
    """Entries of parameters that carry a site's multiplier."""
    if site.lowering == "fold":
        return [Baked(name) for name in site.target]
    return rows_of(site, untie=untie)


def _with_embedding(plan: Plan, moves: list[Move]) -> list[Move]:
    """What leaves a tied table is missed by the readout too: its field takes that over as well."""
    embedding = next((move for move in moves if move.kind is SiteKind.EMBEDDING), None)
    names = {change.row.parameter for change in embedding.undone} if embedding else set()
    if embedding is None or not names & set(plan.aliases.values()):
        return moves
    return [
        replace(move, value=move.value * embedding.value) if move.kind in READOUTS else move
        for move in moves
    ]


def _fits(config: Any, field: ConfigField, value: float) -> bool:
    """Whether a field for whole numbers would still hold one."""
    old = getattr(config, field.name)
    return not isinstance(old, int) or float(old * value**field.exponent).is_integer()


def _put(stock: nn.Module, move: Move, config: Any) -> Iterator[str]:
    old = getattr(config, move.field.name)
    new = old * move.value**move.field.exponent
    setattr(config, move.field.name, type(old)(new))
    with torch.no_grad():
        for change in move.undone:
            inverse = Change(replace(change.row, untied=False), 1 / change.multiplier)
            list(multiply(stock, inverse))
    if new != old:
        what = f"{move.kind} * {move.value:g}"
        yield f"{move.field.name} is {new:g} in config.json, not {old:g}: {what}"


def _tie_again(source: nn.Module, stock: nn.Module, moves: Sequence[Move]) -> None:
    """What was untied for a multiplier that is not in the weights any more."""
    apart = {change.row.parameter for m in moves for change in m.undone if change.row.untied}
    first = {other: name for name, others in tied(source).items() for other in others}
    for name in untied(source, stock):
        if apart & {name, first[name]}:
            owner, _, own = name.rpartition(".")
            stock.get_submodule(owner).register_parameter(own, stock.get_parameter(first[name]))


def _expected(kind: SiteKind) -> str:
    return f"{' or '.join(field.name for field in FIELDS[kind])} for {kind}"
