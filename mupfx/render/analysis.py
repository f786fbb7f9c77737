"""Tables of an analysis: parameters, factor classes, streams, sites, findings."""

from collections.abc import Mapping

from mupfx.core.analysis import Analysis
from mupfx.core.axes import FactorClass, ParameterRole
from mupfx.core.structure import Branch, Site, Stream
from mupfx.core.vocabulary import Status
from mupfx.render.collapse import INDEX, NUMBER, collapse
from mupfx.render.document import Column, Document, Lines, Row, Table
from mupfx.render.factors import CLASS_NUMBER, fan, labels, parts, shape

_NONE = "-"


def analysis_document(analysis: Analysis, *, every_layer: bool = False) -> Document:
    """What ``mupfx inspect`` prints; repeated layers are one row unless ``every_layer``."""
    tables = (
        parameter_table(analysis),
        class_table(analysis, every_class=every_layer),
        doubt_table(analysis),
        stream_table(analysis),
        site_table(analysis),
    )
    shown = (table if every_layer else collapse(table) for table in tables if table.rows)
    findings = (Lines("findings", analysis.findings),) if analysis.findings else ()
    return (summary(analysis), *shown, *findings)


def summary(analysis: Analysis) -> Lines:
    """How the model was captured, and its size."""
    program = analysis.program
    nodes = len(program.graph.nodes)
    line = f"captured by {program.frontend}: {nodes} nodes, {len(analysis.roles)} parameters"
    probed = analysis.axes.probed
    found = (f"axes found by experiment: {', '.join(probed)}",) if probed else ()
    return Lines("model", (line, *found))


def parameter_table(analysis: Analysis) -> Table:
    """One row a parameter: shape as factors, role, fans, residual branch and why."""
    branches = dict(analysis.streams.parameters)
    classes = analysis.axes.classes
    rows = (_parameter_row(role, classes, branches) for role in analysis.roles.values())
    return Table("parameters", _PARAMETER_COLUMNS, tuple(rows))


def class_table(analysis: Analysis, *, every_class: bool = False) -> Table:
    """One row a factor class; those of activations alone only where all are wanted."""
    classes = analysis.axes.classes
    shown = classes if every_class else [name for name in classes if name in _stored(analysis)]
    rows = (_class_row(classes[name], analysis) for name in shown)
    return Table("factor classes", _CLASS_COLUMNS, tuple(rows))


def doubt_table(analysis: Analysis) -> Table:
    """One row a class whose answer is assumed, with what to type where it is not so."""
    stored = _stored(analysis)
    doubtful = (c for n, c in analysis.axes.classes.items() if n in stored and c.override)
    rows = dict.fromkeys(_doubt_row(c) for c in doubtful)
    return Table("assumed: a base model settles these, or an override", _DOUBT_COLUMNS, (*rows,))


def stream_table(analysis: Analysis) -> Table:
    """One row a residual stream."""
    words = labels(analysis.axes.classes)
    branches = analysis.streams.branches
    rows = (_stream_row(stream, words, branches) for stream in analysis.streams.streams)
    return Table("residual streams", _STREAM_COLUMNS, tuple(rows))


def site_table(analysis: Analysis) -> Table:
    """One row a place that may carry a multiplier of its own."""
    words = labels(analysis.axes.classes)
    rows = (_site_row(site, words) for site in analysis.sites)
    return Table("sites", _SITE_COLUMNS, tuple(rows))


def _stored(analysis: Analysis) -> set[str]:
    """Classes along parameters, streams and sites."""
    stored = {name for role in analysis.roles.values() for axis in role.axes for name in axis}
    stored |= {stream.factor_class for stream in analysis.streams.streams}
    return stored | {name for site in analysis.sites for name in site.classes}


def _parameter_row(
    role: ParameterRole, classes: Mapping[str, FactorClass], branches: Mapping[str, str]
) -> Row:
    doubt = "" if role.status is Status.CERTAIN else f" ({role.status})"
    tied = f"; tied to {', '.join(role.tied_to)}" if role.tied_to else ""
    made = f"; made of {parts(role.parts, role.shape)}" if role.parts else ""
    return (
        role.name,
        shape(role.axes, classes),
        f"{role.role}{doubt}",
        fan(role.fan_in, role.shape),
        fan(role.fan_out, role.shape),
        branches.get(role.name, _NONE),
        role.why + made + tied,
    )


def _class_row(found: FactorClass, analysis: Analysis) -> Row:
    ratios = analysis.ratios
    ratio = _NONE if ratios is None else str(ratios.classes.get(found.name, 1))
    reason = _NONE if found.reason is None else str(found.reason)
    return (
        found.name,
        found.label,
        str(found.size),
        ratio,
        str(found.kind),
        str(found.status),
        reason,
        found.evidence,
    )


def _doubt_row(found: FactorClass) -> Row:
    return (found.label, str(found.size), str(found.kind), f"--override '{found.override}'")


def _stream_row(stream: Stream, words: Mapping[str, str], branches: tuple[Branch, ...]) -> Row:
    own = sum(branch.stream == stream.name for branch in branches)
    return (
        stream.name,
        words.get(stream.factor_class, stream.factor_class),
        str(stream.depth),
        str(stream.block_depth),
        str(own),
    )


def _site_row(site: Site, words: Mapping[str, str]) -> Row:
    base = _NONE if site.base_scale is None else f"{site.base_scale:.6g}"
    over = " x ".join(words.get(name, name) for name in site.classes) or _NONE
    return (site.name, str(site.kind), over, f"{site.scale:.6g}", base, site.where or site.node)


_PARAMETER_COLUMNS = (
    Column("parameter", varies=INDEX),
    Column("shape", varies=CLASS_NUMBER),
    Column("role"),
    Column("fan-in"),
    Column("fan-out"),
    Column("branch", varies=NUMBER),
    Column("why", sample=True, wraps=True),
)
_CLASS_COLUMNS = (
    Column("class", varies=NUMBER),
    Column("label", varies=CLASS_NUMBER),
    Column("size", right=True),
    Column("ratio", right=True),
    Column("kind"),
    Column("status"),
    Column("reason"),
    Column("evidence", sample=True, wraps=True),
)
_DOUBT_COLUMNS = (
    Column("class", varies=CLASS_NUMBER),
    Column("size", right=True),
    Column("taken as"),
    Column("if it is not so", varies=CLASS_NUMBER),
)
_STREAM_COLUMNS = (
    Column("stream"),
    Column("class"),
    Column("depth", right=True),
    Column("block depth", right=True),
    Column("branches", right=True),
)
_SITE_COLUMNS = (
    Column("site", varies=NUMBER),
    Column("kind"),
    Column("over"),
    Column("scale", right=True),
    Column("base scale", right=True),
    Column("where", sample=True, wraps=True),
)
