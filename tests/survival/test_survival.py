"""Whatever happens to a converted model, its multipliers stay, or somebody says that they do not.

Loud refusals and warnings are listed; all other cells are the same function.
"""

import pytest

from tests.survival.rows import EVERY, REFUSED, SAME, SILENT, SUBJECTS, WARNED, outcome

LOUD: dict[tuple[str, str], tuple[str, str]] = {
    ("torch.compile before", "graph"): (REFUSED, "convert the inner|is a wrapper"),
    ("LoRA, merged", "hook"): (WARNED, "takes its place"),
    ("LoRA, merged", "carried"): (WARNED, "takes its place"),
    ("LoRA, merged", "graph"): (REFUSED, "is not supported"),
    ("LoRA after to_standard", "graph"): (REFUSED, "is not supported"),
    ("int8 of torchao", "carried"): (REFUSED, "NotImplementedError"),
}
"""Adapters know layers by their class, which a graph does not have."""


@pytest.mark.filterwarnings("default")  # of torchao's own imports
@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("row", EVERY)
def test_survival(row: str, name: str) -> None:
    verdict, detail = outcome(row, name)
    assert verdict != SILENT, detail
    expected, words = LOUD.get((row, name), (SAME, ""))
    assert verdict == expected, detail
    assert any(word in detail for word in words.split("|")), detail
