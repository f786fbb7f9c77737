"""The recorder against updates that are computed by hand, for every way to use a parameter."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from mupfx.core.run import Seen
from mupfx.observables.kept import Kept, tensors_in
from mupfx.observables.recorder import Recorder


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    torch.manual_seed(0)


def moved(model: nn.Module, by: float = 0.1) -> Kept:
    """A copy of the parameters, which then move."""
    kept = Kept(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return kept


def watched(
    model: Callable[..., Any], kept: Kept, *data: Any, start: bool = False
) -> dict[tuple[str, int], Seen]:
    recorder = Recorder(kept, tensors_in(data), start=start)
    with recorder:
        model(*data)
    assert not recorder.unwatched
    return {(use.parameter, use.number): seen for use, seen in recorder.seen().items()}


def rms(value: Tensor) -> float:
    return value.detach().square().mean().sqrt().item()


def near(value: Tensor) -> Any:
    return pytest.approx(rms(value), rel=1e-4)


def change(model: nn.Module, old: dict[str, Tensor], name: str) -> Tensor:
    return dict(model.named_parameters())[name].detach() - old[name]


def copies(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_linear() -> None:
    model = nn.Linear(8, 5)
    old, x = copies(model), torch.randn(3, 8)
    seen = watched(model, moved(model), x)
    product = x @ change(model, old, "weight").T
    assert seen["weight", 0].size == near(product)
    assert seen["weight", 0].contracted == 8
    assert seen["bias", 0].size == near(change(model, old, "bias"))
    assert seen["bias", 0].contracted == 1
    assert seen["weight", 0].beside == near(x)
    squares = x.square() @ change(model, old, "weight").square().T
    coherent = (product.square().mean() - squares.mean()).clamp(min=0).sqrt()
    assert seen["weight", 0].coherent == pytest.approx(coherent.item(), rel=1e-3, abs=1e-6)


def test_nothing_moved() -> None:
    model = nn.Sequential(nn.Linear(8, 5), nn.LayerNorm(5))
    seen = watched(model, Kept(model), torch.randn(3, 8))
    assert {s.size for s in seen.values()} == {0.0}


def test_the_start_is_the_product_itself_without_the_bias() -> None:
    model, x = nn.Linear(8, 5), torch.randn(3, 8)
    seen = watched(model, Kept(model), x, start=True)
    assert seen["weight", 0].size == near(x @ model.weight.T)
    assert seen["bias", 0].size == near(model.bias)


def test_a_hidden_layer_is_compared_on_what_reaches_it_now() -> None:
    """(W_t - W_0) x_t, not W_t x_t - W_0 x_0."""
    model, x = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4)), torch.randn(3, 8)
    old = copies(model)
    seen = watched(model, moved(model), x)
    assert seen["2.weight", 0].size == near(model[:2](x) @ change(model, old, "2.weight").T)


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Conv2d(4, 6, 3, padding=1, stride=2), torch.randn(2, 4, 8, 8)),
        (nn.Conv2d(4, 8, 3, groups=2), torch.randn(2, 4, 8, 8)),
        (nn.Conv1d(4, 6, 3), torch.randn(2, 4, 9)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), torch.randn(2, 4, 5, 5)),
    ],
)
def test_convolutions(model: Any, x: Tensor) -> None:
    old = copies(model)
    seen = watched(model, moved(model), x)
    new = model.weight.detach().clone()
    with torch.no_grad():
        bias = model.bias.clone()
        model.bias.zero_()
        model.weight.copy_(new - old["weight"])
        product = model(x)
        model.weight.square_()
        squares = model(x.square())
        model.bias.copy_(bias)
    assert seen["weight", 0].size == near(product)
    assert seen["bias", 0].size == near(bias - old["bias"])
    coherent = (product.square().mean() - squares.mean()).clamp(min=0).sqrt()
    assert seen["weight", 0].coherent == pytest.approx(coherent.item(), rel=1e-3, abs=1e-5)
    inputs = 4 // model.groups
    assert seen["weight", 0].contracted == inputs * model.weight[0, 0].numel()


def test_embedding() -> None:
    model, ids = nn.Embedding(10, 6), torch.tensor([[1, 2, 2], [3, 1, 9]])
    old = copies(model)
    seen = watched(model, moved(model), ids)
    assert seen["weight", 0].size == near(change(model, old, "weight")[ids])
    assert seen["weight", 0].contracted == 1


def test_the_gain_and_the_shift_of_a_norm() -> None:
    model, x = nn.LayerNorm(6), torch.randn(3, 6)
    old = copies(model)
    seen = watched(model, moved(model), x)
    normal = functional.layer_norm(x, (6,))
    assert seen["weight", 0].size == near(normal * change(model, old, "weight"))
    assert seen["bias", 0].size == near(change(model, old, "bias"))


class Rms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * self.gain


def test_a_norm_that_is_written_out() -> None:
    model, x = Rms(), torch.randn(3, 6)
    old = copies(model)
    seen = watched(model, moved(model), x)
    normal = functional.rms_norm(x, (6,), eps=1e-6)
    assert seen["gain", 0].size == near(normal * change(model, old, "gain"))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 6)

    def forward(self, ids: Tensor) -> Tensor:
        return functional.linear(torch.tanh(self.table(ids)), self.table.weight)


def test_two_uses_of_one_parameter() -> None:
    model, ids = Tied(), torch.tensor([[1, 2, 2], [3, 1, 9]])
    old = copies(model)
    seen = watched(model, moved(model), ids)
    delta = change(model, old, "table.weight")
    assert seen["table.weight", 0].size == near(delta[ids])
    assert seen["table.weight", 1].size == near(torch.tanh(model.table(ids)) @ delta.T)
    assert [s.contracted for s in seen.values()] == [1, 6]


def test_repeated_uses_are_one() -> None:
    layer, x = nn.Linear(6, 6, bias=False), torch.randn(3, 6)
    model = nn.Sequential(layer, nn.Tanh(), layer)
    old = copies(model)
    seen = watched(model, moved(model), x)
    delta = change(model, old, "0.weight")
    both = torch.stack([x @ delta.T, torch.tanh(layer(x)) @ delta.T])
    assert list(seen) == [("0.weight", 0)]
    assert seen["0.weight", 0].size == near(both)


def test_attention() -> None:
    model, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8)
    old = copies(model)
    kept = moved(model)
    seen = watched(lambda x: model(x, x, x, need_weights=False), kept, x)
    assert seen["in_proj_weight", 0].size == near(x @ change(model, old, "in_proj_weight").T)
    assert seen["in_proj_bias", 0].size == near(change(model, old, "in_proj_bias"))
    assert seen["out_proj.weight", 0].size > 0


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(cell: Any) -> None:
    """Whatever kernels they are made of; the first state, of zeros, shows nothing of a weight."""
    model, x = cell(4, 6, batch_first=True), torch.randn(2, 5, 4)
    seen = watched(model, moved(model), x)
    shown = {name for (name, _), s in seen.items() if s.size > 0}
    assert shown == {name for name, _ in model.named_parameters()}


def test_a_fused_recurrent_kernel_runs_again_with_the_old_weight() -> None:
    model, x = nn.LSTM(4, 6, batch_first=True), torch.randn(2, 5, 4)
    old = copies(model)
    kept = moved(model)
    seen = watched(model, kept, x)
    new = model(x)[0].detach()
    with torch.no_grad():
        dict(model.named_parameters())["weight_hh_l0"].copy_(old["weight_hh_l0"])
    assert seen["weight_hh_l0", 0].size == pytest.approx(rms(new - model(x)[0]), rel=1e-3)


class Experts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(6, 3, bias=False)
        self.experts = nn.Parameter(torch.randn(3, 6, 5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x.expand(3, -1, -1), self.experts)


class Routed(Experts):
    """Each token takes its expert's weight along."""

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.router(x).argmax(-1)
        return torch.bmm(x.unsqueeze(1), self.experts[chosen]).squeeze(1)


