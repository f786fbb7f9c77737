"""An inner product of two width activations that is the output: 1/width goes into the product."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.vocabulary import SiteKind


class Towers(nn.Module):
    """Two towers compared by inner product, or by the cosine of their angle."""

    def __init__(self, width: int, *, cosine: bool = False, scaled: bool = False) -> None:
        super().__init__()
        self.left, self.right = nn.Embedding(7, width), nn.Embedding(5, width)
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)
        self.cosine, self.scaled = cosine, scaled

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        x, y = self.up(self.left(a)), self.down(self.right(b))
        if self.cosine:
            x, y = functional.normalize(x, dim=-1), y / y.norm(dim=-1, keepdim=True)
        logits: torch.Tensor = x @ y.t()
        return logits / x.shape[-1] ** 0.5 if self.scaled else logits


PAIR = (torch.arange(4) % 7, torch.arange(4) % 5)


def test_an_inner_product_gets_one_over_width() -> None:
    plan = mupfx.plan(mupfx.convert(Towers(64), PAIR, base=Towers(16)))
    (site,) = plan.sites.values()
    assert (site.kind, site.multiplier, site.lowering) == (SiteKind.PRODUCT, 0.25, "fold")
    assert set(site.target) in ({"up.weight", "up.bias"}, {"down.weight", "down.bias"})
    assert {plan.parameters[name].multiplier for name in site.target} == {4.0}


@pytest.mark.parametrize("base", [Towers(16, scaled=True), 16])
def test_a_scale_that_the_model_applies_is_taken_into_account(base: nn.Module | int) -> None:
    given = {"c1": base} if isinstance(base, int) else base
    plan = mupfx.plan(mupfx.convert(Towers(64, scaled=True), PAIR, base=given))
    (site,) = plan.sites.values()
    assert (site.multiplier, site.lowering) == (0.5, "fold")
    assert plan.notes == ()


class Scaled(nn.Module):
    """An embedding times the root of its width, as in the first transformers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(7, width), nn.Linear(width, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        out: torch.Tensor = self.head(torch.tanh(x * x.shape[-1] ** 0.5))
        return out


def test_a_width_in_the_code_that_no_site_accounts_for_is_told() -> None:
    analysis = mupfx.analyze(Scaled(64), PAIR[0], base=Scaled(16))
    (finding,) = analysis.findings
    assert "a factor in the code is 8 here and 4 at the base" in finding


def test_a_cosine_does_not_depend_on_width() -> None:
    made = mupfx.convert(Towers(64, cosine=True), PAIR, base=Towers(16, cosine=True))
    (site,) = mupfx.plan(made).sites.values()
    assert (site.multiplier, site.lowering) == (1.0, "none")


def test_the_towers_share_their_last_axis_alone() -> None:
    analysis = mupfx.analyze(Towers(64), PAIR)
    last = analysis.roles["up.weight"].axes[0]
    assert last == analysis.roles["down.weight"].axes[0]
    assert last != analysis.roles["up.weight"].axes[1]
