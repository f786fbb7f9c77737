"""The probe: what an experiment finds is what the rule says, and custom ops need none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.passes import axes
from mupfx.render.analysis import summary
from tests.passes.axis_rules.notation import Case, actual, case, check, ints, wanted

AGREED = [
    case("b t i, *o i', *o -> b t o", functional.linear, (2, 3, 5), (7, 5), (7,)),
    case("n i, *i' o -> n o", torch.mm, (3, 5), (5, 7)),
    case("n i, *i' o -> n o", torch.mm, (5, 5), (5, 5)),
    case("b t e, b e s -> b t s", torch.bmm, (2, 3, 5), (2, 5, 7)),
    case("b t i, *i' o -> b t o", torch.matmul, (2, 3, 5), (5, 7)),
    case("b t, *v@ d -> b t d", functional.embedding, ints(2, 3), (7, 5)),
    case("a b -> a b", lambda x: torch.softmax(x, -1), (2, 3)),
    case("a b -> a", lambda x: x.sum(1), (2, 3)),
    case("a b c -> b", lambda x: x.sum((0, 2)), (2, 3, 5)),
    case("a b c -> a c b", lambda x: x.transpose(1, 2), (2, 3, 5)),
    case("a b, b -> a b", torch.add, (2, 3), (3,)),
    case("a b, a b -> a b", torch.add, (3, 3), (3, 3)),
    case("a b, *b -> a b", torch.mul, (2, 3), (3,)),
    case("a b c -> a b c", torch.tanh, (2, 3, 5)),
    case("a b c -> c a b", lambda x: x.permute(2, 0, 1), (2, 3, 5)),
    case("a b, a b -> a n b", lambda x, y: torch.stack([x, y], 1), (5, 3), (5, 3)),
    case("b h t e, b h s e, b h s v -> b h t v", functional.scaled_dot_product_attention, (2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13)),
]  # fmt: skip


@pytest.mark.parametrize("row", AGREED, ids=str)
def test_agrees_with_the_rule(row: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    by_rule = actual(row).partition(";")[0]
    monkeypatch.setattr(axes, "rule_of", lambda _: None)
    assert actual(row).partition(";")[0] == by_rule == wanted(row)


def custom(name: str, fake: Callable[..., Any], schema: str) -> Any:
    """An op of a namespace of the tests, with a fake kernel and no other."""
    library: Any = torch.library.Library("mupfx_tests", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define(name + schema)
    torch.library.register_fake(f"mupfx_tests::{name}", fake, lib=library)
    KEPT.append(library)
    return getattr(torch.ops.mupfx_tests, name)


KEPT: list[torch.library.Library] = []


def _project(x: Tensor, w: Tensor) -> Tensor:
    if x.shape[-1] != w.shape[1]:
        raise ValueError("sizes")
    return x.new_empty(*x.shape[:-1], w.shape[0])


project = custom("project", _project, "(Tensor x, Tensor w) -> Tensor")
scale = custom("scale", lambda x, g: torch.empty_like(x), "(Tensor x, Tensor g) -> Tensor")
rounded = custom("rounded", torch.empty_like, "(Tensor w) -> Tensor")
table = custom(
    "table", lambda i, w: w.new_empty(*i.shape, w.shape[1]), "(Tensor i, Tensor w) -> Tensor"
)
flat = custom("flat", lambda x: x.new_empty(x.shape[0] * x.shape[1]), "(Tensor x) -> Tensor")
twice = custom("twice", lambda x: x.new_empty(x.shape[0], 2 * x.shape[1]), "(Tensor x) -> Tensor")
several = custom(
    "several",
    lambda x: (torch.empty_like(x), x.new_empty(x.shape[0])),
    "(Tensor x) -> (Tensor, Tensor)",
)
rows = custom("rows", lambda x: [x.new_empty(x.shape[1]) for _ in range(x.shape[0])], "(Tensor x) -> Tensor[]")  # fmt: skip


def _refuse(x: Tensor) -> Tensor:
    if tuple(x.shape) != (2, 16):
        raise ValueError("no other size")
    return torch.empty_like(x)


stubborn = custom("stubborn", _refuse, "(Tensor x) -> Tensor")

CUSTOM = [
    case("b t i, *o i' -> b t o", project, (2, 3, 5), (7, 5)),
    case("n i, *o i' -> n o", project, (5, 5), (5, 5)),
    case("b t, *v@ d -> b t d; index v", table, ints(2, 3), (7, 5)),
    case("a b -> a b, a", several, (2, 3)),
    # a result that is more than one axis of the input is a new one
    case("a b -> c", flat, (2, 3)),
    case("a b -> a c", twice, (2, 3)),
    # a weight that passes through an op of its own is still that weight
    case("b i, *o i' -> b o", lambda x, w: functional.linear(x, rounded(w)), (2, 3), (5, 3)),
]


@pytest.mark.parametrize("row", CUSTOM, ids=str)
def test_custom_ops(row: Case) -> None:
    check(row)


def test_an_op_that_makes_another_number_of_results_is_unknown() -> None:
    with pytest.raises(AssertionError, match="rows"):
        check(case("a b -> b, b", lambda x: tuple(rows(x)), (2, 3)))


class Net(nn.Module):
    """An MLP with an op between the layers."""

    def __init__(self, width: int, op: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.op = op
        self.first, self.second = nn.Linear(3, width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.op(self.first(x)))
        return out


def test_an_op_that_refuses_other_sizes_is_refused_by_name() -> None:
    model = Net(16, stubborn)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(mupfx.AnalysisError, match=r"mupfx_tests\.stubborn"):
        mupfx.convert(model, torch.zeros(2, 3), base={"c0": 4})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_it_is_named_in_the_findings() -> None:
    found = mupfx.analyze(Net(16, stubborn), torch.zeros(2, 3))
    assert [op for op in found.axes.unknown_ops.values() if "stubborn" in op]
    assert any("stubborn" in text for text in found.findings)


def test_a_probed_op_lets_width_through() -> None:
    found = mupfx.analyze(Net(16, rounded), torch.zeros(2, 3))
    assert [op for op in found.axes.probed if "rounded" in op]
    assert "axes found by experiment: mupfx_tests.rounded.default" in summary(found).lines
    assert {name: str(role.role) for name, role in found.roles.items()} == {
        "first.weight": "input",
        "first.bias": "vector",
        "second.weight": "output",
        "second.bias": "scalar",
    }
