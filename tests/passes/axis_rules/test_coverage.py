"""Every op of core ATen, and every op that exported models were seen to use, is spoken for."""

import operator
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mupfx.passes.axis_rules import rule_of
from mupfx.tables.op_standing import DECOMPOSED, UNSUPPORTED

EXPORTED = Path(__file__).with_name("exported_ops.txt").read_text().split()


def overloads() -> Iterator[torch._ops.OpOverload]:
    """Every overload of ATen that the dispatcher knows."""
    for name in sorted(torch._C._dispatch_get_all_op_names()):
        if name.startswith("aten::"):
            packet, _, overload = name.removeprefix("aten::").partition(".")
            yield getattr(getattr(torch.ops.aten, packet), overload or "default")


CORE = [op for op in overloads() if torch.Tag.core in op.tags]


def standings(op: torch._ops.OpOverload) -> list[str]:
    """Every way in which an op is spoken for."""
    found = ["rule"] if rule_of(op) is not None else []
    found += ["decomposed"] if op.overloadpacket in DECOMPOSED else []
    return found + (["unsupported"] if op.overloadpacket in UNSUPPORTED else [])


def test_the_walk_finds_what_the_namespace_lists() -> None:
    """``dir`` of the namespace is another list of the same ops."""
    listed = {
        getattr(getattr(torch.ops.aten, name), overload)
        for name in dir(torch.ops.aten)
        if isinstance(getattr(torch.ops.aten, name), torch._ops.OpOverloadPacket)
        for overload in getattr(torch.ops.aten, name).overloads()
    }
    assert {op for op in listed if torch.Tag.core in op.tags} <= set(CORE)
    assert len(CORE) > 180


@pytest.mark.parametrize("op", CORE, ids=str)
def test_an_op_of_core_aten_is_in_exactly_one_place(op: torch._ops.OpOverload) -> None:
    assert len(standings(op)) == 1


def test_no_op_is_in_two_places() -> None:
    both = Counter(word for op in overloads() for word in [len(standings(op))])
    assert set(both) <= {0, 1}


def test_every_reason_is_a_sentence() -> None:
    for reason in {*UNSUPPORTED.values(), *DECOMPOSED.values()}:
        assert len(reason.split()) > 4, reason
        assert reason[0].islower()
        assert not reason.endswith("."), reason


ENTERED = {
    "wrap_with_set_grad_enabled": "its body is a part of the graph",
    "wrap_with_autocast": "its body is a part of the graph",
    "flat_apply": "its body is a part of the graph",
}
"""Higher-order ops that capture enters."""

WITHOUT_AXES = {
    "getitem": "takes one result of several",
    **dict.fromkeys(
        ("ge", "le", "eq", "gt", "add", "mul", "floordiv", "sym_ite", "sym_not", "sym_max"),
        "is about numbers, not tensors",
    ),
    **dict.fromkeys(
        (
            "_add_batch_dim", "_remove_batch_dim", "_vmap_decrement_nesting",
            "_vmap_increment_nesting", "lazy_load_decompositions",
        ),
        "is how vmap keeps count of its levels",
    ),
}  # fmt: skip
"""Names that are no ops of a library."""

PROBED = {"transformers.grouped_mm_fallback.default": "test_probe.py has one of its kind"}
"""Ops of other libraries: no rule, and none needed."""


def loaded(name: str) -> torch._ops.OpOverload | None:
    """The overload of that name, in this version of torch."""
    parts = name.split(".")
    return operator.attrgetter(name)(torch.ops) if len(parts) == 3 and parts[0] == "aten" else None


@pytest.mark.parametrize("name", EXPORTED)
def test_an_op_that_models_use_is_spoken_for(name: str) -> None:
    op = loaded(name)
    if op is None:
        assert sum(name in table for table in (ENTERED, WITHOUT_AXES, PROBED)) == 1
    else:
        assert standings(op) == ["rule"]
