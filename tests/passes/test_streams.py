"""Residual streams: what is a branch, where it starts, and what only looks like one."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.structure import Streams

Tensor = torch.Tensor
WIDTH = 8


class Net(nn.Module):
    """A stem, something that ``way`` says, a readout; layers by number."""

    def __init__(self, way: "Way", layers: int = 8) -> None:
        super().__init__()
        self.way = way
        self.stem, self.head = nn.Linear(3, WIDTH), nn.Linear(WIDTH, 5)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(layers))
        self.narrow = nn.Linear(WIDTH // 2, WIDTH // 2)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.way(self, self.stem(x)))
        return out

    def __getitem__(self, i: int) -> Callable[[Tensor], Tensor]:
        layer: Callable[[Tensor], Tensor] = self.layers[i]
        return layer

    def norm(self, i: int, x: Tensor) -> Tensor:
        out: Tensor = self.norms[i](x)
        return out


Way = Callable[[Net, Tensor], Tensor]


def find(way: Way, shape: tuple[int, ...] = (2, 4, 3)) -> Streams:
    return mupfx.analyze(Net(way), torch.zeros(shape)).streams


def mlp(m: Net, i: int, x: Tensor) -> Tensor:
    return m[i + 1](functional.gelu(m[i](x)))


def pre_norm(m: Net, x: Tensor) -> Tensor:
    x = x + mlp(m, 0, m.norm(0, x))
    return x + mlp(m, 2, m.norm(1, x))


def post_norm(m: Net, x: Tensor) -> Tensor:
    x = m.norm(0, x + mlp(m, 0, x))
    return m.norm(1, x + mlp(m, 2, x))


def parallel(m: Net, x: Tensor) -> Tensor:
    h = m.norm(0, x)
    return x + mlp(m, 0, h) + mlp(m, 2, h)


def parallel_summed_first(m: Net, x: Tensor) -> Tensor:
    h = m.norm(0, x)
    return x + (mlp(m, 0, h) + mlp(m, 2, h))


def parallel_in_place(m: Net, x: Tensor) -> Tensor:
    h = m.norm(0, x)
    x += mlp(m, 0, h)
    x += mlp(m, 2, h)
    return x


def branch_first(m: Net, x: Tensor) -> Tensor:
    return mlp(m, 0, m.norm(0, x)) + x


def scaled(m: Net, x: Tensor) -> Tensor:
    x = x + 0.5 * mlp(m, 0, x)
    return x * 0.7 + mlp(m, 2, x)


def projection(m: Net, x: Tensor) -> Tensor:
    return m.norm(0, m[0](x)) + mlp(m, 1, x)


def through_views(m: Net, x: Tensor) -> Tensor:
    y = mlp(m, 0, x.flatten(0, 1)).view(x.shape)
    return x.clone() + functional.dropout(y, 0.0)


def deep_branch(m: Net, x: Tensor) -> Tensor:
    return x + m[3](m[2](functional.relu(m[1](m[0](x)))))


def nested(m: Net, x: Tensor) -> Tensor:
    h = m[0](m.norm(0, x))
    h = h + mlp(m, 1, h)
    return x + m[3](h)


def cross(m: Net, x: Tensor) -> Tensor:
    """A branch that reads a second sequence, whose own layers are its alone."""
    other = torch.ones(2, 4, WIDTH)
    q, k, v = m[0](x), m[1](other), m[2](other)
    return x + m[3]((q @ k.mT).softmax(-1) @ v)


TWO = {"s0": (2, 2)}
BRANCHES: dict[str, tuple[dict[str, tuple[int, int]], list[int], Way]] = {
    "pre-norm": (TWO, [0, 1], pre_norm),
    "post-norm": (TWO, [0, 1], post_norm),
    "parallel": ({"s0": (1, 2)}, [0, 0], parallel),
    "parallel, summed first": ({"s0": (1, 2)}, [0], parallel_summed_first),
    "parallel, in place": ({"s0": (1, 2)}, [0, 0], parallel_in_place),
    "branch first": ({"s0": (1, 2)}, [0], branch_first),
    "scaled": (TWO, [0, 1], scaled),
    "projection shortcut": ({"s0": (1, 2)}, [0], projection),
    "through views": ({"s0": (1, 2)}, [0], through_views),
    "deep branch": ({"s0": (1, 4)}, [0], deep_branch),
    "cross attention": ({"s0": (1, 2)}, [0], cross),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_branches(name: str) -> None:
    streams, blocks, way = BRANCHES[name]
    found = find(way)
    assert {s.name: (s.depth, s.block_depth) for s in found.streams} == streams
    assert [b.block for b in found.branches] == blocks


def test_which_parameters_sit_in_a_branch() -> None:
    found = dict(find(pre_norm).parameters)
    assert found == {
        f"{kind}.{i}.{name}": f"b{i // (2 if kind == 'layers' else 1)}"
        for kind, count in (("layers", 4), ("norms", 2))
        for i in range(count)
        for name in ("weight", "bias")
    }


def test_a_branch_inside_a_branch() -> None:
    """Its parameters sit in the inner one; both are streams of their own."""
    found = find(nested)
    assert sorted((s.depth, s.block_depth) for s in found.streams) == [(1, 2), (1, 4)]
    inner = next(b for b in found.branches if b.layers == 2)
    outer = next(b for b in found.branches if b.layers == 4)
    homes = dict(found.parameters)
    assert [homes[f"layers.{i}.weight"] for i in range(4)] == [
        outer.name,
        inner.name,
        inner.name,
        outer.name,
    ]


def gelu_by_hand(m: Net, x: Tensor) -> Tensor:
    h = m[0](x)
    inner = 0.7978845608 * (h + 0.044715 * h**3)
    return m[1](0.5 * h * (1 + torch.tanh(inner)))


def recurrent(m: Net, x: Tensor) -> Tensor:
    h = torch.zeros(2, WIDTH)
    for t in range(x.shape[1]):
        h = torch.tanh(m[0](x[:, t]) + m[1](h))
    return h


def gated_cell(m: Net, x: Tensor) -> Tensor:
    """A GRU written out: a mean of the old state and the new."""
    h = torch.zeros(2, WIDTH)
    for t in range(x.shape[1]):
        z = torch.sigmoid(m[0](x[:, t]) + m[1](h))
        h = (1 - z) * h + z * torch.tanh(m[2](x[:, t]) + m[3](h))
    return h


NONE: dict[str, Way] = {
    "plain": lambda m, x: mlp(m, 0, x),
    "gelu by hand": gelu_by_hand,
    "two projections": lambda m, x: m[0](x) + m[1](x),
    "dense": lambda m, x: m.head.weight.new_zeros(()) + torch.cat([x, mlp(m, 0, x)], -1)[..., WIDTH:],
    "recurrent": recurrent,
    "gated": lambda m, x: m[0](x) * torch.sigmoid(m[1](x)),
    "no layer on the way": lambda m, x: m[0](x + torch.tanh(x)),
    "a norm by hand": lambda m, x: m[0]((x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1).sqrt()),
    "positions": lambda m, x: m[0](x + torch.arange(4.0)[:, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", NONE)
def test_no_branches(name: str) -> None:
    found = find(NONE[name])
    assert found.branches == ()
    assert found.streams == ()
    assert found.parameters == ()


class UNet(nn.Module):
    """Down and up, the early values put beside the late ones."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Conv2d(3, 4, 3, padding=1)
        self.down, self.middle = nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        early = functional.relu(self.into(x))
        low = functional.relu(self.middle(functional.relu(self.down(early))))
        out: Tensor = self.out(torch.cat([early, self.up(low)], 1))
        return out


def test_concatenating_skips_are_no_branches() -> None:
    assert mupfx.analyze(UNet(), torch.zeros(1, 3, 8, 8)).streams.branches == ()


def test_numbers_of_a_branch_in_a_base_of_another_depth() -> None:
    """The depth of a stream is its blocks: six here, two at the base."""

    def deep(count: int) -> Way:
        def way(m: Net, x: Tensor) -> Tensor:
            for i in range(count):
                x = x + mlp(m, 2 * i, x)
            return x

        return way

    model, base = Net(deep(3), 6), Net(deep(1), 2)
    found = mupfx.analyze(model, torch.zeros(2, 4, 3), base=base, base_depth=1)
    assert found.ratios is not None
    assert dict(found.ratios.depth) == {"s0": 3}
