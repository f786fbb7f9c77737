"""Tables from TOML files: what a good one becomes, and one clear error for each bad one."""

from fractions import Fraction
from pathlib import Path

import pytest
from inline_snapshot import snapshot

from mupfx.core.vocabulary import Role
from mupfx.errors import ParametrizationError
from mupfx.tables.mup import MUP
from mupfx.tables.parametrizations import parametrization

OWN = """
source = "report 7, table 2"
attention = "head_dim^-1/2"
tied_readout = "fan_in^-1"

[input]
init_std = 1
lr = {adam = "1", sgd = "fan_out"}

[hidden]
init_std = "fan_in^-0.5"
lr = {adam = "fan_in^-1", sgd = "fan_in^-1 fan_out^1"}
eps = {adam = "fan_out^-1"}
contraction = "fan_out^1/2 fan_in^-1/2"
source = "report 7, row 2"

[output]
init_std = "fan_in^-1"
lr = {adamw = "fan_in^-1", adam = "fan_in^-1"}
gradient = "1"

[vector]
init_std = "1"
lr = {sgd = "fan_out"}
eps = {adamw = "fan_out^-1"}

[scalar]
init_std = "1"
lr = {adam = "1", sgd = "1"}
"""


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    """The table above with parts of its text changed, in ``own.toml``."""
    text = OWN
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "own.toml"
    path.write_text(text)
    return path


def refused(path: Path) -> str:
    with pytest.raises(ParametrizationError) as caught:
        parametrization(path)
    return str(caught.value).replace(str(path.parent), "FOLDER")


def test_mup_written_as_a_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    table = parametrization(str(path))
    for given in (table, parametrization(path)):
        for role, rule in MUP.rules.items():
            found = given.rules[role]
            assert (found.init_std, found.lr_adam, found.gradient, found.contraction) == (
                rule.init_std,
                rule.lr_adam,
                rule.gradient,
                rule.contraction,
            )
        assert (given.attention, given.tied_readout) == (MUP.attention, MUP.tied_readout)
        assert (given.name, given.source) == ("own", "report 7, table 2")
    assert table.rules[Role.HIDDEN].source == "report 7, row 2"
    assert table.rules[Role.OUTPUT].source == "report 7, table 2, [output]"


def test_special_rows_and_depth(tmp_path: Path) -> None:
    extra = 'depth = "1/2"\n[embedding]\ninit_std = "1"\ngradient = "fan_out^-1"\nlr.adam = "fan_out^-1/2"\n[input]'
    table = parametrization(write(tmp_path, ("[input]", extra)))
    assert table.depth is not None
    assert table.depth.alpha == Fraction(1, 2)
    assert table.embedding is not None
    assert str(table.embedding.lr_sgd) == "fan_out^1/2"
    assert table.readout_bias is None


def test_rates_of_any_two_optimizers_settle_the_others(tmp_path: Path) -> None:
    """Adafactor's rate is Adam's over the weight: ``fan_in^-1 / fan_in^-1/2``."""
    written = 'lr = {adam = "fan_in^-1", sgd = "fan_in^-1 fan_out^1"}\neps = {adam = "fan_out^-1"}'
    given = 'lr = {adafactor = "fan_in^-1/2", sgd = "fan_in^-1 fan_out"}'
    assert parametrization(write(tmp_path, (written, given))).rules[Role.HIDDEN].lr_adam == (
        MUP.rules[Role.HIDDEN].lr_adam
    )


def test_a_missing_role(tmp_path: Path) -> None:
    assert refused(write(tmp_path, ("[vector]", "[embedding]"))) == snapshot("""\
the table has no [vector]
  where: FOLDER/own.toml
  expected: [input], [hidden], [output], [vector], [scalar]
  found: [input], [hidden], [output], [embedding], [scalar]\
""")


def test_an_unknown_optimizer(tmp_path: Path) -> None:
    lines = refused(write(tmp_path, ("lr = {adamw =", "lr = {admaw ="))).splitlines()
    assert lines[0] == "no optimizer family `admaw`"
    assert lines[1] == "  where: FOLDER/own.toml, output.lr.admaw"
    assert lines[3].startswith("  hint: did you mean `adam")


