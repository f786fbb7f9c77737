"""Modules as one text: what is reached, in order, each name once."""

import re
import sys
from types import ModuleType

import pytest
import torch

from mupfx.exports.bundle import bundle
from mupfx.kernels.draw import uniform
from mupfx.kernels.eager import values

ENTRY = ("mupfx.kernels.eager",)


def test_only_what_is_reached_is_there() -> None:
    imports, text = bundle(ENTRY, {})
    assert "\nclass Draw:\n" in text
    assert "def truncated(" not in text
    assert "import torch" in imports.splitlines()
    assert "Decimal" not in imports
    assert "mupfx" not in imports


def test_what_is_needed_comes_first() -> None:
    _, text = bundle(ENTRY, {})
    owners = re.findall(r"^# -+ (\w+)$", text, re.MULTILINE)
    assert owners.index("spec") < owners.index("eager")
    assert owners.index("draw") < owners.index("segment") < owners.index("eager")


def test_names_of_two_modules_are_told_apart() -> None:
    _, text = bundle(("mupfx.kernels.eager", "mupfx.kernels.fused"), {})
    defined = re.findall(r"^(?: {4})?(?:def|class) (\w+)", text, re.MULTILINE)
    top = [name for name in defined if name not in {"pieces", "__init__"}]
    assert len(top) == len(set(top))
    assert {"eager_fill", "fused_fill", "eager_philox", "fused_philox", "in_order"} <= set(top)
    assert "    words = torch.stack(eager_philox(index >> 2, stream, key))\n" in text
    assert "fused_philox(counter, stream, k0, k1)\n" in text


def test_names_of_modules_are_gone() -> None:
    _, text = bundle(ENTRY, {})
    assert "spec." not in text
    assert "range(ROUNDS)" in text


def test_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bundled")
    monkeypatch.setitem(sys.modules, "bundled", module)
    exec("\n".join(bundle(ENTRY, {})), vars(module))  # noqa: S102
    draw = module.Draw(module.Kind.UNIFORM, 0.5)
    index = torch.arange(9)
    assert torch.equal(module.values(draw, index, 5, 7), values(uniform(-0.5, 0.5), index, 5, 7))


def test_other_text_is_read_as_the_modules_own() -> None:
    replaced = {
        "mupfx.kernels.eager": {"quantile": "def quantile(x):\n    return spec.UNIT\n", "": "Mine."}
    }
    _, text = bundle(ENTRY, replaced)
    assert "def quantile(x):\n    return UNIT\n" in text
    assert "CENTRE = (" not in text
    assert " eager\n# Mine.\n" in text


def test_what_is_replaced_has_to_be_there() -> None:
    with pytest.raises(LookupError, match="no definitions of \\['gone'\\]"):
        bundle(ENTRY, {"mupfx.kernels.eager": {"gone": ""}})
