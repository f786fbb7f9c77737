"""Rms of every gradient at the start, by one backward pass that leaves no trace."""

import torch
from torch import Tensor

from mupfx.core.setup import Setup
from mupfx.passes.frontends.untouched import untouched, unwritten


def gradients(setup: Setup) -> dict[str, float]:
    """By parameter; empty where the loss cannot be taken."""
    named = {name: p for name, p in setup.model.named_parameters() if p.requires_grad}
    if not named:
        return {}
    try:
        with untouched(setup.model), unwritten(), torch.enable_grad():
            loss = setup.loss(setup.model, setup.batch)
            found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    except Exception:  # noqa: BLE001 - a loss that does not run is training's to report
        return {}
    known: dict[str, Tensor | None] = dict(zip(named, found, strict=True))
    return {name: _rms(g) for name, g in known.items() if g is not None and not g.is_sparse}


def _rms(gradient: Tensor) -> float:
    """Of the entries that have one: a table's other rows were not looked up."""
    squares = gradient.double().square()
    return float((squares.sum() / (squares > 0).sum().clamp(min=1)).sqrt())
