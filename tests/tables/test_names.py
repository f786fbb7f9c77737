"""Reading names with parameters, and what is said about those that mean nothing."""

from fractions import Fraction

import pytest
from inline_snapshot import snapshot

from mupfx.errors import ParametrizationError
from mupfx.tables.parametrizations import parametrization

SAME = {
    "meta(1/2)": ("meta(0.5)", " meta ( 1/2 ) ", "meta(s=0.5)", "meta(2/4)"),
    "plane(-1/2, 0)": ("plane(-1/2, 0)", "plane(-0.5,0)", "plane(q=0, q_s=-1/2)"),
    "everett(sp, full)": ("everett(sp,full)", "everett(sp, alignment=full)"),
    "mup": ("mup", " mup "),
}


@pytest.mark.parametrize(("name", "written"), [(n, w) for n, ws in SAME.items() for w in ws])
def test_spellings(name: str, written: str) -> None:
    table = parametrization(written)
    assert table.name == name
    assert parametrization(table.name).rules == table.rules


def test_numbers_are_exact() -> None:
    assert parametrization("meta(0.1)").point == (Fraction(-11, 20), Fraction(1, 10))


def refused(text: str) -> str:
    with pytest.raises(ParametrizationError) as caught:
        parametrization(text)
    return str(caught.value)


def test_unknown() -> None:
    lines = refused("mu-p").splitlines()
    assert lines[0] == "no parametrization `mu-p`"
    assert "plane(q_s, q), meta(s)" in lines[1]
    assert lines[2] == "  hint: did you mean `mup` or `u_mup`?"


@pytest.mark.parametrize("text", ["", "meta(0.5", "meta 0.5", "(1)", "meta(1)(2)", "a\nb"])
def test_malformed(text: str) -> None:
    assert refused(text).startswith(f"no parametrization `{text}`")


ERRORS = snapshot(
    {
        "mup(1)": """\
`mup` has no parameters
  found: `mup(1)`
  hint: "mup"\
""",
        "meta": """\
`meta` needs its parameters
  expected: meta(s): s, metaparameter, a fraction from 0 to 1, such as 1/2 or 0.5
  found: `meta`\
""",
        "meta(1, 1)": """\
`meta` takes s
  expected: s, metaparameter, a fraction from 0 to 1, such as 1/2 or 0.5
  found: `meta(1, 1)`\
""",
        "meta(t=1)": """\
`meta` takes s
  expected: s, metaparameter, a fraction from 0 to 1, such as 1/2 or 0.5
  found: `meta(t=1)`\
""",
        "meta(3/2)": """\
s = 3/2 is not understood
  where: `meta(3/2)`
  expected: s, metaparameter: a fraction from 0 to 1, such as 1/2 or 0.5\
""",
        "rich(half)": """\
r = half is not understood
  where: `rich(half)`
  expected: r, richness: a fraction from 0 to 1/2, such as 1/2 or 0.5\
""",
        "plane(1/0, 0)": """\
q_s = 1/0 is not understood
  where: `plane(1/0, 0)`
  expected: q_s, exponent of the readout's std: a fraction, such as 1/2 or 0.5\
""",
        "everett(sp, ful)": """\
alignment = ful is not understood
  where: `everett(sp, ful)`
  expected: alignment, of updates with their inputs: one of full, none
  hint: did you mean `full`?\
""",
    }
)


WRONG = (
    "mup(1)", "meta", "meta(1, 1)", "meta(t=1)", "meta(3/2)", "rich(half)", "plane(1/0, 0)",
    "everett(sp, ful)",
)  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_parameters(text: str) -> None:
    assert refused(text) == ERRORS[text]
