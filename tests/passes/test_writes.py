"""What is written into a part of a tensor is read with the whole."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import fx, nn
from torch.fx.experimental.proxy_tensor import make_fx

import mupfx
from mupfx.core.program import Program
from mupfx.passes.writes import follow_writes
from tests.zoo.models.common import floats

Tensor = torch.Tensor
aten = torch.ops.aten


def slices(x: Tensor, y: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    out[:, :2] = y[:, :2]
    out[:, 2:].copy_(y[:, 2:]).mul_(2)
    return out + x


def rows(x: Tensor, y: Tensor) -> Tensor:
    out = torch.zeros(6, 4)
    for i in range(4):
        out.t()[i] = y[i]
    return out.t() + x


def through_views(x: Tensor, y: Tensor) -> Tensor:
    z = x * 2
    z.view(4, 2, 3)[:, 0].add_(y[:, :3])
    z.permute(1, 0).narrow(0, 4, 2).mul_(3)
    z.unsqueeze(0).detach().sub_(1)
    return z + y


def pieces(x: Tensor, y: Tensor) -> Tensor:
    z = x * 2
    torch.split(z, [2, 4], 1)[1].add_(y[:, :4])
    z.unbind(1)[0].mul_(5)
    z.chunk(2, 1)[1].neg_()
    return z + y


def copies(x: Tensor, y: Tensor) -> Tensor:
    z = x.t()
    z.reshape(-1).add_(1)  # a copy: what is written to it, x never has
    return z.t() * y


WAYS = [slices, rows, through_views, pieces, copies]


def traced(way: Callable[..., Any]) -> fx.GraphModule:
    with torch.no_grad():
        module: fx.GraphModule = make_fx(way)(floats(4, 6), floats(4, 6, seed=2))
    return module


@pytest.mark.parametrize("way", WAYS)
def test_the_graph_computes_the_same_without_writing(way: Callable[..., Any]) -> None:
    x, y = floats(4, 6, seed=3), floats(4, 6, seed=4)
    module = traced(way)
    follow_writes(module.graph)
    for node in module.graph.nodes:
        node.target = WITHOUT.get(node.target, node.target)
    module.graph.lint()
    module.recompile()
    torch.testing.assert_close(module(x, y), way(x.clone(), y))


WITHOUT = {
    aten.add_.Tensor: aten.add.Tensor,
    aten.add_.Scalar: aten.add.Scalar,
    aten.mul_.Tensor: aten.mul.Tensor,
    aten.sub_.Tensor: aten.sub.Tensor,
    aten.copy_.default: aten.copy.default,
    aten.neg_.default: aten.neg.default,
}
"""Ops that write, with their twins that do not."""


def test_a_write_is_put_into_the_whole() -> None:
    module = traced(slices)
    follow_writes(module.graph)
    program = Program(module.graph, "", {}, {}, (), {}, {}, ())
    assert str(program) == snapshot("""\
x_1 = input  [4, 6]
y_1 = input  [4, 6]
zeros_like = aten.zeros_like.default(x_1, pin_memory=False)  [4, 6]
slice_1 = aten.slice.Tensor(y_1, 1, 0, 2)  [4, 2]
slice_2 = aten.slice.Tensor(zeros_like, 1, 0, 2)  [4, 2]
copy_ = aten.copy_.default(slice_2, slice_1)  [4, 2]
slice_scatter_default = aten.slice_scatter.default(zeros_like, copy_, 1, 0, 2)  [4, 6]
slice_3 = aten.slice.Tensor(slice_scatter_default, 1, 2, 9223372036854775807)  [4, 4]
slice_4 = aten.slice.Tensor(y_1, 1, 2, 9223372036854775807)  [4, 4]
copy__1 = aten.copy_.default(slice_3, slice_4)  [4, 4]
slice_scatter_default_1 = aten.slice_scatter.default(slice_scatter_default, copy__1, 1, 2, 9223372036854775807)  [4, 6]
mul_ = aten.mul_.Tensor(copy__1, 2)  [4, 4]
slice_scatter_default_2 = aten.slice_scatter.default(slice_scatter_default_1, mul_, 1, 2, 9223372036854775807)  [4, 6]
add = aten.add.Tensor(slice_scatter_default_2, x_1)  [4, 6]
output = output(add)\
""")


class Buffered(nn.Module):
    """A layer whose result goes through memory that was there before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.q, self.k = (nn.Linear(i, width) for i in (3, width, width))
        self.readout = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        keys = torch.empty(2, 8, h.shape[-1])
        keys[:, :4] = self.k(h)
        scores = self.q(h) @ keys[:, :4].transpose(1, 2) / h.shape[-1]
        out: Tensor = self.readout(scores.softmax(-1) @ keys[:, :4])
        return out


def test_attention_over_a_buffer_is_a_site() -> None:
    found = mupfx.analyze(Buffered(16), floats(2, 4, 3), base=Buffered(8))
    assert [str(site.kind) for site in found.sites] == ["attention"]
