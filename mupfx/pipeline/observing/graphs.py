"""The graph of a model that is observed: captured, lined up with its analysis, told by blocks."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from inspect import Signature
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.analysis import Analysis
from mupfx.core.program import CAPTURED
from mupfx.errors import CaptureError, MupfxError
from mupfx.observables.graph import (
    Kind,
    Layer,
    ModelGraph,
    Place,
    first_names,
    kinds_of,
    layer,
    shown_of,
    turns_of,
)
from mupfx.observables.running import Run, values_of
from mupfx.passes.capture import as_it_was
from mupfx.passes.frontends.runnable import SIZES, runnable
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.frontends.values import signature_of
from mupfx.passes.rewrite.build import Source, assemble
from mupfx.passes.rewrite.lockstep import Apart, lockstep
from mupfx.pipeline.analysis import Options, run_analysis

Lined = Mapping[str, fx.Node]
"""Node of the graph by the name that the analysis has for it."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the model is called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def bound(self, model: nn.Module) -> dict[str, Any]:
        """Arguments of ``forward`` by name."""
        return dict(_signature(model).bind(*self.args, **self.kwargs).arguments)


def _signature(model: nn.Module) -> Signature:
    found = signature_of(model)
    assert found is not None, "a model that could be captured has one"
    return found


def graph_of(model: nn.Module, call: Call) -> ModelGraph:
    """Capture a model, and find its blocks, layers and features.

    Raises:
        CaptureError: The model is no graph that can be run in its place.
    """
    analysis = run_analysis(model, call.args, call.kwargs, None, Options())
    try:
        with as_it_was(model), unwritten():
            mine = runnable(model, call.args, call.kwargs, ways=(SIZES,), whole=False)
    except MupfxError:
        raise
    except Exception as error:
        raise CaptureError(
            "this model is no graph that could be run and watched in its place",
            found=str(error).strip().partition("\n")[0][:200],
            expected="Python that does not ask for the values of tensors",
        ) from error
    lined = lockstep(analysis.captured.graph, mine.graph)
    module = assemble(model, Source(mine, None, analysis.captured.tied))
    names = first_names(model)
    if isinstance(lined, Apart):
        told = f"blocks are not told: {lined.first} here, {lined.second} in what was analysed"
        found = _graph(module, analysis, {}, names, (told,))
    else:
        found = _graph(module, analysis, _by_name(analysis, lined), names, ())
    return replace(found, signature=_signature(model))


def _by_name(analysis: Analysis, lined: Mapping[fx.Node, fx.Node]) -> dict[str, fx.Node]:
    found = {}
    for node in analysis.program.graph.nodes:
        captured = node.meta.get(CAPTURED, node)
        if captured in lined:
            found[node.name] = lined[captured]
    return found


def _graph(
    module: Any, analysis: Analysis, lined: Lined, names: Mapping[str, str], notes: tuple[str, ...]
) -> ModelGraph:
    graph = module.graph
    kinds = kinds_of(graph, names)
    made = ModelGraph(module, kinds, {}, (), None, (), (), _output(graph), notes)
    made = replace(made, shown=shown_of(graph, kinds), places=_places(made, analysis, lined))
    weighty = _contractions(made, analysis, lined)
    along = _along(weighty, analysis, lined)
    last = _last_layer(made, weighty)
    features = _data_of(made, last) if last is not None else None
    streams = tuple(_streams(analysis, lined))
    chosen = {*along, *(n for stream in streams for n in stream), made.output, features}
    return replace(
        made,
        layers=tuple(_layers(made, chosen, names)),
        depth=len(along),
        features=features,
        readout=_weights(made, last) if last is not None else (),
        streams=streams,
        turns=turns_of(graph),
    )


def _output(graph: fx.Graph) -> fx.Node | None:
    """The first tensor of the result that is more than one number; else the first."""
    result = next(node for node in graph.nodes if node.op == "output")
    found = [n for n in _leaves(result) if isinstance(n.meta.get("val"), torch.Tensor)]
    found = [n for n in found if n.meta["val"].is_floating_point()]
    return next((n for n in found if n.meta["val"].dim() > 0), next(iter(found), None))


def _leaves(node: fx.Node) -> Iterator[fx.Node]:
    """Tensors that a result is put together of."""
    for source in node.all_input_nodes:
        if "val" in source.meta:
            yield source
        else:
            yield from _leaves(source)


