"""``mupfx explain parametrization``, and ``--parametrization`` wherever it is taken."""

from pathlib import Path

import pytest
from inline_snapshot import snapshot

from tests.cli.terminal import MLP, data, printed, refused

WIDE = (MLP, "--arg", "width=16", "--base", "4")


def test_all_of_them() -> None:
    text = printed("explain", "parametrization")
    names = [line.split("  ")[1] for line in text.splitlines()[2:] if line.startswith("  ")]
    assert {"mup", "ntk", "meta(s)", "everett(table, alignment)", "MF-NTK"} <= set(names)
    assert text.count("  segment  ") == 7


def test_one() -> None:
    assert printed("explain", "parametrization", "plane(-3/4, 3/4)") == snapshot("""\
plane(-3/4, 3/4)
  Golikov, Dynamically Stable Infinite-Width Limits (arXiv:2006.06574), the plane of q_sigma and q; one hidden layer as published; layers between, biases and Adam's column are derived from it, with exponents measured on tanh networks
  uncertain: the change of the output grows with width, which a logistic loss bears and a squared one does not; measured over ten steps, updates fell short of their exponents

factors on values at the base
  role          init std                                     Adam lr      SGD lr                 gradient, eps  source
  input         1                                            1            fan_out^3/4            fan_out^-3/4   q_s = -3/4, q = 3/4: input weights
  hidden        fan_in^-1/2 min(1, fan_in^-3/8 fan_out^3/8)  fan_in^-1    fan_in^-1 fan_out^3/4  fan_out^-3/4   q_s = -3/4, q = 3/4: hidden weights
  output        fan_in^-3/4                                  fan_in^-3/4  fan_in^-3/4            1              q_s = -3/4, q = 3/4: output weights
  vector        1                                            1            fan_out^3/4            fan_out^-3/4   q_s = -3/4, q = 3/4: vectors, an input weight with fan-in 1
  scalar        1                                            1            1                      1              q_s = -3/4, q = 3/4: scalars do not change
  readout bias  1                                            fan_in^1/4   fan_in^1/4             1              q_s = -3/4, q = 3/4: readout bias, as fast as the readout

beyond single weights
  attention logits: x head_dim^-1/2 beyond 1/sqrt(head_dim); q_s = -3/4, q = 3/4: derived, logits of head_dim^-(1 + q + q_s), as large once queries have moved along keys; 1/head_dim where features are learned, 1/sqrt(head_dim) at NTK
  tied readout: x fan_in^-3/4 on the output use; q_s = -3/4, q = 3/4: derived, with a multiplier fan_in^q_s one weight of the input's rule has the readout's std, SGD rate and Adam rate too, and both its gradients are alike; where the stream carries the embedding to the readout, a token's logit for itself is width^(1/4) at the start
  residual branches: as written, whatever their number

in the plane of widths at q_s = -3/4, q = 3/4
  stable: segment sym-MF, features move at every width
  Golikov, Dynamically Stable Infinite-Width Limits (arXiv:2006.06574), and the regions that its authors' code lists; uncertain: the band and the lines are the paper's, that all thirteen limits differ was not tested here

predicted exponents of width
  of                                  exponent
  output at the start                     -1/4
  change of the output                     1/4
  change of a feature                        0
  tangent kernel times learning rate       1/4
  relative change of the kernel              0
""")


def test_outside_the_band() -> None:
    text = printed("explain", "parametrization", "plane(0, 1)")
    assert "  unstable: updates blow up\n" in text
    assert "nothing is learned" in printed("explain", "parametrization", "plane(-1, -1)")


def test_without_a_place_in_the_plane() -> None:
    text = printed("explain", "parametrization", "everett(sp, full)")
    assert "  empirical: " in text
    assert "plane of widths" not in text


@pytest.mark.parametrize(
    ("name", "limit", "exponents"),
    [
        ("mup", "MF", ["-1/2", "0", "0", "0", "0"]),
        ("ntk", "NTK", ["0", "0", "-1/2", "0", "-1"]),
        ("sym_default", "sym-default", ["0", "1/2", "0", "1/2", "0"]),
        ("meta(0.5)", "MF-NTK", ["-1/4", "0", "-1/4", "0", "-1/2"]),
        ("plane(0, 1)", None, ["1/2", "2", "1", "2", "2"]),
    ],
)
def test_json(name: str, limit: str | None, exponents: list[str]) -> None:
    found = data("explain", "parametrization", name)
    assert found["limit"] == limit
    assert list(found["exponents"].values()) == exponents
    assert found["rules"]["hidden"]["init_std"] == "fan_in^-1/2"


def test_all_as_json() -> None:
    assert [found["name"] for found in data("explain", "parametrization")][:2] == ["sp", "mup"]


def test_depth_and_a_file(tmp_path: Path) -> None:
    assert "x depth^-1/2" in printed("explain", "parametrization", "u_mup")
    path = tmp_path / "own.toml"
    path.write_text("[hidden]\n")
    text = refused("explain", "parametrization", str(path), code=1)
    assert text.startswith("ParametrizationError: the table has no [input]")


def test_a_name_that_is_none() -> None:
    text = refused("explain", "parametrization", "mupp", code=1)
    assert text.startswith("ParametrizationError: no parametrization `mupp`")


def test_a_table_after_a_parameter() -> None:
    text = refused("explain", "first.weight", "mup", "--target", *WIDE, code=3)
    assert text == snapshot("""\
TargetError: `mup` stands after the parameter
  expected: one parameter, or `parametrization` and a table without --target and --plan
  hint: --parametrization 'mup'
""")


def test_numbers_of_one_parameter() -> None:
    words = ("--target", *WIDE, "--parametrization", "meta(0.5)")
    found = data("explain", "blocks.0.up.weight", *words)
    assert found["parametrization"] == "meta(1/2)"
    assert found["optimizers"]["adamw"]["lr"] == pytest.approx(4**-1.25)
    assert found["optimizers"]["adamw"]["exponents"]["lr"] == "fan_in^-1 fan_out^-1/4"
    assert found["init"]["power"] == "fan_in^-1/2"
    text = printed("explain", "blocks.0.up.weight", *words)
    assert "fan_in^-1 fan_out^-1/4" in text
    assert "arXiv:2210.04909" in text


def test_a_readout_bias_has_the_readouts_fan_in() -> None:
    words = ("--target", *WIDE, "--parametrization", "sym_default")
    found = data("explain", "last.bias", *words)
    assert found["optimizers"]["sgd"]["lr"] == 2.0
    assert found["optimizers"]["adamw"]["exponents"]["lr"] == "fan_in^1/2"
    assert data("explain", "last.bias", "--target", *WIDE)["fan_in_ratio"] == 1.0


def test_a_file_converts(tmp_path: Path) -> None:
    path = tmp_path / "sgd.toml"
    rows = ("input", "hidden", "output", "vector", "scalar")
    row = 'init_std = "1"\nlr = {sgd = "1", adam = "1"}\n'
    path.write_text("".join(f"[{role}]\n{row}" for role in rows))
    plan = data("convert", *WIDE, "--out", str(tmp_path / "out"), "--parametrization", str(path))
    assert plan["parametrization"] == "sgd"
    assert {p["optimizers"]["sgd"]["lr"] for p in plan["parameters"].values()} == {1.0}


def test_a_wrong_name_is_said_before_anything_is_built() -> None:
    text = refused(
        "explain", "x", "--target", "no.such:model", "--base", "4", "--parametrization", "m",
        code=1,
    )  # fmt: skip
    assert text.startswith("ParametrizationError: no parametrization `m`")
