"""A report on a terminal: the verdict first, repeated layers as one, nothing left out."""

from dataclasses import replace

from inline_snapshot import snapshot

from mupfx.core.report import Report
from mupfx.render.check.document import (
    exponent_tables,
    quantity_tables,
    report_document,
    slope_tables,
)
from mupfx.render.text import plain
from tests.render.check.reports import FAILS, LAYERS, PASSES, UNDECIDED, slope


def text(report: Report, *, every_layer: bool = False) -> str:
    return plain(report_document(report, every_layer=every_layer))


def test_one_that_fails() -> None:
    assert text(FAILS) == snapshot("""\
FAIL src/model one.py:build
  mup; width 64, 128, 256, 512
  4 errors, 1 warning, 1 note; 6 updates measured in training: 3 pass, 3 fail

error MUP002 blocks.{0..2}.mlp.0.weight
  Adam's learning rate of blocks.{0..2}.mlp.0.weight is the same at every width; its update grows as n^1
  measured n^0 to n^0.02, expected n^-1
  at /home/me/project/src/model one.py:20  x = x + self.mlp(x)
  hint: divide it by the width multiplier

error MUP003 head.weight
  the readout's effective init does not fall with fan-in, so logits start larger the wider the model
  measured n^-1/2, expected n^-1
  at /home/me/project/src/model one.py:51  return self.head(x) * 1.0
  hint: divide the logits by the width multiplier

warning MUP008 head.weight
  weight decay is AdamW's own default at every width
  measured n^0, expected n^1

note MUP019
  50% of the parameters were: not, reached
  by the example

in training, along width
  parameter                   statistic  expected  measured       interval  control  verdict
  blocks.{0..2}.mlp.0.weight  update          n^0    n^0.98   0.93 to 1.03      n^1  fail
  blocks.{0..2}.mlp.2.weight  update          n^0       n^0  -0.05 to 0.05      n^1  pass
  head.weight                 start        n^-1/2       n^0  -0.05 to 0.05        -  shown

before training, along width; what is expected in brackets, where it differs
  parameter                       init std  learning rate
  blocks.{0..2}.mlp.{0,2}.weight    n^-1/2           n^-1
  head.weight                         n^-1           n^-1

notes
  no optimizer in the target: AdamW by mupfx's groups\
""")


def test_one_that_passes() -> None:
    assert text(PASSES) == snapshot("""\
PASS src/model one.py:build
  mup; width 64, 128, 256, 512
  nothing found; 6 updates measured in training: 6 pass

in training, along width
  parameter                       statistic  expected       measured        interval  control  verdict
  blocks.{0..2}.mlp.{0,2}.weight  update          n^0  n^0 to n^0.05   -0.05 to 0.10      n^1  pass
  head.weight                     start        n^-1/2         n^-1/2  -0.55 to -0.45        -  shown

before training, along width; what is expected in brackets, where it differs
  parameter                       init std  learning rate
  blocks.{0..2}.mlp.{0,2}.weight    n^-1/2           n^-1
  head.weight                         n^-1           n^-1

notes
  no optimizer in the target: AdamW by mupfx's groups\
""")


def test_one_that_is_undecided() -> None:
    assert text(UNDECIDED).splitlines()[:3] == snapshot(
        [
            "INCONCLUSIVE src/model one.py:build",
            "  mup; width 64, 128, 256, 512",
            "  nothing found; 6 updates measured in training: 5 pass, 1 inconclusive",
        ]
    )


def test_every_layer_is_there_if_asked() -> None:
    lines = text(FAILS, every_layer=True).splitlines()
    for name in LAYERS:
        assert sum(line.strip().startswith(f"{name} ") for line in lines) == 2
    assert sum(line.startswith("error MUP002 blocks.") for line in lines) == 3


def test_a_second_use_has_a_column() -> None:
    again = replace(PASSES.slopes[0], use=1)
    assert "use" not in text(PASSES)
    assert "  use  " in text(replace(PASSES, slopes=(*PASSES.slopes, again)))


def test_layers_whose_controls_differ_stand_apart() -> None:
    control = tuple(slope(name, 1.0 if ".0.weight" in name else 0.0) for name in LAYERS)
    table = next(slope_tables(replace(PASSES, control=control)))
    named = [row[0] for row in table.rows]
    assert named[:2] == ["blocks.{0..2}.mlp.0.weight", "blocks.{0..2}.mlp.2.weight"]


def test_findings_of_other_lines_are_not_joined() -> None:
    first, second, *_ = FAILS.findings
    assert second.place is not None
    moved = replace(second, place=replace(second.place, line=99))
    titles = [part.title for part in report_document(replace(FAILS, findings=(first, moved)))]
    assert titles[1:3] == [
        "error MUP002 blocks.0.mlp.0.weight",
        "error MUP002 blocks.1.mlp.0.weight",
    ]


def test_nothing_at_all_is_a_verdict() -> None:
    bare = replace(PASSES, slopes=(), quantities=(), control=(), notes=())
    assert text(bare) == snapshot("""\
PASS src/model one.py:build
  mup; width 64, 128, 256, 512
  nothing found; no update measured in training\
""")


def test_sites_of_one_line_are_one() -> None:
    first = replace(
        FAILS.findings[0], parameter="attention:bmm", message="logits of attention:bmm grow"
    )
    both = (first, replace(first, parameter="attention:bmm_2"))
    assert plain(report_document(replace(FAILS, findings=both))).count("error MUP002") == 1
    (lines,) = (
        p for p in report_document(replace(FAILS, findings=both)) if p.title.startswith("error")
    )
    assert lines.title == "error MUP002 attention:bmm (2 sites)"


def test_branches_are_numbered_together() -> None:
    branches = tuple(
        replace(FAILS.findings[0], parameter=f"branch:b{at}", message="it grows") for at in range(8)
    )
    document = report_document(replace(FAILS, findings=branches))
    assert [p.title for p in document if p.title.startswith("error")] == [
        "error MUP002 branch:b{0..7}"
    ]


def test_zeros_have_no_row() -> None:
    zero = replace(PASSES.quantities[0], values=(0.0,) * 4, measured=None)
    (table,) = quantity_tables(replace(PASSES, quantities=(zero, PASSES.quantities[1])))
    assert [row[1] for row in table.rows] == ["learning rate"]


def test_an_exponent_that_is_off_has_the_expected_one_beside_it() -> None:
    off = replace(PASSES.quantities[0], measured=0.02)
    near = replace(PASSES.quantities[0], parameter="other", measured=-0.52)
    (table,) = exponent_tables(replace(PASSES, quantities=(off, near)))
    assert [row[1] for row in table.rows] == ["n^0 (n^-1/2)", "n^-1/2"]


def test_a_report_in_a_few_lines() -> None:
    assert str(replace(FAILS, findings=FAILS.findings[3:5])) == snapshot("""\
FAIL src/model one.py:build
error MUP003 head.weight: the readout's effective init does not fall with fan-in, so logits start larger the wider the model (model one.py:51 return self.head(x) * 1.0)
warning MUP008 head.weight: weight decay is AdamW's own default at every width\
""")
