"""The tables as a whole: every row has a case, every op is there, none has two rules."""

import re
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import torch

from mupfx.passes import axis_rules
from mupfx.passes.axis_rules import RULES, rule_of
from tests.passes.axis_rules import (
    test_arrange,
    test_attention,
    test_contraction,
    test_convolution,
    test_create,
    test_elementwise,
    test_gradients,
    test_indexing,
    test_losses,
    test_matrices,
    test_normalization,
    test_recurrent,
    test_reduction,
    test_spectral,
    test_view,
)
from tests.passes.axis_rules.notation import covered

if TYPE_CHECKING:
    from mupfx.passes.axis_rules.tracker import Rules

aten = torch.ops.aten

UNTESTED = {
    aten.tensor: "is made by torch.jit alone",
    aten.lift_fresh: "is gone before there is a graph",
}
"""Rows without a case, and why."""


def test_every_row_has_a_case() -> None:
    tables = [
        test_arrange.CASES,
        test_attention.CASES,
        test_contraction.CASES,
        test_convolution.CASES,
        test_create.CASES,
        test_elementwise.CASES,
        test_gradients.CASES,
        test_indexing.CASES,
        test_losses.CASES,
        test_matrices.CASES,
        test_normalization.CASES,
        test_recurrent.CASES,
        test_reduction.CASES,
        test_spectral.CASES,
        test_view.CASES,
    ]
    tested = covered(tables) | {op.overloadpacket for op in test_create.NUMBERS}
    assert set(map(str, set(RULES) - tested)) == set(map(str, UNTESTED))


def test_every_key_is_an_op_of_torch() -> None:
    """A misspelt name would be an error at import; one that torch renames must be one here too."""
    assert {type(op) for op in RULES} <= {torch._ops.OpOverloadPacket, torch._ops.OpOverload}


def _tables() -> list[ModuleType]:
    found = [value for value in vars(axis_rules).values() if isinstance(value, ModuleType)]
    return [module for module in found if hasattr(module, "RULES")]


def test_the_union_is_of_every_table_beside_it() -> None:
    assert sum(len(module.RULES) for module in _tables()) == len(RULES)


def test_an_op_with_two_rules_is_an_error_that_names_both() -> None:
    rules = axis_rules.products.RULES
    twice: Rules = {aten.mm: axis_rules.view.permute}
    words = re.escape("aten.mm has two rules: mm and permute")
    with pytest.raises(ValueError, match=words):
        axis_rules._union(rules, twice)


@pytest.mark.parametrize(
    ("in_place", "plain"),
    [
        (aten.add_.Tensor, aten.add.Tensor),
        (aten.mul_.Scalar, aten.mul.Scalar),
        (aten.copy_.default, aten.copy.default),
        (aten.masked_fill_.Scalar, aten.masked_fill.Scalar),
        (aten.t_.default, aten.t.default),
        (aten.transpose_.default, aten.transpose.int),
        (aten.unsqueeze_.default, aten.unsqueeze.default),
        (aten.squeeze_.dim, aten.squeeze.dim),
        (aten.index_add_.default, aten.index_add.default),
        (aten.index_put_.default, aten.index_put.default),
        (aten.scatter_.src, aten.scatter.src),
        (aten.addmm_.default, aten.addmm.default),
        (aten.baddbmm_.default, aten.baddbmm.default),
        (aten.dropout_.default, aten.dropout.default),
        (aten.clamp_.default, aten.clamp.default),
        (aten.exp_.default, aten.exp.default),
        (aten.cumsum_.default, aten.cumsum.default),
        (aten.tril_.default, aten.tril.default),
        (aten.zero_.default, aten.zero.default),
        (aten.fill_.Scalar, aten.fill.Scalar),
        (aten.renorm_.default, aten.renorm.default),
        (aten.lerp_.Scalar, aten.lerp.Scalar),
    ],
    ids=str,
)
def test_an_op_in_place_has_the_rule_of_its_twin(
    in_place: torch._ops.OpOverload, plain: torch._ops.OpOverload
) -> None:
    assert rule_of(plain) is not None
    assert rule_of(in_place) is rule_of(plain)


def test_an_op_without_a_row_has_no_rule() -> None:
    assert rule_of(aten._test_check_tensor.default) is None