def test_experts() -> None:
    model, x = Experts(), torch.randn(4, 6)
    old = copies(model)
    seen = watched(model, moved(model), x)
    delta = change(model, old, "experts")
    assert seen["experts", 0].size == near(torch.einsum("ti,eio->teo", x, delta))
    assert seen["experts", 0].contracted == 6


def test_experts_that_data_picks_are_seen_where_they_are_summed() -> None:
    model, x = Routed(), torch.randn(4, 6)
    old = copies(model)
    seen = watched(model, moved(model), x)
    delta = change(model, old, "experts")[model.router(x).argmax(-1)]
    assert seen["experts", 0].size == near(delta)
    assert seen["experts", 0].contracted == 1
    assert seen["experts", 1].size == near(torch.einsum("ti,tio->to", x, delta))
    assert seen["experts", 1].contracted == 6


def test_weight_norm() -> None:
    model, x = parametrizations.weight_norm(nn.Linear(8, 5)), torch.randn(3, 8)
    kept = Kept(model)
    before = model.weight.detach().clone()
    gain = dict(model.named_parameters())["parametrizations.weight.original0"]
    with torch.no_grad():
        gain.mul_(1.5)
    seen = watched(model, kept, x)
    assert seen["parametrizations.weight.original0", 0].size == near(x @ before.T * 0.5)
    assert seen["parametrizations.weight.original1", 0].size == pytest.approx(0, abs=1e-6)


