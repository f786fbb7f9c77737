"""Run the analysis passes in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from mupfx.core.analysis import Analysis
from mupfx.core.axes import Axes
from mupfx.core.base import Ratios, Uneven
from mupfx.core.ops import constant_factor
from mupfx.core.program import Program, source_line
from mupfx.core.structure import Site, Streams
from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.errors import AnalysisError, BaseError
from mupfx.passes.align import Twins
from mupfx.passes.axes import infer_axes
from mupfx.passes.certainty import doubt
from mupfx.passes.ends import find_ends
from mupfx.passes.layers import uneven_growth
from mupfx.passes.lint import lint
from mupfx.passes.normalize import normalize
from mupfx.passes.ratios import of_model, of_shapes, of_sizes, of_width, with_overrides
from mupfx.passes.roles import assign_roles
from mupfx.passes.single import doubt_single
from mupfx.passes.sites import find_sites
from mupfx.passes.streams import find_streams
from mupfx.passes.tables import doubt_tables
from mupfx.pipeline.bases import Given
from mupfx.pipeline.depths import counts, counts_of_base, depths
from mupfx.pipeline.pairing import Captures, captured_pair, line_up


@dataclass(frozen=True, slots=True)
class Options:
    """What a user can say about growth."""

    base_depth: int | Mapping[str, int] | None = None
    infer_depth: bool = True
    """Take the depth of a base model as it is; False asks for ``base_depth`` where it differs."""
    layers: bool = False
    """Count the layers of a plain net as its depth."""
    grow: str = "heads"
    overrides: Mapping[str, str] = field(default_factory=dict)


def run_analysis(  # noqa: PLR0913, PLR0917 - a model, its base, and what is known of them
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    base: Given | None,
    options: Options,
    captures: Captures | None = None,
) -> Analysis:
    """Capture, normalise, and infer axes, roles, streams, sites and growth."""
    captured, beside, base = captured_pair(model, args, kwargs, base, captures)
    program = normalize(captured)
    lined = line_up(base, program, beside, options.grow)
    base, twins = lined.base, lined.twins
    axes = infer_axes(program, twins=twins, grow=options.grow)
    if twins:
        _require_agreement(axes)
    streams = find_streams(program, axes)
    axes = _label_streams(axes, streams)
    if not twins:
        axes = doubt_tables(program, doubt_single(program, doubt(axes, streams)))
    if options.overrides:
        axes = with_overrides(axes, options.overrides)
        streams = find_streams(program, axes)
    ratios = None if base is None else _ratios(base, axes, streams)
    uneven: tuple[Uneven, ...] = ()
    if base is not None and ratios is not None:
        axes = _with_base(axes, base, ratios)
        mine = counts(program, axes, streams, layers=options.layers)
        theirs = mine if lined.inserted else counts_of_base(beside, layers=options.layers)
        depth = depths(mine, theirs, options.base_depth, infer=options.infer_depth)
        ratios = replace(ratios, depth=depth)
        uneven = tuple(uneven_growth(program, axes, streams, ratios))
    roles = assign_roles(program, axes)
    sites = find_sites(program, axes, roles, twins=twins)
    _require_sound(program, axes)
    ends = find_ends(program, axes, roles, streams, twins)
    findings = (*_findings(program, axes, ratios), *_constants(twins, (*sites, *ends)))
    findings += (*map(str, uneven[:3]), *lined.told)
    findings += (base.note,) if base is not None and base.note else ()
    return Analysis(
        captured, program, axes, roles, streams, sites, ratios, findings, twins, ends, uneven
    )


def _require_sound(program: Program, axes: Axes) -> None:
    """Refuse to go on from an analysis that contradicts itself: a rule is wrong, not the model."""
    problems = lint(program, axes)
    if problems:
        raise AnalysisError(
            "the analysis contradicts itself",
            found="; ".join(problems[:3]),
            hint="this is a bug in mupfx: report it with the model",
        )


def _require_agreement(axes: Axes) -> None:
    if axes.conflicts:
        raise BaseError(
            "an axis grew in only some places",
            where=axes.conflicts[0],
            expected="equal sizes here to be equal at the base",
            hint="build the base so that every layer shrinks alike",
        )


def _ratios(base: Given, axes: Axes, streams: Streams) -> Ratios:
    if base.model is not None:
        return of_model(axes)
    if base.width is not None:
        return of_width(axes, streams, base.width)
    if base.sizes is not None:
        return of_sizes(axes, streams, base.sizes)
    return of_shapes(axes, base.shapes or {})


def _with_base(axes: Axes, base: Given, ratios: Ratios) -> Axes:
    """What the base settles: what grew is width; with all shapes given, what did not stays."""
    classes = dict(axes.classes)
    settles = base.shapes is not None and any(r != 1 for r in ratios.classes.values())
    for name, ratio in ratios.classes.items():
        found = classes[name]
        if ratio != 1 and (settles or found.kind is Kind.FINITE):
            classes[name] = replace(
                found, kind=Kind.WIDTH, status=Status.CERTAIN, reason=None,
                evidence=f"grew by {ratio} from the base",
            )  # fmt: skip
        elif settles and (found.kind is Kind.WIDTH or found.status is Status.ASSUMED):
            classes[name] = replace(
                found, kind=Kind.FINITE, status=Status.CERTAIN, reason=found.reason or Reason.BASE,
                evidence="as long at the base",
            )  # fmt: skip
    return replace(axes, classes=classes)


def _label_streams(axes: Axes, streams: Streams) -> Axes:
    """The residual stream's factor is called width; with several sizes, each by its number."""
    names = list(dict.fromkeys(s.factor_class for s in streams.streams if s.factor_class))
    classes = dict(axes.classes)
    for i, name in enumerate(names):
        if classes[name].kind is Kind.WIDTH and classes[name].label == name:
            classes[name] = replace(classes[name], label="width" if i == 0 else f"width_{i + 1}")
    return replace(axes, classes=classes)


def _constants(twins: Twins, sites: Sequence[Site]) -> list[str]:
    """Constants in the code that differ at the base, outside the sites that account for them."""
    counted = {name for site in sites for name in site.constants}
    found = []
    for node, twin in twins.items():
        here, there = constant_factor(node), constant_factor(twin)
        if node.name not in counted and here is not None and there is not None and here != there:
            place = source_line(node)
            found.append(
                f"a factor in the code is {here:g} here and {there:g} at the base: {place}"
            )
    return list(dict.fromkeys(found))


def _findings(program: Program, axes: Axes, ratios: Ratios | None) -> list[str]:
    found = [f"{name} is never reached by the example" for name in program.unreached]
    found += list(axes.unknown_ops.values())
    found += [
        f"numbers that did not come from torch are taken as constants: {source_line(node)}"
        for node in program.graph.nodes
        if node.name in program.outside
    ]
    found += [f"two axes should be equal and are not: {text}" for text in axes.conflicts]
    if ratios is not None:
        found += ratios.findings
        if all(r == 1 for r in (*ratios.classes.values(), *ratios.depth.values())):
            found.append("this is the base model: every ratio is 1")
    return found


def positional(args: object) -> Sequence[Any]:
    """Positional inputs; a single tensor may stand for itself."""
    return args if isinstance(args, tuple | list) else (args,)
