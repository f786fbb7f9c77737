"""What must hold of every program: the truth, and that nothing else matters.

Names, the order of registration, the order of nodes, decompositions, sizes that are not width, and
spellings of a product change no answer.
"""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mupfx.core.vocabulary import Status
from tests.properties.answers import (
    Answer,
    analyze,
    captured,
    decomposed,
    infer,
    reordered,
    wrong,
)
from tests.properties.menu import STEPS, programs, single
from tests.properties.programs import Program, Sizes
from tests.properties.spellings import LINEARS

FEW = settings(max_examples=max(1, settings().max_examples // 5))
"""A program takes a second: one at the base, one beside it."""
OTHER_SIZES = Sizes(
    batch=3, windows=3, window=2, vocabulary=17, classes=5, features=4, side=8, kernel=5
)
COINCIDENT = Sizes(
    batch=24, windows=8, window=3, vocabulary=24, classes=24, features=24, side=24, inner=12
)
"""At the double width every axis is as long as the stream."""


def hashed(key: str) -> str:
    """Another name at another depth, which orders parameters in another way."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"m{digest[:2]}.m{digest[2:8]}" if len(key) % 2 else f"m{digest[:8]}"


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_understood_beside_a_base(name: str) -> None:
    program = single(name)
    assert not wrong(program, analyze(program, base=True)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_no_step_is_misunderstood_silently(name: str) -> None:
    program = single(name)
    assert not wrong(program, analyze(program, base=False)[0], certain=True)


@FEW
@given(programs())
def test_a_base_settles_everything(program: Program) -> None:
    found, _ = analyze(program, base=True)
    assert not wrong(program, found)
    assert all(answer.status == Status.CERTAIN for answer in found.values())


@FEW
@given(programs())
def test_what_is_certain_is_right(program: Program) -> None:
    found, _ = analyze(program, base=False)
    assert not wrong(program, found, certain=True)


@FEW
@given(programs(), st.booleans(), st.integers(0, 9))
def test_names_and_their_order_mean_nothing(program: Program, base: bool, order: int) -> None:  # noqa: FBT001
    renamed, _ = analyze(program, base=base, names=hashed, order=order)
    assert renamed == analyze(program, base=base)[0]


@FEW
@given(programs(), st.integers(0, 9))
def test_the_order_of_independent_nodes_means_nothing(program: Program, seed: int) -> None:
    mine, base = captured(program, 2), captured(program, 1)
    assert infer(reordered(mine, seed), None) == infer(mine, None)
    assert infer(reordered(mine, seed), reordered(base, seed)) == infer(mine, base)


def _coarse(found: dict[str, Answer]) -> dict[str, Answer]:
    return {key: answer.coarse() for key, answer in found.items()}


@FEW
@given(programs())
def test_decomposing_ops_changes_no_answer(program: Program) -> None:
    mine, base = captured(program, 2), captured(program, 1)
    finer, finer_base = decomposed(program, 2, mine), decomposed(program, 1, base)
    assert _coarse(infer(finer, finer_base)) == _coarse(infer(mine, base))
    assert _coarse(infer(finer, None)) == _coarse(infer(mine, None))


@FEW
@given(programs(), st.booleans(), st.sampled_from([OTHER_SIZES, COINCIDENT]))
def test_sizes_that_are_not_width_mean_nothing(
    program: Program,
    base: bool,  # noqa: FBT001
    sizes: Sizes,
) -> None:
    other, _ = analyze(replace(program, sizes=sizes), base=base)
    assert other == analyze(program, base=base)[0]


@FEW
@given(
    programs(), st.booleans(), st.lists(st.sampled_from(sorted(LINEARS)), min_size=4, max_size=4)
)
def test_spellings_of_a_product_are_one(
    program: Program,
    base: bool,  # noqa: FBT001
    spellings: list[str],
) -> None:
    steps = tuple(
        (name, spelling) for (name, _), spelling in zip(program.steps, spellings, strict=False)
    )
    other, _ = analyze(replace(program, steps=steps), base=base)
    assert other == analyze(program, base=base)[0]
