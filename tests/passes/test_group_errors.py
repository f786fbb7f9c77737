"""What optimizer groups cannot be made from, and the sentence for each."""

from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

from mupfx.errors import OptimizerError
from tests.passes.grouped import Sign, groups_of, model, train


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


def test_a_rule_for_weight_decay_that_does_not_exist() -> None:
    assert refused(model(), wd_rule="constant") == snapshot("""\
no rule of this name for weight decay
  where: wd_rule
  expected: 'timescale', 'sqrt', 'const'
  found: 'constant'\
""")


def test_matrices_for_muon_alone() -> None:
    assert refused(model(), torch.optim.Muon, lr=0.1) == snapshot("""\
Muon trains matrices, and this parameter is none
  where: 0.bias
  expected: a tensor of two dimensions
  found: one of shape [8], role vector
  hint: mupfx.muon_groups(model, ...) splits a model between Muon and AdamW\
""")


def test_an_optimizer_that_mixes_all_parameters() -> None:
    assert refused(model(), torch.optim.LBFGS, lr=0.1) == snapshot("""\
LBFGS cannot be put into a parametrization
  found: its steps mix all parameters in one inner product and one line search, so that no factors per parameter keep them as the model grows
  hint: train with an optimizer that keeps its parameters apart\
""")


def test_a_class_whose_own_family_is_neither_name_nor_row() -> None:
    class Odd(Sign):
        mupfx_family = 3

    assert refused(model(), Odd, lr=0.1).replace(Odd.__qualname__, "Odd") == snapshot("""\
an optimizer's own family is neither a name nor a row
  where: tests.passes.test_group_errors.Odd.mupfx_family
  expected: a name such as 'adamw', or a mupfx.OptimizerFamily
  found: 3\
""")


def test_a_family_that_does_not_exist() -> None:
    assert refused(model(), Sign, lr=0.1, family="newton") == snapshot("""\
no optimizer family of this name
  expected: 'sgd', 'asgd', 'adam', 'rmsprop', 'adamw', 'radam', 'radamw', 'adagrad', 'adadelta', 'rprop', 'adafactor', 'muon', 'shampoo', 'sign'
  found: 'newton'
  hint: pass one of these names, or a mupfx.OptimizerFamily of your own\
""")
