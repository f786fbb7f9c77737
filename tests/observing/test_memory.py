"""What a recorder holds after a step: numbers, samples, and the weights at the start."""

import gc
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.observables.running import Inputs
from mupfx.observables.sketch import ENTRIES
from mupfx.pipeline.observing.graphs import Call, graph_of
from mupfx.pipeline.observing.training import Recorder, Wanted

WHAT = frozenset({"coordinates", "updates", "output", "feature_speed", "gamma", "diversity"})


def loss(model: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = (model(x) - 1).pow(2).mean()
    return found


def test_no_activation_outlives_its_step() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    x = torch.randn(16 * ENTRIES // 64, 8)
    setup = Setup(Size(), 0, net, (torch.optim.SGD(net.parameters(), lr=0.1),), x, loss, (x,), {})
    recorder = Recorder(graph_of(net, Call((x,), {})), setup, Wanted(WHAT, (0, 1, 2), (0, 2)))
    made: list[Any] = []
    see = recorder.coordinates.see

    def spy(node: torch.fx.Node, value: Any, inputs: Inputs) -> None:
        made_here = node.op != "placeholder" and isinstance(value, Tensor)
        if made_here and value.numel() > ENTRIES:
            made.append(weakref.ref(value))
        see(node, value, inputs)

    recorder.coordinates.see = spy  # type: ignore[method-assign]
    rows = recorder.run()
    gc.collect()
    assert rows
    assert len(made) >= 12
    assert not [ref for ref in made if ref() is not None]
    watch = recorder.coordinates
    kept = [*watch.samples.values(), *watch.now.values()]
    assert max(t.untyped_storage().nbytes() for t in kept) <= 4 * ENTRIES
