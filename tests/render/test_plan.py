"""The plan as a table, and the chain behind one parameter."""

from dataclasses import replace

import pytest
from inline_snapshot import snapshot

from mupfx.core.plan import Plan, SitePlan
from mupfx.core.power import Power
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import PlanError
from mupfx.render.explain import explain_dict, explain_document
from mupfx.render.plan import plan_document
from mupfx.render.text import plain
from tests.passes.grouped import plan_at

SITE = SitePlan(
    name="s0",
    kind=SiteKind.ATTENTION,
    multiplier=0.5,
    power=Power.of(head_dim="-1/2"),
    lowering="fold",
    target=("2.weight",),
    source="a paper, Table 1",
    evidence="matmul contracts head_dim before a softmax",
)


def plan() -> Plan:
    return replace(
        plan_at(4), sites={"s0": SITE}, notes=("a note",), aliases={"tied.weight": "0.weight"}
    )


def test_plan() -> None:
    assert plain(plan_document(plan())) == snapshot("""\
plan: mup, relative to the base
  parameter   role    in  out  depth   std  rescale  sgd lr  adam(w) lr  adamw wd  mult
  0.weight    input    1    4      1     1        1       4           1         1     1
  {0,2}.bias  vector   1    4      1     1        1       4           1         1     1
  2.weight    hidden   4    4      1   0.5        1       1        0.25         4     1
  4.weight    output   4    1      1  0.25        1    0.25        0.25         4     1
  4.bias      scalar   1    1      1     1        1       1           1         1     1

multipliers
  site  kind       multiplier  lowering  into      source
  s0    attention         0.5  fold      2.weight  a paper, Table 1

notes
  a note\
""")


def test_every_parameter_has_a_row() -> None:
    table = plan_document(plan(), every_layer=True)[0]
    assert [row[0] for row in table.rows] == list(plan().parameters)  # type: ignore[union-attr]


def test_explain() -> None:
    assert plain(explain_document(plan(), "2.weight")) == snapshot("""\
2.weight  [1 x 1]  hidden
  1. fan-in grew by 4, fan-out grew by 4
  2. init std fan_in^-1/2, Adam lr fan_in^-1, SGD lr fan_in^-1 fan_out^1, gradient fan_out^-1: Tensor Programs V (arXiv:2203.03466), Table 3, hidden weights; where fan-out grows less than fan-in, the std of the spectral condition (arXiv:2310.17813, Parametrization 1)

size here over size at the base
  along    ratio
  fan-in       4
  fan-out      4
  depth        1

factors on your own values
  number           factor  is                       note
  init std            0.5  fan_in^-1/2              no values yet
  starting values       1                           what the values drawn are multiplied by
  multiplier            1                           of the forward pass
  lr                    1  fan_in^-1 fan_out^1      sgd, asgd, adadelta
  lr                 0.25  fan_in^-1                adam, rmsprop, adamw, radam, radamw, adagrad, rprop, sign
  lr                  0.5  fan_in^-1/2              adafactor
  lr                    1  fan_in^-1/2 fan_out^1/2  muon, shampoo
  weight decay          1  fan_in^1 fan_out^-1      sgd, asgd
  weight decay          -  -                        adam, rmsprop, radam, adagrad, adadelta: no rule
  weight decay          4  fan_in^1                 adamw, radamw, sign
  weight decay          1  1                        rprop
  weight decay          2  fan_in^1/2               adafactor
  weight decay          1  fan_in^1/2 fan_out^-1/2  muon, shampoo
  eps                   1  1                        sgd, asgd, rprop, adafactor, sign
  eps                0.25  fan_out^-1               adam, rmsprop, adamw, radam, radamw, adagrad
  eps              0.0625  fan_out^-2               adadelta
  eps                   1  fan_in^1/2 fan_out^-1/2  muon
  eps                   1  fan_in^1 fan_out^-1      shampoo
  lambd                 1  fan_in^1 fan_out^-1      asgd
  step_sizes.0       0.25  fan_in^-1                rprop
  step_sizes.1       0.25  fan_in^-1                rprop
  eps.1               0.5  fan_in^-1/2              adafactor

attention site s0
  matmul contracts head_dim before a softmax
  x 0.5 = head_dim^-1/2, fold: 2.weight
  a paper, Table 1\
""")


def test_explain_a_tied_name() -> None:
    assert explain_document(plan(), "tied.weight") == explain_document(plan(), "0.weight")


def test_explain_as_data() -> None:
    data = explain_dict(plan(), "2.weight")
    whole = plan().to_dict()
    assert data["parameter"] == "2.weight"
    assert data["sites"] == whole["sites"]
    assert whole["parameters"]["2.weight"].items() <= data.items()
    assert explain_dict(plan(), "0.weight")["sites"] == {}


def test_no_such_parameter() -> None:
    with pytest.raises(PlanError) as error:
        explain_document(plan(), "2.wieght")
    assert str(error.value) == snapshot("""\
the plan has no parameter `2.wieght`
  hint: did you mean `2.weight` or `4.weight` or `0.weight`?\
""")
