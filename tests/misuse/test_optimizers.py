"""Optimizers, groups and options that no plan can serve."""

from typing import Any

import torch
from inline_snapshot import snapshot

import mupfx
from tests.misuse.refusal import converted, mlp, refusal, refused_conversion
from tests.zoo.models import gpt
from tests.zoo.models.common import floats


def test_an_optimizer_that_was_stepped() -> None:
    model = converted()
    optimizer = torch.optim.AdamW(model.parameters())
    torch.autograd.backward(model(floats(3, 7)).square().mean())
    optimizer.step()
    give: Any = optimizer
    text = refusal(model, lambda: mupfx.optimizer(give, model, lr=0.1))
    assert refusal(model, lambda: mupfx.param_groups(model, optimizer=give, lr=0.1)) == text
    assert text == snapshot("""\
OptimizerError: this optimizer has already taken steps
  found: AdamW with state for 4 parameters
  hint: convert first, then build a new optimizer: mupfx.optimizer(cls, model, lr=...)\
""")


def test_an_optimizer_that_was_made_already() -> None:
    model = converted()
    give: Any = torch.optim.AdamW(model.parameters())
    text = refusal(model, lambda: mupfx.optimizer(give, model, lr=0.1))
    assert text == snapshot("""\
OptimizerError: the optimizer is to be given as its class
  expected: a class such as torch.optim.AdamW
  found: an object of type AdamW
  hint: pass the class, and its hyperparameters as keywords: lr=..., weight_decay=...\
""")


def test_groups_that_miss_a_parameter() -> None:
    model = converted()
    given = [{"params": [model.get_parameter("0.weight"), model.get_parameter("2.weight")]}]
    text = refusal(
        model, lambda: mupfx.param_groups(model, optimizer=torch.optim.SGD, groups=given, lr=0.1)
    )
    assert "0.bias" in text
    assert "2.bias" in text
    assert text == snapshot("""\
OptimizerError: the groups miss trainable parameters of the model
  where: 0.bias, 2.bias
  expected: each trainable parameter in exactly one group
  found: 2 of 4 in none
  hint: add them to a group, or freeze them with requires_grad_(False)\
""")


def test_groups_that_name_a_parameter_twice() -> None:
    model = converted()
    given = [{"params": list(model.parameters())}, {"params": [model.get_parameter("0.bias")]}]
    text = refusal(
        model, lambda: mupfx.param_groups(model, optimizer=torch.optim.SGD, groups=given, lr=0.1)
    )
    assert "0.bias" in text
    assert text == snapshot("""\
OptimizerError: a parameter is given twice
  where: 0.bias
  expected: each parameter in exactly one group, once
  found: it is in groups[0] and in groups[1]\
""")


def test_an_optimizer_for_a_model_without_a_plan() -> None:
    model = mlp()
    text = refusal(model, lambda: mupfx.optimizer(torch.optim.AdamW, model, lr=0.1))
    assert text.startswith("PlanError")
    assert text == snapshot("""\
PlanError: this Sequential was not converted by mupfx
  hint: model = mupfx.convert(model, example_inputs, base=...)\
""")


def test_an_optimizer_no_rule_is_known_for() -> None:
    model = converted()
    text = refusal(model, lambda: mupfx.optimizer(torch.optim.LBFGS, model, lr=0.1))
    assert "LBFGS" in text
    assert text == snapshot("""\
OptimizerError: LBFGS cannot be put into a parametrization
  found: its steps mix all parameters in one inner product and one line search, so that no factors per parameter keep them as the model grows
  hint: train with an optimizer that keeps its parameters apart\
""")


def test_a_parametrization_that_does_not_exist() -> None:
    text = refused_conversion(mlp(), floats(3, 7), base=mlp(23), parametrization="mupp")
    first, expected, hint = text.splitlines()
    assert first == "ParametrizationError: no parametrization `mupp`"
    assert expected.startswith("  expected: sp, mup, ntk, ")
    assert "meta(s)" in expected
    assert hint == "  hint: did you mean `mup` or `u_mup`?"


def test_grow_is_one_of_two_words() -> None:
    model, args, kwargs = gpt.gpt()
    text = refused_conversion(model, args, kwargs, base=gpt.gpt(1)[0], grow="both")
    assert "both" in text
    assert text == snapshot("""\
MupfxError: grow='both' says nothing
  expected: "heads" or "head_dim"
  hint: grow="heads"\
""")


def test_overrides_of_a_class_that_does_not_exist() -> None:
    text = refused_conversion(mlp(), floats(3, 7), base=mlp(23), overrides={"wdith": "finite"})
    assert "wdith" in text
    assert text == snapshot("""\
BaseError: no factor class is called 'wdith'
  expected: one of c0, input, output
  hint: mupfx inspect lists them\
""")
