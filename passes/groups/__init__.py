"""Optimizer groups from a plan: ordinary ``torch.optim`` groups, with ordinary numbers in them.

::

    {"params": [...], "lr": 0.0025, "weight_decay": 0.04, "eps": 2.5e-9, "name": "hidden.lr=0.25",
     "mupfx": {"roles": ["hidden"], "family": "adamw", "lr": 0.25, "weight_decay": 4.0, "eps": 0.25,
               "parameters": ["0.weight"], "base": {"lr": 0.01, "weight_decay": 0.01, "eps": 1e-8}}}
"""

from mupfx.passes.groups.build import Family, build_groups
from mupfx.passes.groups.construct import construct
from mupfx.passes.groups.fused import Muon
from mupfx.passes.groups.muon import MuonGroups, split_analysed, split_planned
from mupfx.passes.groups.ratios import check_ratios, reject_stepped, scaled
from mupfx.passes.groups.regauge import move, require_movable
from mupfx.passes.groups.schedule import absolute, schedule

__all__ = [
    "Family",
    "Muon",
    "MuonGroups",
    "absolute",
    "build_groups",
    "check_ratios",
    "construct",
    "move",
    "reject_stepped",
    "require_movable",
    "scaled",
    "schedule",
    "split_analysed",
    "split_planned",
]