def _places(graph: ModelGraph, analysis: Analysis, lined: Lined) -> dict[fx.Node, Place]:
    blocks: dict[fx.Node, str] = {}
    for branch in sorted(analysis.streams.branches, key=lambda b: -len(b.nodes)):
        block = f"{branch.stream}.{branch.block}"
        blocks |= {lined[n]: block for n in (*branch.nodes, branch.end) if n in lined}
    return {
        node: Place(blocks.get(node, ""), next(iter(_weights(graph, node)), ""))
        for node in graph.kinds
        if node in blocks or graph.mixes(node)
    }


def _weights(graph: ModelGraph, node: fx.Node) -> tuple[str, ...]:
    """Parameters that a node reads, through nothing but parameters."""
    found: dict[str, None] = {}
    queue = [n for n in node.all_input_nodes if graph.kinds[n] is Kind.PARAMETER]
    while queue:
        source = queue.pop(0)
        if source.op == "get_attr":
            found[str(source.target)] = None
        queue += [n for n in source.all_input_nodes if graph.kinds[n] is Kind.PARAMETER]
    return tuple(found)


def _contractions(graph: ModelGraph, analysis: Analysis, lined: Lined) -> frozenset[fx.Node]:
    """Weight layers: nodes that sum over an axis of a parameter, or look rows up in it."""
    uses = [use.node for use in analysis.axes.uses if use.fan_in or use.index]
    found = {lined[name] for name in uses if name in lined}
    return frozenset(n for n in found if graph.kinds[n] is Kind.DATA)


def _data_of(graph: ModelGraph, node: fx.Node) -> fx.Node | None:
    found = [n for n in node.all_input_nodes if graph.kinds[n] is Kind.DATA]
    return next((n for n in found if isinstance(n.meta.get("val"), torch.Tensor)), None)


def _last_layer(graph: ModelGraph, layers: frozenset[fx.Node]) -> fx.Node | None:
    """The weight layer nearest to the output, by the way back through data."""
    node = graph.output
    while node is not None and node not in layers:
        node = _data_of(graph, node)
    return node


def _streams(analysis: Analysis, lined: Lined) -> Iterator[tuple[fx.Node, ...]]:
    for stream in analysis.streams.streams:
        mine = [b for b in analysis.streams.branches if b.stream == stream.name]
        names = dict.fromkeys((mine[0].start, *(b.end for b in mine)))
        found = [lined[n] for n in names if n in lined]
        yield tuple(_of_one_size(found))


def _of_one_size(nodes: list[fx.Node]) -> list[fx.Node]:
    """The longest run of values of one size, so that differences can be taken."""
    runs: list[list[fx.Node]] = []
    for node in nodes:
        if runs and runs[-1][0].meta["val"].shape == node.meta["val"].shape:
            runs[-1].append(node)
        else:
            runs.append([node])
    return max(runs, key=len, default=[])


def _along(layers: frozenset[fx.Node], analysis: Analysis, lined: Lined) -> frozenset[fx.Node]:
    """Residual adds, and weight layers outside of branches."""
    inside = {lined[n] for b in analysis.streams.branches for n in b.nodes if n in lined}
    ends = {lined[b.end] for b in analysis.streams.branches if b.end in lined}
    return layers - inside | ends


def _layers(
    graph: ModelGraph, chosen: Container[fx.Node | None], names: Mapping[str, str]
) -> Iterator[Layer]:
    """Values of these that parameters are in, in order."""
    for node in graph.module.graph.nodes:
        if node in chosen and graph.kinds[node] is Kind.DATA and node.op != "placeholder":
            found = layer(graph.module.graph, node, names)
            if found.through or found.beside:
                yield found


def holds(graph: ModelGraph, model: nn.Module, call: Call) -> bool:
    """Whether the graph gives what a model gives, up to rounding; random numbers are alike."""
    with torch.no_grad(), as_it_was(model), unwritten():
        state = torch.random.get_rng_state()
        wanted = model(*call.args, **call.kwargs)
        torch.random.set_rng_state(state)
        values = {k: v.detach().clone() for k, v in values_of(model).items()}
        found = Run(graph, values).on(call.bound(model))
    return all(
        torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(a.abs().max()) if a.numel() else 0.0)
        for a, b in zip(_tensors(wanted), _tensors(found), strict=True)
    )


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value.float()] if value.is_floating_point() else []
    members: Any = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | tuple | list):
        return []
    return [t for member in members for t in _tensors(member)]
