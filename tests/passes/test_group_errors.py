"""What optimizer groups cannot be made from, and the sentence for each."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

from mupfx.errors import OptimizerError
from mupfx.passes.groups import build_groups
from tests.passes.grouped import Sign, groups_of, model, plan_at, train


def refused(net: nn.Module, optimizer_class: Any = torch.optim.AdamW, **arguments: Any) -> str:
    with pytest.raises(OptimizerError) as caught:
        groups_of(net, optimizer_class, **arguments)
    return str(caught.value)


def test_a_missing_parameter() -> None:
    net = model()
    assert refused(net, user_groups=list(net[0].parameters())) == snapshot("""\
the groups miss trainable parameters of the model
  where: 2.weight, 2.bias, 4.weight, 4.bias
  expected: each trainable parameter in exactly one group
  found: 4 of 6 in none
  hint: add them to a group, or freeze them with requires_grad_(False)\
""")


def test_an_unknown_parameter() -> None:
    net = model()
    stranger = nn.Parameter(torch.ones(2, 3))
    assert refused(net, user_groups=[*net.parameters(), stranger]) == snapshot("""\
a group holds a tensor that is not a parameter of this model
  where: groups[0]['params'][6]
  found: a tensor of shape [2, 3]
  hint: pass the parameters of the converted model itself: list(model.parameters())\
""")


def test_a_parameter_in_two_groups() -> None:
    net = model()
    given = [{"params": net.parameters()}, {"params": [net[2].weight]}]
    assert refused(net, user_groups=given) == snapshot("""\
a parameter is given twice
  where: 2.weight
  expected: each parameter in exactly one group, once
  found: it is in groups[0] and in groups[1]\
""")


def test_mixed_forms() -> None:
    net = model()
    given = [{"params": net[0].parameters()}, net[2].weight]
    assert refused(net, user_groups=given) == snapshot("""\
the groups are of several forms, or one has no parameters
  expected: a list of one of: tensors, (name, tensor) pairs, or dicts with 'params'
  found: Parameter, dict\
""")


def test_a_set_has_no_order() -> None:
    net = model()
    assert refused(net, user_groups=[{"params": set(net.parameters())}]) == snapshot("""\
parameters must come in an ordered collection
  where: groups[0]['params']
  expected: a list of tensors, (name, tensor) pairs, or dicts with 'params'
  found: set\
""")


def test_something_else_in_a_group() -> None:
    assert refused(model(), user_groups=[{"params": ["0.weight"]}]) == snapshot("""\
a group holds something that is no parameter
  where: groups[0]['params'][0]
  expected: a tensor, or a (name, tensor) pair as named_parameters() gives
  found: str\
""")


def test_a_parameter_that_came_later() -> None:
    net = model()
    net.register_parameter("adapter", nn.Parameter(torch.ones(1)))
    assert refused(net) == snapshot("""\
a parameter of the model is not in its plan
  where: adapter
  expected: the parameters that the model had when it was converted
  hint: convert the model again after changing it\
""")


def test_a_misspelt_hyperparameter() -> None:
    assert refused(model(), torch.optim.SGD, weigth_decay=0.1) == snapshot("""\
SGD takes no such hyperparameter
  where: weigth_decay
  expected: lr, momentum, dampening, weight_decay, nesterov, maximize, foreach, differentiable, fused
  hint: did you mean weight_decay?\
""")


def test_an_instance() -> None:
    net = model()
    assert refused(net, torch.optim.SGD(net.parameters())) == snapshot("""\
the optimizer is to be given as its class
  expected: a class such as torch.optim.AdamW
  found: an object of type SGD
  hint: pass the class, and its hyperparameters as keywords: lr=..., weight_decay=...\
""")


def test_an_instance_that_has_stepped() -> None:
    net = model()
    optimizer = torch.optim.AdamW(net.parameters())
    train(net, optimizer)
    assert refused(net, optimizer) == snapshot("""\
this optimizer has already taken steps
  found: AdamW with state for 6 parameters
  hint: convert first, then build a new optimizer: mupfx.optimizer(cls, model, lr=...)\
""")


def test_no_learning_rate() -> None:
    assert refused(model(), Sign, family="adamw") == snapshot("""\
there is no learning rate to scale
  found: an optimizer without a default for it
  hint: pass lr=...\
""")


def test_a_plan_without_the_family() -> None:
    net, plan = model(), plan_at(4)
    rows = {
        name: replace(row, optimizers={"sgd": row.optimizers["sgd"]})
        for name, row in plan.parameters.items()
    }
    with pytest.raises(OptimizerError) as caught:
        build_groups(replace(plan, parameters=rows), net.named_parameters(), torch.optim.AdamW, {})
    assert str(caught.value) == snapshot("""\
the plan has no factors for the optimizer family 'adamw'
  where: 0.weight
  expected: sgd
  hint: convert the model again with this version\
""")
