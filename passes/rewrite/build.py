"""From what was exported to a model that is one graph: the passes, in order, linted after each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import fx, nn
from torch.fx.passes.infra.pass_manager import PassManager

from mupfx.core.runnable import Runnable
from mupfx.errors import MupfxError
from mupfx.passes.rewrite.differences import Merged
from mupfx.passes.rewrite.ends import GiveResult, TakeArguments
from mupfx.passes.rewrite.modes import FollowMode
from mupfx.passes.rewrite.module import MODE, Part, Rewritten, parts_of
from mupfx.passes.rewrite.multiply import Insertion, Multiply
from mupfx.passes.rewrite.own import Own
from mupfx.passes.rewrite.sizes import Describe, RequireSizes, UnreadableGuardError
from mupfx.passes.rewrite.types import Elsewhere, FollowTensors


@dataclass(frozen=True, slots=True)
class Source:
    """What a graph is made of."""

    runnable: Runnable
    """In the mode that the graph is read from: training, where it follows both."""
    merged: Merged | None
    """What the other mode has in common with it; None for a graph of one mode."""
    tied: Mapping[str, Sequence[str]]
    elsewhere: Elsewhere | None = None
    """What follows the type and device of the model; None where that is not known."""


def assemble(model: nn.Module, source: Source) -> Rewritten:
    """The model as a graph over its own parameters, without multipliers yet."""
    runnable = source.runnable
    holder = parts_of(model)
    if source.merged is not None:
        holder._modules[MODE] = mode = Part()
        mode.training = model.training
    _adopt_regions(holder, runnable.graph)
    runnable.graph.set_codegen(fx.graph.CodeGen())
    module = Rewritten(holder, runnable.graph)
    passes = [
        *([FollowTensors(source.elsewhere)] if source.elsewhere is not None else []),
        FollowMode(source.merged.found if source.merged is not None else ()),
        RequireSizes(runnable),
        Own(runnable, source.tied),
        TakeArguments(runnable.arguments, runnable.inputs),
        GiveResult(runnable.output, runnable.writes),
    ]
    return run(module, passes)


def multiplied(module: Rewritten, insertions: Sequence[Insertion]) -> dict[str, tuple[str, ...]]:
    """Insert multipliers; names of the nodes by what they multiply."""
    multiply = Multiply(insertions)
    run(module, [multiply, Describe()])
    return multiply.made


def run(module: Rewritten, passes: Sequence[object]) -> Rewritten:
    """Passes in order, with the graph linted before and after each."""
    manager = PassManager(list(passes), run_checks_after_each_pass=True)  # type: ignore[arg-type]
    manager.add_checks(_lint)
    try:
        manager(module)
    except Exception as error:
        if isinstance(error.__cause__, MupfxError | UnreadableGuardError):
            raise error.__cause__ from None
        raise
    return module


def _lint(module: nn.Module) -> None:
    assert isinstance(module, fx.GraphModule)
    module.graph.lint()


def _adopt_regions(holder: nn.Module, graph: fx.Graph) -> None:
    """Bodies of higher-order ops become children of the graph's own module."""
    owner = graph.owning_module
    for node in graph.nodes:
        body = getattr(owner, str(node.target), None) if node.op == "get_attr" else None
        if isinstance(body, fx.GraphModule):
            inside = nn.Module()
            _adopt_regions(inside, body.graph)
            name = f"_region_{sum(k.startswith('_region_') for k in holder._modules)}"
            holder._modules[name] = Rewritten(inside, body.graph)
            node.target = name