def test_spectral_norm_advances_once() -> None:
    """Its power iteration writes to a buffer in every forward pass."""
    twins = []
    for watch in (False, True):
        torch.manual_seed(3)
        model = parametrizations.spectral_norm(nn.Linear(8, 5))
        x = torch.randn(3, 8)
        kept = moved(model)
        if watch:
            assert any(s.size > 0 for s in watched(model, kept, x).values())
        else:
            model(x)
        twins.append(dict(model.named_buffers()))
    assert all(torch.equal(b, twins[1][name]) for name, b in twins[0].items())


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(6), nn.BatchNorm1d(6, momentum=None)])
def test_buffers_of_batch_norm_are_updated_once(norm: nn.BatchNorm1d) -> None:
    x = torch.randn(4, 6)
    seen = watched(norm, moved(norm), x)
    assert norm.running_mean is not None
    momentum = norm.momentum or 1.0
    assert torch.allclose(norm.running_mean, momentum * x.mean(0), atol=1e-6)
    assert norm.num_batches_tracked == 1
    assert seen["weight", 0].size > 0


def test_dropout_draws_as_without() -> None:
    model, x = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5)), torch.randn(4, 6)
    kept = moved(model)
    torch.manual_seed(1)
    alone = model(x)
    torch.manual_seed(1)
    outs: list[Tensor] = []
    watched(lambda x: outs.append(model(x)), kept, x)
    assert torch.equal(outs[0], alone)


