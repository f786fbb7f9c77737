"""Muon for matrices, AdamW for the rest, and fused matrices one by one."""

import copy
from functools import cache
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from tests.zoo.models.common import floats


class Separate(nn.Module):
    """Attention with its three projections apart."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 8
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def parts(self, x: Tensor) -> list[Tensor]:
        projected = [layer(x) for layer in (self.query, self.key, self.value)]
        return [value.unflatten(2, (self.heads, 8)).transpose(1, 2) for value in projected]

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.parts(x)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return x + out


class Fused(nn.Module):
    """The same in one, its rows by part."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 8
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def parts(self, x: Tensor) -> list[Tensor]:
        return list(self.qkv(x).unflatten(2, (3, self.heads, 8)).permute(2, 0, 3, 1, 4))

    forward = Separate.forward


class Interleaved(Fused):
    """The same, its rows by head."""

    def parts(self, x: Tensor) -> list[Tensor]:
        return list(
            self.qkv(x).unflatten(2, (self.heads, 3, 8)).permute(3, 0, 2, 1, 4).contiguous()
        )


class Transposed(Fused):
    """The same, stored the other way round."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.qkv = Backwards(width, 3 * width)  # type: ignore[assignment]


class Backwards(nn.Module):
    def __init__(self, columns: int, rows: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(columns, rows) / columns**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Net(nn.Module):
    """An embedding, attention, a convolution, a norm, a router and a readout."""

    def __init__(self, width: int, attention: Any = Fused) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, width)
        self.attention = attention(width)
        self.norm = nn.LayerNorm(width)
        self.body = nn.Linear(width, 2 * width)
        self.convolution = nn.Conv1d(2 * width, width, 3, padding=1)
        self.readout = nn.Linear(width, 7)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.attention(self.embedding(tokens))
        x = torch.tanh(self.body(self.norm(x)))
        x = self.convolution(x.transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.readout(x)
        return out


TOKENS = torch.arange(128).reshape(4, 32) * 29 % 64
MUON, ADAMW = {"lr": 0.02, "weight_decay": 0.1}, {"lr": 1e-3}


def net(width: int = 32, attention: Any = Fused) -> Net:
    torch.manual_seed(0)
    return Net(width, attention)


@cache
def prototype(width: int, attention: Any) -> Net:
    return mupfx.convert(net(width, attention), TOKENS, base=net(16, attention))


def converted(width: int = 32, attention: Any = Fused) -> Net:
    return copy.deepcopy(prototype(width, attention))


def names_of(model: nn.Module, groups: list[dict[str, Any]]) -> set[str]:
    names = {id(p): name for name, p in model.named_parameters()}
    return {names[id(p)] for group in groups for p in group["params"]}


MATRICES = {"attention.qkv.weight", "attention.out.weight", "body.weight"}


def test_by_role() -> None:
    model = converted()
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW)
    assert names_of(model, groups.muon) == MATRICES
    every = {name for name, _ in model.named_parameters()}
    assert names_of(model, groups.adamw) == every - MATRICES


def test_of_a_model_as_it_is() -> None:
    model = net()
    groups = mupfx.muon_groups(
        model, muon=MUON, adamw=ADAMW, analysis=mupfx.analyze(model, TOKENS, base=net(16))
    )
    assert names_of(model, groups.muon) == MATRICES
    assert [group["lr"] for group in (*groups.muon, *groups.adamw)] == [0.02, 1e-3]
    train(model, [mupfx.Muon(groups.muon), torch.optim.AdamW(groups.adamw)])


def test_rates_are_scaled() -> None:
    model = converted(64)
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW)
    assert {group["lr"] for group in groups.muon} == {0.02}
    matched = mupfx.muon_groups(
        model, muon={**MUON, "adjust_lr_fn": "match_rms_adamw"}, adamw=ADAMW
    )
    assert [group["lr"] for group in matched.muon] == pytest.approx([0.01])
    rates = {n: g["lr"] for g in groups.adamw for n in g["mupfx"]["parameters"]}
    assert (rates["embedding.weight"], rates["convolution.weight"]) == (1e-3, 1e-3 / 4)


def test_frozen_parameters_are_in_no_group() -> None:
    model = net()
    model.body.weight.requires_grad = False
    analysis = mupfx.analyze(model, TOKENS, base=net(16))
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW, analysis=analysis)
    every = names_of(model, groups.muon) | names_of(model, groups.adamw)
    assert "body.weight" not in every
    assert len(every) == len(list(model.parameters())) - 1


def test_a_tied_readout_is_no_matrix() -> None:
    model, base = net(), net(16)
    for each in (model, base):
        each.readout = nn.Linear(each.embedding.embedding_dim, 64, bias=False)
        each.readout.weight = each.embedding.weight
    mupfx.convert(model, TOKENS, base=base)
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW)
    assert names_of(model, groups.muon) == MATRICES


# ---------------------------------------------------------------------- one by one


def train(model: nn.Module, optimizers: list[Any], steps: int = 4) -> None:
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        for optimizer in optimizers:
            optimizer.zero_grad()
        out = model(TOKENS)
        torch.autograd.backward((out * torch.randn(out.shape, generator=generator)).sum())
        for optimizer in optimizers:
            optimizer.step()


def same_weights(source: Net, attention: Any) -> Net:
    """A fused model that computes what the separate one does."""
    model = net(32, attention)
    rest = {k: v for k, v in source.state_dict().items() if k in model.state_dict()}
    model.load_state_dict(rest, strict=False)
    with torch.no_grad():
        fused(model, attention).copy_(together(source, attention))
    return model


def fused(model: Net, attention: Any) -> Tensor:
    weight: Tensor = model.attention.qkv.weight
    return weight.T if attention is Transposed else weight


def together(source: Net, attention: Any) -> Tensor:
    layers = (source.attention.query, source.attention.key, source.attention.value)
    rows = torch.stack([layer.weight.detach() for layer in layers])
    if attention is Interleaved:
        rows = rows.view(3, -1, 8, 32).transpose(0, 1)
    return rows.reshape(-1, 32)


def trained(model: Net, optimizer_class: Any = mupfx.Muon, steps: int = 4) -> Net:
    analysis = mupfx.analyze(model, TOKENS, base=net(16, type(model.attention)))
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW, analysis=analysis)
    train(model, [optimizer_class(groups.muon), torch.optim.AdamW(groups.adamw)], steps)
    return model


@pytest.mark.parametrize("attention", [Fused, Interleaved, Transposed])
def test_a_fused_projection_trains_as_three(attention: Any) -> None:
    separate = net(32, Separate)
    one = trained(same_weights(separate, attention))
    start = together(separate, attention)
    three = trained(separate)
    moved = (together(three, attention) - start).norm()
    assert (
        float((fused(one, attention).detach() - together(three, attention)).norm() / moved) < 0.02
    )


def test_torch_s_own_takes_it_as_one_matrix() -> None:
    """The comparison can fail."""
    separate = net(32, Separate)
    one = trained(same_weights(separate, Fused), torch.optim.Muon)
    three = trained(separate)
    difference = (fused(one, Fused).detach() - together(three, Fused)).norm()
    moved = (together(three, Fused) - together(net(32, Separate), Fused)).norm()
    assert float(difference / moved) > 0.1


def test_without_parts_it_is_torch_s_bit_for_bit() -> None:
    models = []
    for optimizer_class in (mupfx.Muon, torch.optim.Muon):
        model = net(32, Separate)
        models.append(trained(model, optimizer_class))
    for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_its_state_is_torch_s() -> None:
    """A momentum a parameter, so that checkpoints go both ways, and to another process."""
    model = net()
    analysis = mupfx.analyze(model, TOKENS, base=net(16))
    groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW, analysis=analysis)
    optimizer = mupfx.Muon(groups.muon)
    train(model, [optimizer], 2)
    saved, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    assert {k for state in saved["state"].values() for k in state} == {"momentum_buffer"}
    train(model, [optimizer], 2)
    again = net()
    again.load_state_dict(weights)
    groups = mupfx.muon_groups(again, muon=MUON, adamw=ADAMW, analysis=analysis)
    resumed = mupfx.Muon(groups.muon)
    resumed.load_state_dict(saved)
    train(again, [resumed], 2)
    for ours, theirs in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_hooks_run_once_a_step() -> None:
    model = converted()
    torch.optim.Muon([nn.Parameter(torch.ones(2, 2))])
    optimizer = mupfx.Muon(mupfx.muon_groups(model, muon=MUON, adamw=ADAMW).muon)
    calls: list[int] = []
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    train(model, [optimizer], 3)
    assert len(calls) == 3


def test_a_closure_and_nothing_to_do() -> None:
    model = converted()
    optimizer = mupfx.Muon(mupfx.muon_groups(model, muon=MUON, adamw=ADAMW).muon)
    assert optimizer.step(lambda: 0.5) == 0.5


def test_a_gauge_moves_it_along() -> None:
    models = []
    for gauge in (1.0, 4.0):
        model = converted()
        groups = mupfx.muon_groups(model, muon=MUON, adamw=ADAMW)
        optimizers = [mupfx.Muon(groups.muon), torch.optim.AdamW(groups.adamw)]
        train(model, optimizers, 2)
        moved = dict.fromkeys(("attention.qkv.weight", "body.weight"), gauge)
        mupfx.regauge_(model, moved, optimizer=optimizers)
        train(model, optimizers, 2)
        models.append(model)
    plain, other = (mupfx.plan(m).parameters for m in models)
    for (name, ours), (_, theirs) in zip(*(m.named_parameters() for m in models), strict=True):
        factor = other[name].multiplier / plain[name].multiplier
        assert torch.equal(ours, theirs * factor)


def test_parts_of_unequal_growth_have_rates_of_their_own() -> None:
    """Queries of more heads than keys and values: what Muon makes of each shape differs."""
    model = converted(64)
    cuts = {
        name: cut
        for group in mupfx.muon_groups(model, muon=MUON, adamw=ADAMW).muon
        for name, cut in zip(group["mupfx"]["parameters"], group["parts"], strict=True)
    }
    assert cuts["attention.out.weight"] is None
    assert [cut[:4] for cut in cuts["attention.qkv.weight"] or []] == [
        (0, 0, 64, 192), (0, 64, 128, 192), (0, 128, 192, 192),
    ]  # fmt: skip
    assert [cut[4] for cut in cuts["attention.qkv.weight"] or []] == pytest.approx([1.0] * 3)


# ------------------------------------------------------------------------- refusals


def refused(model: nn.Module, **arguments: Any) -> str:
    with pytest.raises(mupfx.MupfxError) as caught:
        mupfx.muon_groups(model, **{"muon": MUON, "adamw": ADAMW, **arguments})
    return f"{type(caught.value).__name__}: {caught.value}"


def test_no_matrix() -> None:
    small = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    model = mupfx.convert(small, floats(2, 3), base=4)
    assert refused(model) == snapshot("""\
OptimizerError: no parameter of this model is a matrix from width to width, which Muon is for
  hint: train it with torch.optim.AdamW alone\
""")


def test_neither_plan_nor_analysis() -> None:
    assert refused(net()) == snapshot("""\
PlanError: this Net was not converted by mupfx
  hint: convert it first; or pass analysis=mupfx.analyze(model, inputs) to split it as it is\
""")


def test_a_misspelt_hyperparameter() -> None:
    assert "did you mean momentum?" in refused(converted(), muon={"lr": 0.1, "momentun": 0.9})
