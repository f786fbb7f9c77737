"""A model as one graph: its own parameters under their own names, and nothing else of it.

``Part`` stands for a module: it holds what that held, and says whether it is in training. Called,
it gives that flag, so that a graph can read it::

    drop_training = self.layers.0.drop()
    dropout = aten.dropout.default(x, 0.1, drop_training)
"""

import copy
from typing import Any

from torch import fx, nn

from mupfx.errors import LoweringError
from mupfx.passes.rewrite.rows import Row, from_rows, to_rows
from mupfx.passes.rewrite.text import graph_text

MODE = "_mode"
"""The part that the graph of a model asks, where the model itself reads its flag."""


class Part(nn.Module):
    """What a module of the model held."""

    def __init__(self, kind: str = "Part") -> None:
        super().__init__()
        self.kind = kind

    def forward(self) -> bool:
        """Whether it is in training."""
        return self.training

    def _get_name(self) -> str:
        return self.kind


class Rewritten(fx.GraphModule):
    """A model as a graph that is trained, saved and compiled like the model."""

    def __init__(self, holder: nn.Module, graph: fx.Graph) -> None:
        super().__init__({}, fx.Graph(), "Rewritten")
        for key in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[key] = holder.__dict__[key]
        self.training = holder.training
        self.fixed = ""
        """Why the graph holds for the mode that it is in alone; empty where it follows both."""
        self.documented: dict[str, tuple[str, ...]] = {}
        """Laws that parameters are drawn from by what the model's modules document."""
        self.graph = graph

    def train(self, mode: bool = True) -> "Rewritten":  # noqa: FBT001, FBT002 - torch's own
        """Set the mode, which the graph follows.

        Raises:
            LoweringError: The model does other things in the other mode.
        """
        if self.fixed and mode != self.training:
            name = "training" if self.training else "inference"
            raise LoweringError(
                f"this graph holds for {name} alone: the model is another one in the other mode",
                found=self.fixed,
                hint='convert with lowering="eager" to use the model in both',
            )
        super().train(mode)
        return self

    def __str__(self) -> str:
        """One line a node; multipliers say what they are for."""
        return graph_text(self.graph)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Rewritten":
        """A copy with the same graph over copies of everything that it holds."""
        made = _remade(to_rows(self.graph), {})
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(_state(self), memo))
        return made

    def __reduce_ex__(self, protocol: object) -> Any:
        """Pickled as rows and state: nothing is traced again."""
        del protocol
        return _remade, (to_rows(self.graph), _state(self))


def _state(module: Rewritten) -> dict[str, Any]:
    """All but what is made of the graph."""
    made = ("_graph", "_code", "_lineno_map", "_prologue_start", "_tracer_cls", "shape_env")
    return {key: value for key, value in module.__dict__.items() if key not in made}


def _remade(rows: list[Row], state: dict[str, Any]) -> Rewritten:
    made = Rewritten(nn.Module(), from_rows(rows))
    made.__dict__.update(state)
    return made


def parts_of(model: nn.Module) -> Part:
    """The modules of a model as parts over the very same parameters and buffers."""
    made: dict[int, Part] = {}

    def part(module: nn.Module) -> Part:
        if id(module) in made:
            return made[id(module)]
        found = made[id(module)] = Part(type(module).__name__)
        found._parameters = dict(module._parameters)
        found._buffers = dict(module._buffers)
        found._non_persistent_buffers_set = set(module._non_persistent_buffers_set)
        found.training = module.training
        for name, child in module._modules.items():
            found._modules[name] = None if child is None else part(child)
        return found

    return part(model)
