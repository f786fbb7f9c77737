"""Every table with width against literals typed in from the papers' rules, and what binds them.

``0``, ``-1/2`` and so on are exponents of the width ratio where all widths grow alike.
"""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.parametrization import Parametrization, Rule
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.tables.limits import LIMITS, limit_of, observables
from mupfx.tables.mup import MUP
from mupfx.tables.parametrizations import PARAMETRIZATIONS, parametrization
from mupfx.tables.plane import plane

INPUT, HIDDEN, OUTPUT, VECTOR, SCALAR = Role
Row = tuple[str, str, str, str]

# name -> role -> init std, SGD lr, Adam lr, gradient and Adam's eps, as exponents of the width
TABLES: dict[str, dict[str, Row]] = {
    "sp": dict.fromkeys(Role, ("0", "0", "0", "0")),
    "mup": {
        INPUT: ("0", "1", "0", "-1"),
        HIDDEN: ("-1/2", "0", "-1", "-1"),
        OUTPUT: ("-1", "-1", "-1", "0"),
        VECTOR: ("0", "1", "0", "-1"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "ntk": {
        INPUT: ("0", "0", "-1/2", "-1/2"),
        HIDDEN: ("-1/2", "-1", "-3/2", "-1/2"),
        OUTPUT: ("-1/2", "-1", "-1", "0"),
        VECTOR: ("0", "0", "-1/2", "-1/2"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "mean_field": {
        INPUT: ("0", "1", "0", "-1"),
        HIDDEN: ("-1/2", "0", "-1", "-1"),
        OUTPUT: ("-1", "-1", "-1", "0"),
        VECTOR: ("0", "1", "0", "-1"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "sym_default": {
        INPUT: ("0", "1/2", "0", "-1/2"),
        HIDDEN: ("-1/2", "-1/2", "-1", "-1/2"),
        OUTPUT: ("-1/2", "-1/2", "-1/2", "0"),
        VECTOR: ("0", "1/2", "0", "-1/2"),
        SCALAR: ("0", "0", "0", "0"),
        "readout bias": ("0", "1/2", "1/2", "0"),
    },
    "meta(0.5)": {
        INPUT: ("0", "1/2", "-1/4", "-3/4"),
        HIDDEN: ("-1/2", "-1/2", "-5/4", "-3/4"),
        OUTPUT: ("-3/4", "-1", "-1", "0"),
        VECTOR: ("0", "1/2", "-1/4", "-3/4"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "plane(-3/4, 3/4)": {
        INPUT: ("0", "3/4", "0", "-3/4"),
        HIDDEN: ("-1/2", "-1/4", "-1", "-3/4"),
        OUTPUT: ("-3/4", "-3/4", "-3/4", "0"),
        VECTOR: ("0", "3/4", "0", "-3/4"),
        SCALAR: ("0", "0", "0", "0"),
        "readout bias": ("0", "1/4", "1/4", "0"),
    },
    "everett(sp, full)": {
        INPUT: ("0", "1/2", "0", "-1/2"),
        HIDDEN: ("-1/2", "-1/2", "-1", "-1/2"),
        OUTPUT: ("-1/2", "-1", "-1", "0"),
        VECTOR: ("0", "1/2", "0", "-1/2"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "everett(ntk, none)": {
        INPUT: ("0", "1/2", "0", "-1/2"),
        HIDDEN: ("-1/2", "0", "-1/2", "-1/2"),
        OUTPUT: ("-1/2", "-1/2", "-1/2", "0"),
        VECTOR: ("0", "1/2", "0", "-1/2"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "everett(mup, full)": {
        INPUT: ("0", "1", "0", "-1"),
        HIDDEN: ("-1/2", "0", "-1", "-1"),
        OUTPUT: ("-1", "-1", "-1", "0"),
        VECTOR: ("0", "1", "0", "-1"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "everett(mean_field, none)": {
        INPUT: ("0", "1", "0", "-1"),
        HIDDEN: ("-1/2", "1/2", "-1/2", "-1"),
        OUTPUT: ("-1", "-1/2", "-1/2", "0"),
        VECTOR: ("0", "1", "0", "-1"),
        SCALAR: ("0", "0", "0", "0"),
    },
    "u_mup": {
        INPUT: ("0", "1", "0", "-1"),
        HIDDEN: ("-1/2", "0", "-1", "-1"),
        OUTPUT: ("-1", "-1", "-1", "0"),
        VECTOR: ("0", "1", "0", "-1"),
        SCALAR: ("0", "0", "0", "0"),
        "embedding": ("0", "1/2", "-1/2", "-1"),
    },
}
IN_WIDTH_MUP = ("depth_mup", "completep", "ic_mean_field", "fsc")
TABLES |= dict.fromkeys(IN_WIDTH_MUP, TABLES["mup"])
EVERY = sorted(TABLES)

fractions = st.fractions(min_value=-2, max_value=2, max_denominator=8)


def total(power: Power) -> Fraction:
    """The exponent of width, where all widths grow alike."""
    return sum((e for symbol, e in power.exponents if symbol != "depth"), Fraction(0))


def exponents(rule: Rule) -> tuple[Fraction, ...]:
    return tuple(map(total, (rule.init_std, rule.lr_sgd, rule.lr_adam, rule.gradient)))


def rules(table: Parametrization) -> dict[str, Rule]:
    found: dict[str, Rule] = dict(table.rules.items())
    special = {"embedding": table.embedding, "readout bias": table.readout_bias}
    return found | {name: rule for name, rule in special.items() if rule is not None}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_the_papers(name: str) -> None:
    found = {role: exponents(rule) for role, rule in rules(parametrization(name)).items()}
    assert found == {role: tuple(map(Fraction, row)) for role, row in TABLES[name].items()}


@pytest.mark.parametrize("name", EVERY)
def test_identities(name: str) -> None:
    """SGD's rate is Adam's over the gradient, in the tables as they were typed in too."""
    for rule in rules(parametrization(name)).values():
        assert rule.lr_sgd * rule.gradient == rule.lr_adam
    for _, sgd, adam, gradient in TABLES[name].values():
        assert Fraction(sgd) == Fraction(adam) - Fraction(gradient)


def test_every_table_is_typed_in() -> None:
    assert PARAMETRIZATIONS.keys() <= TABLES.keys()


@pytest.mark.parametrize("name", EVERY)
def test_every_row_has_a_source(name: str) -> None:
    table = parametrization(name)
    assert set(table.rules) == set(Role)
    cited = [table.source, table.attention_source, table.tied_readout_source]
    cited += [rule.source for rule in rules(table).values()]
    assert all(cited)


def test_mup_is_a_point_of_the_plane() -> None:
    at = plane(Fraction(-1), Fraction(1))
    for role, rule in MUP.rules.items():
        theirs = at.rules[role]
        assert (rule.init_std, rule.lr_adam, rule.gradient, rule.contraction) == (
            theirs.init_std,
            theirs.lr_adam,
            theirs.gradient,
            theirs.contraction,
        )
    assert (at.attention, at.tied_readout) == (MUP.attention, MUP.tied_readout)
    assert (at.readout_bias, at.point) == (None, MUP.point)


def test_one_line_under_three_names() -> None:
    for s in ("0", "1/4", "1/2", "1"):
        line = parametrization(f"meta({s})")
        half = Fraction(s) / 2
        same = (
            parametrization(f"rich({half})"),
            parametrization(f"plane({-(1 + Fraction(s)) / 2}, {s})"),
        )
        for other in same:
            assert [exponents(r) for r in rules(other).values()] == [
                exponents(r) for r in rules(line).values()
            ]
            assert other.point == line.point


@given(fractions, fractions)
def test_a_tied_readout_is_a_readout(q_s: Fraction, q: Fraction) -> None:
    """Embedding's row and the multiplier make the readout's std, SGD rate and Adam rate."""
    table = plane(q_s, q)
    multiplier = total(table.tied_readout)
    std, sgd, adam, gradient = exponents(table.rules[Role.INPUT])
    readout = exponents(table.rules[Role.OUTPUT])
    assert (std + multiplier, sgd + 2 * multiplier, adam + multiplier) == readout[:3]
    assert gradient == multiplier + readout[3]


@given(fractions, fractions)
def test_a_hidden_layer_and_its_bias_move_alike(q_s: Fraction, q: Fraction) -> None:
    """What a layer's update does to its output: fan-in times its rate and its gradient."""
    table = plane(q_s, q)
    vector, hidden = table.rules[Role.VECTOR], table.rules[Role.HIDDEN]
    assert hidden.lr_adam * Power.of(fan_in=1) == vector.lr_adam
    assert hidden.gradient == vector.gradient


@given(fractions, fractions)
def test_logits_of_aligned_queries_keep_their_size(q_s: Fraction, q: Fraction) -> None:
    """Queries that moved along their keys add up over head_dim."""
    at = observables(q_s, q)
    moved = 1 + at["change of a feature"]
    assert total(plane(q_s, q).attention) - Fraction(1, 2) == -moved


@given(fractions, fractions)
def test_what_a_wide_layer_adds_below_a_narrow_one(q_s: Fraction, q: Fraction) -> None:
    """The contraction shares what layers below add to the output's change evenly.

    With ``a`` and ``b`` the widths below and at the top, the layer below adds the square of its
    gradient, ``b^(1 + 2 q_s)``, times its rate, ``a^q``, times the contraction squared.
    """
    contraction = plane(q_s, q).rules[Role.HIDDEN].contraction
    below = (q, 1 + 2 * q_s)
    shared = dict(contraction.exponents) if contraction is not None else {}
    a = below[0] + 2 * shared.get("fan_in", Fraction(0))
    b = below[1] + 2 * shared.get("fan_out", Fraction(0))
    assert a + b == observables(q_s, q)["change of the output"]
    assert a == (Fraction(0) if q > 0 else q)


@pytest.mark.parametrize(
    ("point", "name"),
    {
        "-1 1": "MF",
        "-1/2 0": "NTK",
        "-1/2 1/2": "sym-default",
        "-3/4 1/2": "MF-NTK",
        "-1/2 1/4": "NTK-sym",
        "-3/4 3/4": "sym-MF",
        "-2/3 1/2": "inside the triangle MF, NTK, sym-default",
        "-3/2 3/2": "post-MF",
        "0 0": "pre-sym",
        "-1 1/2": "post-NTK",
        "0 -1/2": "pre-NTK",
        "-1 3/4": "post-MF-NTK",
        "0 -1/4": "pre-NTK-sym",
    }.items(),
)
def test_limits(point: str, name: str) -> None:
    limit = limit_of(*map(Fraction, point.split()))
    assert limit is not None
    assert limit.name == name


@given(fractions, fractions)
def test_every_stable_point_has_one_limit(q_s: Fraction, q: Fraction) -> None:
    stable = Fraction(-1, 2) <= q_s + q <= 0
    assert (limit_of(q_s, q) is not None) is stable
    unstable = [c for c in plane(q_s, q).cautions if c.startswith("unstable")]
    assert bool(unstable) is not stable


def test_points_lie_where_they_say() -> None:
    for limit in LIMITS:
        assert (limit.at is None) is (limit.kind != "point")
        assert limit.at is None or limit_of(*limit.at) is limit


def test_there_are_thirteen_limits() -> None:
    kinds = [limit.kind for limit in LIMITS]
    assert [kinds.count(kind) for kind in ("point", "segment", "region")] == [3, 7, 3]
    assert len({(limit.output, limit.change, limit.edge) for limit in LIMITS}) == 13


def test_what_has_no_proof_says_so() -> None:
    assert "measured otherwise" in str(parametrization("ntk").cautions)
    assert "ReLU" in str(parametrization("meta(0)").cautions)
    assert not parametrization("meta(1)").cautions[1:]
    for name in ("everett(sp, full)", "everett(mup, none)", "u_mup"):
        assert any(caution.startswith("empirical") for caution in parametrization(name).cautions)
    assert MUP.cautions == ()


def test_sp_and_everett_leave_logits_as_written() -> None:
    for name in ("sp", "ntk", "everett(mup, full)"):
        assert parametrization(name).attention == ONE
