"""Rms of every gradient at the start, by one backward pass that leaves no trace."""

from collections.abc import Mapping

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
    return rms_of({name: gradient for name, gradient in known.items() if gradient is not None})


def rms_of(gradients: Mapping[str, Tensor]) -> dict[str, float]:
    """Of the entries that have one: a table's other rows were not looked up."""
    dense = {name: g.detach() for name, g in gradients.items() if g.layout is torch.strided}
    if not dense:
        return {}
    sizes = torch.stack([_rms(gradient).cpu() for gradient in dense.values()]).tolist()
    return dict(zip(dense, sizes, strict=True))


def _rms(gradient: Tensor) -> Tensor:
    exact = torch.float64 if gradient.dtype == torch.float64 else torch.float32
    count = torch.count_nonzero(gradient).clamp(min=1)
    rms: Tensor = torch.linalg.vector_norm(gradient, dtype=exact).double() / count.sqrt()
    return rms
