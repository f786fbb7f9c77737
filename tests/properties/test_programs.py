"""What must hold of every program: the truth, and that nothing else matters.

Names, the order of registration, the order of nodes, decompositions, sizes that are not width, and
spellings of a product change no answer.
"""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
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

FEW = settings(max_examples=max(2, settings().max_examples // 12))
"""A program takes seconds to trace; ``HYPOTHESIS_PROFILE=thorough`` looks longer."""
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
@given(programs(), st.integers(0, 99))
def test_answers_are_right_in_any_order_and_decomposed(program: Program, seed: int) -> None:
    mine, base = captured(program, 2), captured(program, 1)
    settled, alone = infer(mine, base), infer(mine, None)
    assert not wrong(program, settled)
    assert all(answer.status == Status.CERTAIN for answer in settled.values())
    assert not wrong(program, alone, certain=True)
    other, other_base = reordered(mine, seed), reordered(base, seed)
    assert infer(other, other_base) == settled
    assert infer(other, None) == alone
    finer, finer_base = decomposed(program, 2, mine), decomposed(program, 1, base)
    assert coarse(infer(finer, finer_base)) == coarse(settled)
    assert coarse(infer(finer, None)) == coarse(alone)


def coarse(found: dict[str, Answer]) -> dict[str, Answer]:
    return {key: answer.coarse() for key, answer in found.items()}


@FEW
@given(programs(), st.booleans(), st.integers(0, 9))
@example(Program("image", (("grouped 2d", "linear"),), "flat"), False, 1)  # noqa: FBT003
def test_names_and_their_order_mean_nothing(program: Program, base: bool, order: int) -> None:  # noqa: FBT001
    renamed, _ = analyze(program, base=base, names=hashed, order=order)
    plain, _ = analyze(program, base=base)
    assert renamed == plain
    assert [a.status for a in renamed.values()] == [a.status for a in plain.values()]


def both(program: Program) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """Answers beside a base and alone."""
    mine = captured(program, 2)
    return infer(mine, captured(program, 1)), infer(mine, None)


@FEW
@given(programs(), st.sampled_from([OTHER_SIZES, COINCIDENT]))
def test_sizes_that_are_not_width_mean_nothing(program: Program, sizes: Sizes) -> None:
    assert both(replace(program, sizes=sizes)) == both(program)


@FEW
@given(programs(), st.lists(st.sampled_from(sorted(LINEARS)), min_size=4, max_size=4))
@example(Program("features", (("token mixing", "linear"),), "learned query"), ["convolution"])
def test_spellings_of_a_product_are_one(program: Program, spellings: list[str]) -> None:
    pairs = zip(program.steps, spellings, strict=False)
    other = replace(program, steps=tuple((name, spelling) for (name, _), spelling in pairs))
    assert both(other) == both(program)


@FEW
@given(programs())
def test_parts_are_those_that_the_code_cuts(program: Program) -> None:
    """Of whatever the program says that it cuts: each part's rows, and a fan-out of as many."""
    model = program.build(2)
    _, found = analyze(program, base=True)
    for key, known in model.known.items():
        parts = found.roles[key].parts
        for dim, lengths in known.cuts.items():
            mine = [p for p in parts if p.dim == dim]
            assert [p.stop - p.start for p in mine] == list(lengths)
            assert [p.fan_out for p in mine] == list(lengths)
            assert {p.period for p in mine} == {known.shape[dim]}
