"""A plan for values that are trained already: they stay, and so does what the model computes.

What a multiplier would change, the values have in them: a folded one is only noted, and what a
hook is to multiply is divided first. Where no weight has it apart, the multiplier stays at one.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from mupfx.core.plan import InitPlan, ParameterPlan, SitePlan
from mupfx.core.power import ONE
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.multipliers import HookPlan
from mupfx.pipeline.stored import OUTSIDE

LAW = "kept"


def kept(
    model: nn.Module,
    parameters: Mapping[str, ParameterPlan],
    sites: Mapping[str, SitePlan],
    hooks: Mapping[str, HookPlan],
) -> tuple[dict[str, ParameterPlan], dict[str, SitePlan], dict[str, HookPlan]]:
    """The same plan, with no change to what the model computes.

    Raises:
        LoweringError: The parametrization adds the initial function, which nobody knows any more.
    """
    values = dict(model.named_parameters())
    rows = {name: replace(row, init=_as_it_is(values[name])) for name, row in parameters.items()}
    found = {name: _kept(site) for name, site in sites.items()}
    return rows, found, {n: h for n, h in hooks.items() if found[n].lowering in OUTSIDE}


def _as_it_is(value: Tensor) -> InitPlan:
    std = None
    if not value.is_meta:
        std = float(value.detach().to(torch.float64).square().mean().sqrt())
    return InitPlan(law=LAW, std=std, base_std=std, factor=1.0, power=ONE)


def _kept(site: SitePlan) -> SitePlan:
    if site.lowering not in OUTSIDE:
        return site
    if site.kind is SiteKind.INITIAL:
        raise LoweringError(
            "the initial function of a trained model is not known",
            where=", ".join(site.target),
            hint="convert before training, or use 'mean_field'",
        )
    if site.baked and not any(row.untied for row in site.baked):
        return site
    why = site.unbaked or "its weight has another use"
    evidence = f"{site.evidence}; left as trained: {why}"
    return replace(
        site, multiplier=1.0, power=ONE, lowering="none", target=(), evidence=evidence, choice=1.0,
        baked=(), baked_before=(), unbaked="",
    )  # fmt: skip
