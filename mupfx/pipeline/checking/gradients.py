"""Rms of every gradient at the start, by one backward pass that leaves no trace."""

import torch

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
    taken: dict[str, float] = {}
    for name, gradient in zip(named, found, strict=True):
        if isinstance(gradient, torch.Tensor) and not gradient.is_sparse:
            taken[name] = float(gradient.double().square().mean().sqrt())
    return taken
