"""``mupfx inspect``."""

import shlex

import pytest
from inline_snapshot import snapshot

from tests.cli.terminal import MLP, MODELS, data, printed, refused


def test_text() -> None:
    assert printed("inspect", MLP) == snapshot("""\
model
  captured by export: 24 nodes, 12 parameters

parameters
  parameter                 shape               role              fan-in  fan-out  branch  why
  first.weight              width 8, input 3    input             [1] 3   [0] 8    -       contracts input 3 into width 8 in aten.linear.default, models.py:26 x = self.first(x)
  first.bias                width 8             vector            -       [0] 8    -       nothing contracted; lies along width 8 in aten.linear.default, models.py:26 x = self.first(x)
  blocks.{0,1}.up.weight    c{2,3} 16, width 8  hidden (assumed)  [1] 8   [0] 16   b{0,1}  contracts width 8 into c2 16 in aten.linear.default, models.py:14 out: Tensor = x + self.down(torch.tanh(self.up(x)))
  blocks.{0,1}.up.bias      c{2,3} 16           vector (assumed)  -       [0] 16   b{0,1}  nothing contracted; lies along c2 16 in aten.linear.default, models.py:14 out: Tensor = x + self.down(torch.tanh(self.up(x)))
  blocks.{0,1}.down.weight  width 8, c{2,3} 16  hidden (assumed)  [1] 16  [0] 8    b{0,1}  contracts c2 16 into width 8 in aten.linear.default, models.py:14 out: Tensor = x + self.down(torch.tanh(self.up(x)))
  blocks.{0,1}.down.bias    width 8             vector            -       [0] 8    b{0,1}  nothing contracted; lies along width 8 in aten.linear.default, models.py:14 out: Tensor = x + self.down(torch.tanh(self.up(x)))
  last.weight               output 2, width 8   output (assumed)  [1] 8   [0] 2    -       contracts width 8 into output 2 in aten.linear.default, models.py:27 out: Tensor = self.last(self.blocks(x))
  last.bias                 output 2            scalar (assumed)  -       [0] 2    -       no width axis, nothing contracted in aten.linear.default, models.py:27 out: Tensor = self.last(self.blocks(x))

factor classes
  class   label   size  ratio  kind    status   reason  evidence
  c0      width      8      -  width   certain  -       contracted at linear_1
  c1      input      3      -  finite  certain  input   an axis of input args_0
  c{2,3}  c{2,3}    16      -  width   assumed  -       contracted at linear_2; its size is its own, and may stay
  c4      output     2      -  finite  assumed  output  an axis of the output that nothing contracts; taken for classes: an embedding would grow

assumed: a base model settles these, or an override
  class   size  taken as  if it is not so
  c{2,3}    16  width     --override 'c{2,3}=finite'
  output     2  finite    --override 'output=width'

residual streams
  stream  class  depth  block depth  branches
  s0      width      2            2         2
""")


def test_every_layer() -> None:
    text = printed("inspect", MLP, "--arg", "depth=3", "--all")
    assert all(f"blocks.{layer}.up.weight" in text for layer in range(3))
    assert "{" not in text


def test_repeated_layers_are_one_row() -> None:
    text = printed("inspect", MLP, "--arg", "depth=3")
    assert "blocks.{0..2}.up.weight" in text


def test_json_is_the_analysis() -> None:
    found = data("inspect", MLP, "--arg", "width=16")
    assert found["schema"] == 1
    assert found["parameters"]["blocks.0.up.weight"]["shape"] == [32, 16]
    assert found["parameters"]["blocks.0.up.weight"]["role"] == "hidden"


@pytest.mark.parametrize(
    "base",
    [("--base", "4"), ("--base-arg", "width=4"), ("--base", "c0=4")],
)
def test_base(base: tuple[str, ...]) -> None:
    """Every way of saying that the base is half as wide gives the stream a ratio of 2."""
    row = next(
        line.split() for line in printed("inspect", MLP, *base).splitlines() if " width  " in line
    )
    assert row[1:5] == ["width", "8", "2", "width"]


def test_override() -> None:
    found = data("inspect", MLP, "--override", "c0=finite")
    assert found["parameters"]["first.weight"]["role"] == "scalar"


def test_what_is_assumed_is_settled_by_the_options_it_names() -> None:
    lines = [line for line in printed("inspect", MLP).splitlines() if "--override" in line]
    words = [word for line in lines for word in shlex.split(line)[-2:]]
    assert words == ["--override", "c{2,3}=finite", "--override", "output=width"]
    found = data("inspect", MLP, *words)
    assert {p["status"] for p in found["parameters"].values()} == {"certain"}
    roles = {name: p["role"] for name, p in found["parameters"].items()}
    assert (roles["blocks.1.up.weight"], roles["last.weight"]) == ("output", "hidden")


def test_input_spec() -> None:
    assert data("inspect", f"{MODELS}:bare", "--input", "float32[4,3]") == data("inspect", MLP)


def test_keyword_input() -> None:
    found = data("inspect", f"{MODELS}:tied", "--input", "tokens=int64[2,5]<11")
    assert found["parameters"]["embed.weight"]["tied_to"] == ["head.weight"]


def test_findings() -> None:
    text = printed("inspect", f"{MODELS}:unused", "--input", "float32[2,3]")
    assert "spare.weight" in text.partition("findings")[2]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("capture", "aten.linear.default"),
        ("normalize", "aten.linear.default"),
        ("axes", "width = 8"),
        ("roles", "blocks.0.up.weight: hidden"),
        ("streams", "b0"),
        ("sites", "no sites"),
    ],
)
def test_dump_after(name: str, word: str) -> None:
    text = printed("inspect", MLP, "--dump-after", name)
    assert word in text
    assert "factor classes" not in text


def test_an_analysis_makes_no_plan() -> None:
    assert refused("inspect", MLP, "--dump-after", "plan", code=3) == snapshot("""\
TargetError: an analysis makes no plan
  hint: mupfx convert --dump-after plan
""")
