"""Ops by which a model chooses among values, and takes what it chose."""

import torch

aten = torch.ops.aten

RANKING = frozenset(
    {
        aten.topk, aten.sort, aten.argsort, aten.argmax, aten.argmin, aten.max, aten.min,
        aten.kthvalue, aten.multinomial,
    }
)  # fmt: skip
"""The places of entries by their rank, perhaps with the entries."""

PICKING = frozenset({aten.gather, aten.index, aten.index_select, aten.take_along_dim, aten.take})
"""Entries at given places."""
