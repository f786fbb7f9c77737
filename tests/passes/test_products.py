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


@pytest.mark.parametrize("base", [Scaled(16), 16])
def test_a_root_of_the_width_on_embeddings_is_undone(base: nn.Module | int) -> None:
    model = Scaled(64)
    before = model.embed.weight.detach().clone()
    given = {"c1": base} if isinstance(base, int) else base
    plan = mupfx.plan(mupfx.convert(model, PAIR[0], base=given))
    site = plan.sites["embedding:embed.weight"]
    assert (site.multiplier, site.lowering, str(site.power)) == (0.5, "fold", "fan_out^-1/2")
    assert plan.notes == ()
    torch.testing.assert_close(model.embed.weight, before * 0.5)
    adamw = plan.parameters["embed.weight"].optimizers["adamw"]
    assert (adamw.lr, adamw.eps) == (0.5, 0.5)  # muP's 1 and 1/4, in the gauge of half the weight


def test_in_the_standard_parametrization_nothing_is_undone() -> None:
    made = mupfx.convert(Scaled(64), PAIR[0], base=Scaled(16), parametrization="sp")
    assert all(site.multiplier == 1 for site in mupfx.plan(made).sites.values())


class Rooted(nn.Module):
    """The same with the root of the width after something else."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(7, width), nn.Linear(width, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids).tanh()
        out: torch.Tensor = self.head(x * x.shape[-1] ** 0.5)
        return out


def test_a_width_in_the_code_that_no_site_accounts_for_is_told() -> None:
    analysis = mupfx.analyze(Rooted(64), PAIR[0], base=Rooted(16))
    (finding,) = analysis.findings
    assert "a factor in the code is 8 here and 4 at the base" in finding


class Tied(nn.Module):
    """Embeddings times the root of the width, and the readout tied to them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.inner = nn.Embedding(7, width), nn.Linear(width, width)
        self.head = nn.Linear(width, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        x = x * x.shape[-1] ** 0.5
        out: torch.Tensor = self.head(x + self.inner(x).tanh())
        return out


def test_a_tied_readout_gives_back_what_its_embedding_carries() -> None:
    model, base = Tied(64), Tied(16)
    weight = model.embed.weight.detach().clone()
    plan = mupfx.plan(mupfx.convert(model, PAIR[0], base=base))
    sites = {name.partition(":")[0]: site.multiplier for name, site in plan.sites.items()}
    assert sites == {"embedding": 0.5, "tied_readout": 0.25 / 0.5}
    x = model.embed(PAIR[0])
    torch.testing.assert_close(x * 8, functional.embedding(PAIR[0], weight) * 4)
    hidden = torch.ones(1, 64)
    torch.testing.assert_close(model.head(hidden), hidden @ weight.T / 4)


def test_a_cosine_does_not_depend_on_width() -> None:
    made = mupfx.convert(Towers(64, cosine=True), PAIR, base=Towers(16, cosine=True))
    (site,) = mupfx.plan(made).sites.values()
    assert (site.multiplier, site.lowering) == (1.0, "none")


def test_the_towers_share_their_last_axis_alone() -> None:
    analysis = mupfx.analyze(Towers(64), PAIR)
    last = analysis.roles["up.weight"].axes[0]
    assert last == analysis.roles["down.weight"].axes[0]
    assert last != analysis.roles["up.weight"].axes[1]
