"""An axis that a floor keeps as long at the base is width, where the same code shows the law."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import mupfx
from mupfx.core.analysis import Analysis

Tensor = torch.Tensor


class Squeeze(nn.Module):
    """Channels weighed by a bottleneck of an eighth of them, and no less than ``floor``."""

    def __init__(self, width: int, floor: int) -> None:
        super().__init__()
        inner = max(width // 8, floor)
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.down(x.mean(1)))
        gate = torch.sigmoid(self.up(inner))
        return x * gate[:, None]


class Stages(nn.Module):
    """Stages of growing width, each with a squeeze."""

    def __init__(self, width: int, stages: int = 3, floor: int = 16) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(stages)]
        self.stem, self.head = nn.Linear(3, width), nn.Linear(widths[-1], 5)
        self.squeezes = nn.ModuleList(Squeeze(w, floor) for w in widths)
        self.wider = nn.ModuleList(nn.Linear(w, 2 * w) for w in widths[:-1])

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for i, squeeze in enumerate(self.squeezes):
            x = squeeze(x)
            x = torch.relu(self.wider[i](x)) if i < len(self.wider) else x
        out: Tensor = self.head(x.mean(1))
        return out


def beside(model: nn.Module, base: nn.Module) -> Analysis:
    return mupfx.analyze(model, (torch.zeros(2, 4, 3),), {}, base=base)


def test_a_floor_that_held_the_base_alone() -> None:
    """64, 128, 256 wide here: the squeezes are 16, 16, 32, and 16 each at the base."""
    found = beside(Stages(64), Stages(32))
    roles = [str(found.parameters[f"squeezes.{i}.down.weight"].role) for i in range(3)]
    assert roles == ["output", "hidden", "hidden"]
    middle = found.classes[found.parameters["squeezes.1.down.weight"].axes[0][0]]
    assert "a floor held it at the base" in middle.evidence
    assert found.ratios is not None
    assert found.ratios.classes[middle.name] == 1


def test_numbers_are_those_of_an_axis_that_stays() -> None:
    """A contracting layer starts lower in muP: as an output, where the ratio out is one."""
    model = Stages(64)
    example = (torch.zeros(2, 4, 3),)
    mupfx.convert(model, example, {}, base=Stages(32), parametrization="mup", strict=False)
    rows = mupfx.plan(model).parameters
    down, held = rows["squeezes.0.down.weight"], rows["squeezes.1.down.weight"]
    for family, factors in held.optimizers.items():
        same = down.optimizers[family]
        numbers = [(f.lr, f.weight_decay, f.eps) for f in (factors, same)]
        assert numbers[0] == pytest.approx(numbers[1]), family
    assert held.init.std is not None
    assert held.init.base_std is not None
    assert held.init.std / held.init.base_std == pytest.approx(0.5)


def test_a_size_that_is_fixed_everywhere_stays() -> None:
    """Nothing at that place grew, so that no law says that it would."""
    found = beside(Stages(64, floor=64), Stages(32, floor=64))
    roles = [str(found.parameters[f"squeezes.{i}.down.weight"].role) for i in range(3)]
    assert roles == ["output"] * 3


def test_siblings_that_follow_no_one_law_tell_none() -> None:
    """Rounding to 24s: 48 of 256 here and 24 of 128 at the base, beside 24 of 64."""
    model, base = Stages(64, floor=24), Stages(32, floor=24)
    for stages, inner in ((model, (24, 24, 48)), (base, (24, 24, 40))):
        for squeeze, size in zip(stages.squeezes, inner, strict=True):
            assert isinstance(squeeze, Squeeze)
            width = squeeze.down.in_features
            squeeze.down, squeeze.up = nn.Linear(width, size), nn.Linear(size, width)
    found = beside(model, base)
    roles = [str(found.parameters[f"squeezes.{i}.down.weight"].role) for i in range(3)]
    assert roles == ["output", "output", "hidden"]


class Heads(nn.Module):
    """Attention in raw products, whose heads are as many as they are wide."""

    def __init__(self, heads: int, size: int = 4) -> None:
        super().__init__()
        width = heads * size
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 5)
        self.value = nn.Parameter(torch.randn(width, heads, size))
        self.back = nn.Parameter(torch.randn(heads, size, width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        values = torch.einsum("bld,dhk->blhk", x, self.value)
        scores = torch.einsum("blhk,bmhk->bhlm", values, values).softmax(-1)
        mixed = torch.einsum("bhlm,bmhk->blhk", scores, values)
        x = x + torch.einsum("blhk,hkd->bld", mixed, self.back)
        out: Tensor = self.head(x)
        return out


def test_a_head_size_stays_beside_heads_that_grew() -> None:
    """Both lie between the same two lines, and are as long here."""
    found = beside(Heads(4), Heads(2))
    sizes = [found.classes[axis[0]] for axis in found.parameters["value"].axes[1:]]
    assert [(c.base_size, str(c.kind)) for c in sizes] == [(2, "width"), (4, "finite")]


class Coder(nn.Module):
    """Layers at one line, the last of which makes a code of a size of its own."""

    def __init__(self, width: int, code: int = 16) -> None:
        super().__init__()
        sizes = [3, 4 * width, 2 * width, code]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.decoder, self.head = nn.Linear(code, width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.encoder:
            x = torch.tanh(layer(x))
        out: Tensor = self.head(torch.tanh(self.decoder(x)))
        return out


def test_layers_in_a_row_tell_no_law() -> None:
    """The code is half of the layer before, as that is of its own: here, and by chance."""
    found = beside(Coder(16), Coder(8))
    assert str(found.parameters["encoder.2.weight"].role) == "output"
    assert str(found.parameters["decoder.weight"].role) == "input"
