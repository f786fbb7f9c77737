"""What an analysis says, without the names it says it in; and analyses of rewritten graphs."""

import random
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import fx

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.core.axes import Axes, ParameterRole
from mupfx.core.program import Program as Captured
from mupfx.core.vocabulary import Kind, Role, Status
from mupfx.passes.align import align
from mupfx.passes.axes import infer_axes
from mupfx.passes.capture import capture
from mupfx.passes.certainty import doubt
from mupfx.passes.normalize import normalize
from mupfx.passes.roles import assign_roles
from mupfx.passes.streams import find_streams
from tests.properties.programs import Program, Truth, truths

Names = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One parameter: its role, its fans, which dimensions are width, and which are alike."""

    role: Role
    fan_in: tuple[int, ...]
    fan_out: tuple[int, ...]
    width: tuple[int, ...]
    status: Status = field(compare=False)
    """How sure it is may depend on sizes: where all are equal, all of them grow together."""
    axes: tuple[tuple[int, ...], ...]

    def truth(self) -> Truth:
        """The part of it that is known by construction."""
        return Truth(self.role, self.width, self.fan_in)

    def coarse(self) -> "Answer":
        """Without the factors of its dimensions, which a decomposition may cut finer."""
        return replace(self, axes=())


def answers(
    axes: Axes, roles: Mapping[str, ParameterRole], keys: Iterable[str], names: Names = str
) -> dict[str, Answer]:
    """An answer by key, factor classes numbered in the order of the keys."""
    numbers: dict[str, int] = {}
    found = {}
    for key in sorted(keys):
        role = roles[names(key)]
        kinds = [[axes.classes[c].kind for c in dim] for dim in role.axes]
        found[key] = Answer(
            role.role,
            role.fan_in,
            role.fan_out,
            tuple(d for d, dim in enumerate(kinds) if Kind.WIDTH in dim),
            role.status,
            tuple(tuple(numbers.setdefault(c, len(numbers)) for c in dim) for dim in role.axes),
        )
    return found


def analyze(
    program: Program, *, base: bool, names: Names = str, order: int | None = None
) -> tuple[dict[str, Answer], Analysis]:
    """Answers of the public analysis at twice the width, by the program's own keys."""
    model = program.build(2, names=names, order=order)
    beside = program.build(1, names=names, order=order) if base else None
    found = mupfx.analyze(model, program.inputs(), base=beside)
    return answers(found.axes, found.roles, model.known, names), found


def captured(program: Program, scale: int) -> Captured:
    """The graph that the passes see."""
    return normalize(capture(program.build(scale), (program.inputs(),), {}))


def infer(mine: Captured, base: Captured | None) -> dict[str, Answer]:
    """Answers of the axis and role passes alone, from graphs."""
    axes = infer_axes(mine, twins=align(mine, base) if base is not None else {})
    if base is None:
        axes = doubt(axes, find_streams(mine, axes))
    return answers(axes, assign_roles(mine, axes), mine.shapes)


def reordered(program: Captured, seed: int) -> Captured:
    """The same graph with its nodes in another order that computes the same."""
    chance = random.Random(seed)
    graph, made = fx.Graph(), dict[fx.Node, fx.Node]()
    waiting = list(program.graph.nodes)
    while waiting:
        ready = [n for n in waiting if all(i in made for i in n.all_input_nodes)]
        ready = [n for n in ready if n.op != "output"] or ready
        node = chance.choice(ready)
        made[node] = graph.node_copy(node, lambda n: made[n])
        waiting.remove(node)
    return replace(program, graph=graph)


def wrong(program: Program, found: Mapping[str, Answer], *, certain: bool = False) -> list[str]:
    """Parameters that are not what the program says; only those called certain, if asked."""
    expected = truths(program)
    return [
        f"{key} ({found[key].status}): {found[key].truth()} and not {truth}"
        for key, truth in expected.items()
        if found[key].truth() != truth and not (certain and found[key].status != Status.CERTAIN)
    ]


def decomposed(program: Program, scale: int, whole: Captured) -> Captured:
    """The graph in core ATen ops, beside the ``whole`` one."""
    model = program.build(scale)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, of its own trees
        exported = torch.export.export(model, (program.inputs(),), strict=False)
        exported = exported.run_decompositions()
    graph = exported.graph_module.graph
    signature = exported.graph_signature
    return normalize(
        replace(
            whole,
            graph=graph,
            parameters=dict(signature.inputs_to_parameters),
            buffers={
                **signature.inputs_to_buffers,
                **signature.inputs_to_lifted_tensor_constants,
            },
            inputs=tuple(signature.user_inputs),
        )
    )