def test_an_optimizer_that_depends_on_shapes(tmp_path: Path) -> None:
    assert refused(write(tmp_path, ("lr = {adamw =", "lr = {muon ="))) == snapshot("""\
lr of muon does not belong into a table
  where: FOLDER/own.toml, output.lr.muon
  hint: leave it out: it follows from the others and from each shape\
""")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("fan_in^half", "`half` is no fraction"),
        ("fan_in^1/0", "`1/0` is no fraction"),
        ("fan_in^", "`` is no fraction"),
        ("width^-1", "unknown symbols ['width']"),
        ("fan_in^1 fan_in^-2", "fan_in stands there twice"),
        ("", "there is nothing; for no change write 1"),
    ],
)
def test_what_is_no_power(tmp_path: Path, bad: str, said: str) -> None:
    text = refused(write(tmp_path, ('"fan_in^-0.5"', f'"{bad}"')))
    assert text.splitlines()[:2] == [
        "hidden.init_std is not understood",
        "  where: FOLDER/own.toml, hidden.init_std",
    ]
    assert said in text


@pytest.mark.parametrize("bad", ["0.5", "true", '["1"]', '"head_dim^1"'])
def test_what_is_no_text_or_has_another_symbol(tmp_path: Path, bad: str) -> None:
    assert "hidden.init_std is not understood" in refused(write(tmp_path, ('"fan_in^-0.5"', bad)))


def test_inconsistent_eps(tmp_path: Path) -> None:
    assert refused(write(tmp_path, ('eps = {adam = "fan_out^-1"}', 'eps = {adam = "1"}'))) == (
        snapshot("""\
hidden.eps.adam contradicts hidden.lr.adam and hidden.lr.sgd
  where: FOLDER/own.toml, hidden.eps.adam
  expected: fan_out^-1
  found: 1
  hint: lr.sgd = lr.adam / gradient, and eps.adam = gradient, in any gauge\
""")
    )


def test_inconsistent_rates(tmp_path: Path) -> None:
    text = refused(write(tmp_path, ('{adamw = "fan_in^-1"', '{adamw = "fan_in^-2"')))
    assert text.startswith("output.lr.adam contradicts output.lr.adamw and output.gradient")


def test_too_little(tmp_path: Path) -> None:
    assert refused(write(tmp_path, ('gradient = "1"\n', ""))) == snapshot("""\
[output] does not settle Adam's and SGD's learning rates
  where: FOLDER/own.toml
  expected: two of lr.adam, lr.sgd and gradient (or eps.adam): lr.sgd = lr.adam/gradient
  found: output.lr.adamw, output.lr.adam\
""")


def test_no_init_std(tmp_path: Path) -> None:
    assert refused(write(tmp_path, ('init_std = "fan_in^-1"\n', ""))) == snapshot("""\
output.init_std is missing
  where: FOLDER/own.toml, output.init_std
  expected: an init std, such as "fan_in^-1/2" or "1"\
""")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[vector]", "[vectors]", "top level"),
        ("contraction =", "contractoin =", "hidden"),
        ('attention = "', 'atention = "', "top level"),
    ],
)
def test_unknown_keys(tmp_path: Path, old: str, new: str, where: str) -> None:
    text = refused(write(tmp_path, (old, new)))
    assert "means nothing here" in text
    assert f"  where: FOLDER/own.toml, {where}" in text
    assert "hint: did you mean" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lr = {sgd", "lr = 3 # {sgd"),
        ('attention = "head_dim^-1/2"', 'attention = "fan_in^-1/2"'),
        ('tied_readout = "fan_in^-1"', "depth = 'deep'"),
        ("[vector]", "vector = 1\n[[ignored]]"),
    ],
)
def test_things_of_the_wrong_kind(tmp_path: Path, old: str, new: str) -> None:
    assert "FOLDER/own.toml, " in refused(write(tmp_path, (old, new)))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.toml").splitlines() == snapshot(
        [
            "the table cannot be read",
            "  where: FOLDER/none.toml",
            "  found: No such file or directory",
        ]
    )
    (tmp_path / "bad.toml").write_text("[hidden")
    assert refused(tmp_path / "bad.toml").startswith(
        "the file is no TOML\n  where: FOLDER/bad.toml"
    )
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    assert refused(tmp_path / "latin.toml").startswith("the file is no TOML")
