"""A parametrization on a page: its rules, where it lies in the plane of widths, what that does.

Without a name, every table that is known, and the plane with its thirteen limits.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.render.document import Column, Document, Lines, Row, Table
from mupfx.tables.limits import LIMITS, SOURCE, Edge, Limit, limit_of, observables
from mupfx.tables.names import Family
from mupfx.tables.parametrizations import FAMILIES, PARAMETRIZATIONS

_PLANE = (
    "a point is (q_s, q): exponents of the readout's init std and of the input's SGD learning rate",
    "stable where -1/2 <= q_s + q <= 0: above, updates blow up; below, nothing is learned",
    "points: NTK (-1/2, 0), MF and muP (-1, 1), sym-default (-1/2, 1/2)",
    SOURCE,
)


def parametrization_document(table: Parametrization) -> Document:
    """One table, with its place in the plane of widths if it has one."""
    return (
        Lines(table.name, (table.source, *table.cautions)),
        _rule_table(table),
        Lines("beyond single weights", tuple(_sites(table))),
        *(_place(*table.point) if table.point is not None else ()),
    )


def parametrizations_document() -> Document:
    """All that are known, and the plane's limits."""
    return (_known(PARAMETRIZATIONS, FAMILIES), Lines("the plane of widths", _PLANE), _limits())


def parametrization_dict(table: Parametrization) -> dict[str, Any]:
    """One table as data; powers and fractions as text."""
    found: dict[str, Any] = {
        "name": table.name,
        "source": table.source,
        "cautions": list(table.cautions),
        "rules": {name: _rule_dict(rule) for name, rule in _rules(table)},
        "attention": str(table.attention),
        "tied_readout": str(table.tied_readout),
        "own_init": table.own_init,
        "depth": None if table.depth is None else str(table.depth.alpha),
    }
    if table.point is None:
        return found
    limit = limit_of(*table.point)
    return found | {
        "point": [str(exponent) for exponent in table.point],
        "limit": None if limit is None else limit.name,
        "exponents": {name: str(value) for name, value in observables(*table.point).items()},
    }


def _rules(table: Parametrization) -> Iterator[tuple[str, Rule]]:
    yield from ((str(role), rule) for role, rule in table.rules.items())
    if table.embedding is not None:
        yield "embedding", table.embedding
    if table.readout_bias is not None:
        yield "readout bias", table.readout_bias


def _rule_dict(rule: Rule) -> dict[str, str | None]:
    return {
        "init_std": str(rule.init_std),
        "contraction": None if rule.contraction is None else str(rule.contraction),
        "lr_adam": str(rule.lr_adam),
        "lr_sgd": str(rule.lr_sgd),
        "gradient": str(rule.gradient),
        "source": rule.source,
    }


def _rule_table(table: Parametrization) -> Table:
    rows = tuple(_rule_row(table, name, rule) for name, rule in _rules(table))
    return Table("factors on values at the base", _RULE_COLUMNS, rows)


def _rule_row(table: Parametrization, name: str, rule: Rule) -> Row:
    spectral = "" if rule.contraction is None else f" min(1, {rule.contraction})"
    std = "" if spectral and rule.init_std == ONE else str(rule.init_std)
    source = _beyond(table, rule.source)
    rates = (str(rule.lr_adam), str(rule.lr_sgd), str(rule.gradient))
    return (name, f"{std}{spectral}".strip(), *rates, source)


def _sites(table: Parametrization) -> Iterator[str]:
    logits = _further(table.attention, "beyond 1/sqrt(head_dim)")
    yield f"attention logits: {logits}; {_beyond(table, table.attention_source)}"
    readout = _further(table.tied_readout, "on the output use")
    yield f"tied readout: {readout}; {_beyond(table, table.tied_readout_source)}"
    if table.own_init:
        yield "init: every value stays as the model draws it"
    if table.depth is None:
        yield "residual branches: as written, whatever their number"
        return
    depth = table.depth
    yield (
        f"residual branches: x {depth.branch}, their weights' Adam lr x {depth.lr_adam}, "
        f"gradient x {depth.gradient}; {depth.source}"
    )


def _beyond(table: Parametrization, source: str) -> str:
    """What a row's source says that the table's does not."""
    return source.removeprefix(table.source).lstrip(":;, ")


def _further(power: Power, where: str) -> str:
    return "as written" if power == ONE else f"x {power} {where}"


def _place(q_s: Fraction, q: Fraction) -> Document:
    limit = limit_of(q_s, q)
    if limit is None:
        above = q_s + q > 0
        where = "unstable: updates blow up" if above else "unstable: nothing is learned"
    else:
        where = f"stable: {limit.kind} {limit.name}, {limit.edge}"
    rows = tuple((name, str(value)) for name, value in observables(q_s, q).items())
    return (
        Lines(f"in the plane of widths at q_s = {q_s}, q = {q}", (where, SOURCE)),
        Table("predicted exponents of width", _OBSERVABLE_COLUMNS, rows),
    )


def _known(tables: Mapping[str, Parametrization], families: Mapping[str, Family]) -> Table:
    rows = [(name, table.source) for name, table in tables.items()]
    rows += [(f"{name}{family.signature}", family.about) for name, family in families.items()]
    return Table(
        "parametrizations", (Column("name"), Column("what it is", wraps=True)), tuple(rows)
    )


def _limits() -> Table:
    return Table("limits of the plane", _LIMIT_COLUMNS, tuple(map(_limit_row, LIMITS)))


def _limit_row(limit: Limit) -> Row:
    words = {-1: "vanishes", 0: "stays", 1: "grows"}
    return (
        limit.name,
        limit.kind,
        _where(limit),
        words[limit.output],
        words[limit.change],
        str(limit.edge),
    )


def _where(limit: Limit) -> str:
    if limit.at is not None:
        return "q_s = {}, q = {}".format(*limit.at)
    line = {Edge.FEATURES: ", q = -q_s", Edge.LAZY: ", q = -1/2 - q_s", Edge.INSIDE: ""}
    return f"q_s {_SIGNS[limit.output]} -1/2, q {_SIGNS[limit.change]} -1 - 2 q_s{line[limit.edge]}"


_SIGNS = {-1: "<", 0: "=", 1: ">"}
_KNOWN_COLUMNS = (Column("name"), Column("what it is", wraps=True))
_RULE_COLUMNS = (
    Column("role"),
    Column("init std"),
    Column("Adam lr"),
    Column("SGD lr"),
    Column("gradient, eps"),
    Column("source", wraps=True),
)
_OBSERVABLE_COLUMNS = (Column("of"), Column("exponent", right=True))
_LIMIT_COLUMNS = (
    Column("limit"),
    Column("kind"),
    Column("where, inside the band"),
    Column("output at the start"),
    Column("its change"),
    Column("features", wraps=True),
)