class Dropped(nn.Module):
    """Dropout on the weight itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 400))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, functional.dropout(self.weight, 0.5))


def test_old_and_new_weights_are_dropped_alike() -> None:
    model, x = Dropped(), torch.randn(3, 400)
    kept = Kept(model)
    with torch.no_grad():
        model.weight.mul_(1.001)
    torch.manual_seed(1)
    seen = watched(model, kept, x)
    torch.manual_seed(1)
    assert seen["weight", 0].size == pytest.approx(rms(model(x)) * 0.001 / 1.001, rel=1e-2)


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias, self.scale = nn.Parameter(torch.randn(6)), nn.Parameter(torch.randn(6))
        self.mask = nn.Buffer(torch.tensor([1.0, 0, 1, 0, 1, 0]))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.scale.clone()
        scale[1:3].zero_()
        scale.mul_(self.mask)
        y = x * 1.0
        y.mul_(scale)
        y.add_(self.bias, alpha=2.0)
        return y


def test_ops_in_place() -> None:
    model, x = InPlace(), torch.randn(3, 6)
    old = copies(model)
    kept = moved(model)
    outs: list[Tensor] = []
    seen = watched(lambda x: outs.append(model(x)), kept, x)
    delta = change(model, old, "scale") * model.mask
    delta[1:3] = 0
    assert seen["scale", 0].size == near(x * delta)
    assert seen["bias", 0].size == near(2 * change(model, old, "bias"))
    assert torch.equal(outs[0], model(x))


class ClassToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.positions = nn.Embedding(9, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        out: Tensor = x + self.positions(torch.arange(x.shape[1]))
        return out


def test_tokens_and_positions_that_no_data_picks() -> None:
    model, x = ClassToken(), torch.randn(2, 4, 6)
    old = copies(model)
    seen = watched(model, moved(model), x)
    assert seen["token", 0].size == near(change(model, old, "token") / 5**0.5)
    assert seen["positions.weight", 0].size == near(change(model, old, "positions.weight")[:5])


def test_autocast() -> None:
    model, x = nn.Linear(64, 5, bias=False), torch.randn(3, 64)
    old = copies(model)
    kept = moved(model)

    def run(x: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return model(x)

    seen = watched(run, kept, x)
    assert seen["weight", 0].size == pytest.approx(
        rms(x @ change(model, old, "weight").T), rel=0.05
    )


def test_views_and_data_of_a_parameter() -> None:
    weight = nn.Parameter(torch.randn(6, 10))
    model = nn.ParameterList([weight])
    old, x = copies(model), torch.randn(3, 5)
    kept = moved(model)
    seen = watched(lambda x: x @ model[0].data[:, ::2].T, kept, x)
    assert seen["0", 0].size == near(x @ change(model, old, "0")[:, ::2].T)


def test_functional_call() -> None:
    model, x = nn.Linear(8, 5), torch.randn(3, 8)
    old = copies(model)
    kept = moved(model)
    doubled = {name: 2 * p for name, p in model.named_parameters()}
    assert doubled

    def run(x: Tensor) -> Any:
        values = {name: 2 * p for name, p in model.named_parameters()}
        return torch.func.functional_call(model, values, (x,))

    seen = watched(run, kept, x)
    assert seen["weight", 0].size == near(2 * x @ change(model, old, "weight").T)


def test_parameters_in_one_piece_of_memory() -> None:
    flat = torch.randn(30)
    model = nn.ParameterDict(
        {"a": nn.Parameter(flat[:12].view(4, 3)), "b": nn.Parameter(flat[12:].view(6, 3))}
    )
    old, x = copies(model), torch.randn(2, 3)
    kept = moved(model)
    seen = watched(lambda x: (x @ model["a"].T, x @ model["b"].T), kept, x)
    assert seen["a", 0].size == near(x @ change(model, old, "a").T)
    assert seen["b", 0].size == near(x @ change(model, old, "b").T)


def test_parameters_that_moved_in_memory() -> None:
    model, x = nn.Linear(8, 5, bias=False), torch.randn(3, 8)
    old = copies(model)
    kept = Kept(model)
    model.weight.data = model.weight.detach() + 1.0
    seen = watched(model, kept, x)
    assert seen["weight", 0].size == near(x @ change(model, old, "weight").T)


class Low(nn.Module):
    """A weight and a product of two others, added before they meet data."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 8))
        self.up, self.down = nn.Parameter(torch.randn(5, 2)), nn.Parameter(torch.randn(2, 8))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight + self.up @ self.down)


def test_each_parameter_is_old_by_itself() -> None:
    model, x = Low(), torch.randn(3, 8)
    old = copies(model)
    seen = watched(model, moved(model), x)
    assert seen["weight", 0].size == near(x @ change(model, old, "weight").T)
    assert seen["up", 0].size == near(x @ (change(model, old, "up") @ model.down).T)
    assert seen["down", 0].size == near(x @ (model.up @ change(model, old, "down")).T)


def test_data_that_is_in_no_tensor() -> None:
    model = nn.Linear(8, 5, bias=False)
    old = copies(model)
    kept = moved(model)
    numbers: Sequence[float] = [1.0] * 8
    seen = watched(lambda batch: model(torch.tensor(batch)), kept, numbers)
    assert seen["weight", 0].size == near(torch.ones(8) @ change(model, old, "weight").T)


def test_watching_changes_nothing() -> None:
    def trained(*, watch: bool) -> list[Tensor]:
        torch.manual_seed(5)
        model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 2)
        )
        kept, x = Kept(model), torch.randn(4, 6)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            if watch:
                with Recorder(kept, [x]):
                    loss = model(x).square().mean()
            else:
                loss = model(x).square().mean()
            torch.autograd.backward(loss)
            optimizer.step()
        return [t.detach().clone() for t in (*model.parameters(), *model.buffers())]

    assert all(map(torch.equal, trained(watch=True), trained(watch=False)))


def test_a_batch_of_any_class() -> None:
    class Batch:
        def __init__(self) -> None:
            self.x, self.rest = torch.ones(2), {"y": [torch.zeros(3)], "z": (None, "word")}

    assert [t.numel() for t in tensors_in(Batch())] == [2, 3]
