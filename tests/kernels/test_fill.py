"""Tensors: any part is the slice of the whole, any dtype the rounded whole, whatever the path."""

import math
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from mupfx.errors import InitError, MupfxWarning
from mupfx.kernels import (
    Draw,
    Job,
    Part,
    constant,
    fill_,
    native,
    normal,
    streams,
    truncated,
    uniform,
)
from mupfx.kernels.eager import values
from mupfx.kernels.fill import DTYPES
from mupfx.kernels.streams import key_of, stream_of

LAWS = {
    "normal": normal(0.3, 0.1),
    "uniform": uniform(-1.0, 3.0),
    "truncated": truncated(1.0, 0.25, -1.0, 2.0),
    "half": truncated(1.0, 0.0, 0.0, math.inf),
    "constant": constant(0.7),
}
PATHS = ("eager", "native", "copied")
BY_NAME = sorted(DTYPES, key=str)


def filled(  # noqa: PLR0913
    shape: tuple[int, ...],
    draw: Draw = LAWS["normal"],
    part: Part | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    nested: bool = False,
    path: str | None = "eager",
    seed: int = 3,
) -> Tensor:
    out = torch.full(shape, 1.0).to(dtype)
    fill_([Job(out, draw, "w", part)], seed=seed, nested=nested, path=path)
    return out


def same(one: Tensor, other: Tensor) -> bool:
    """Bit for bit."""
    kind = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[one.element_size()]
    return one.dtype == other.dtype and torch.equal(
        one.contiguous().view(kind), other.contiguous().view(kind)
    )


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[int, ...], Part, tuple[slice, ...]]:
    """Sizes, where they lie, and the same as slices."""
    whole = tuple(draw(st.lists(st.integers(1, 9), max_size=4)))
    slices = []
    for size in whole:
        start = draw(st.integers(0, size))
        stop = draw(st.integers(start, size))
        slices.append(slice(start, stop, draw(st.integers(1, 3))))
    sizes = tuple(len(range(*s.indices(n))) for s, n in zip(slices, whole, strict=True))
    offsets, steps = tuple(s.start for s in slices), tuple(s.step for s in slices)
    return sizes, Part(whole, offsets, steps), tuple(slices)


@given(
    part=parts(),
    law=st.sampled_from(sorted(LAWS)),
    path=st.sampled_from(PATHS),
    nested=st.booleans(),
)
def test_a_part_is_the_slice_of_the_whole(
    *, part: tuple[tuple[int, ...], Part, tuple[slice, ...]], law: str, path: str, nested: bool
) -> None:
    sizes, place, slices = part
    whole = filled(place.shape, LAWS[law], nested=nested)
    found = filled(sizes, LAWS[law], place, nested=nested, path=path)
    assert same(found, whole[slices])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("dtype", BY_NAME, ids=str)
@pytest.mark.parametrize("law", LAWS)
def test_every_dtype_is_the_same_rounded_once(law: str, dtype: torch.dtype, path: str) -> None:
    whole = filled((33, 5, 3), LAWS[law])
    assert same(filled((33, 5, 3), LAWS[law], dtype=dtype, path=path), whole.to(dtype))


@pytest.mark.parametrize("std", [1e-9, 3e-6, 300.0, 1e5])
@pytest.mark.parametrize("dtype", BY_NAME, ids=str)
def test_the_ends_of_a_dtype(std: float, dtype: torch.dtype) -> None:
    whole = filled((1000,), normal(std))
    if dtype is torch.float8_e4m3fn:  # it has no infinity
        whole = whole.clamp(-448, 448)
    assert same(filled((1000,), normal(std), dtype=dtype), whole.to(dtype))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("law", LAWS)
def test_any_number_of_elements(law: str, path: str) -> None:
    whole = filled((40_000,), LAWS[law])
    index = torch.arange(40_000)
    assert same(whole, values(LAWS[law], index, stream_of("w"), key_of(3)))
    for size in (0, 1, 3, 4, 1023, 1024, 32_768, 32_771, 39_999):
        assert same(filled((size,), LAWS[law], path=path), whole[:size])


@pytest.mark.parametrize("path", PATHS)
def test_far_into_a_tensor(path: str) -> None:
    """A shard whose indices need all of 63 bits."""
    part = Part((2**31, 2**31 - 1), (2**31 - 5, 2**31 - 9), ())
    index = torch.tensor(
        [[(2**31 - 5 + i) * (2**31 - 1) + 2**31 - 9 + j for j in range(8)] for i in range(5)]
    )
    wanted = values(LAWS["normal"], index, stream_of("w"), key_of(3))
    assert same(filled((5, 8), part=part, path=path), wanted)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shape", [(40,), (48, 40), (6, 24, 20), (24, 20, 3, 3)])
def test_nested_tensors_are_corners_of_wider_ones(shape: tuple[int, ...], path: str) -> None:
    wide = filled(shape, nested=True, path=path)
    half = tuple(size // 2 if d < 3 and size > 3 else size for d, size in enumerate(shape))
    narrow = filled(half, nested=True, path=path)
    assert same(narrow, wide[tuple(slice(size) for size in half)])
    assert len(shape) == 1 or not same(filled(half), filled(shape)[tuple(map(slice, half))])


def test_how_values_are_stored_does_not_matter() -> None:
    image = torch.empty(6, 4, 3, 3).to(memory_format=torch.channels_last)
    turned = torch.empty(5, 7).T
    spread = torch.zeros(6, 8)[::2, 1::2]
    jobs = [Job(t, LAWS["normal"], "w") for t in (image, turned, spread)]
    fill_(jobs, seed=3)
    for job in jobs:
        assert same(job.out, filled(tuple(job.out.shape)))
    assert image.is_contiguous(memory_format=torch.channels_last)


def test_memory_beside_a_tensor_is_left_alone() -> None:
    memory = torch.full((50,), 7.0)
    fill_([Job(memory[3:40], LAWS["normal"], "w")], seed=3, path="native")
    assert memory[:3].tolist() == [7.0] * 3
    assert memory[40:].tolist() == [7.0] * 10


def test_names_and_seeds_decide() -> None:
    first, second = torch.empty(64), torch.empty(64)
    fill_([Job(first, normal(1), "a"), Job(second, normal(1), "b")], seed=0)
    again = torch.empty(64)
    fill_([Job(again, normal(1), "b")], seed=0)
    assert same(second, again)
    assert not same(first, second)
    fill_([Job(again, normal(1), "b")], seed=1)
    assert not same(second, again)


def test_nobodys_generator_moves() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for path in PATHS:
        filled((100,), path=path)
    assert torch.equal(torch.get_rng_state(), before)


def test_autograd_sees_that_values_changed() -> None:
    weight = nn.Parameter(torch.ones(4))
    loss = weight.square().sum()
    fill_([Job(weight, normal(1), "w")], seed=0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()  # type: ignore[no-untyped-call]
    assert weight.requires_grad


def test_defaults_of_the_user_change_nothing() -> None:
    wanted = filled((5000,))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            out = torch.empty(5000, device="cpu", dtype=torch.float32)
            fill_([Job(out, LAWS["normal"], "w")], seed=3, path="eager")
            also = torch.empty(5000, device="cpu", dtype=torch.float32)
            fill_([Job(also, LAWS["normal"], "w")], seed=3, path="native")
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(out, wanted)
    assert same(also, wanted)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_the_work(threads: int) -> None:
    with (
        patch.object(native, "CHUNK", 1000),
        patch.object(torch, "get_num_threads", lambda: threads),
    ):
        assert same(filled((33, 301), path="native"), filled((33, 301)))


@pytest.fixture
def mistrusted() -> Iterator[None]:
    native._trusted.cache_clear()
    yield
    native._trusted.cache_clear()


@pytest.mark.usefixtures("mistrusted")
def test_machine_code_of_other_bits_is_not_used() -> None:
    wrong = native._numbers(normal(1.0))
    with (
        patch.object(native, "_numbers", lambda _: wrong),
        pytest.warns(MupfxWarning, match="numba gives other numbers"),
    ):
        assert not native.available(torch.device("cpu"))


def message(*jobs: Job, seed: int = 0, path: str | None = None, nested: bool = False) -> str:
    with pytest.raises(InitError) as caught:
        fill_(jobs, seed=seed, path=path, nested=nested)
    return str(caught.value)


def test_messages() -> None:
    draw, out = normal(1), torch.empty(4, 4)
    assert message(Job(torch.empty(2, device="meta"), draw, "a.w")) == snapshot("""\
a tensor cannot be filled with random numbers
  where: a.w
  expected: memory of a floating point dtype
  found: torch.float32 on meta\
""")
    assert message(Job(torch.empty(2, dtype=torch.int32), draw, "a.w")) == snapshot("""\
a tensor cannot be filled with random numbers
  where: a.w
  expected: memory of a floating point dtype
  found: torch.int32 on cpu\
""")
    with FakeTensorMode():
        assert message(Job(torch.empty(2), draw, "a.w")) == snapshot("""\
a tensor of its own class may hold anything
  where: a.w
  expected: a torch.Tensor, nn.Parameter or DTensor
  found: FakeTensor\
""")
    assert message(Job(out, draw, "w"), seed=-1) == snapshot("""\
a seed is an integer of 64 bits
  expected: 0 <= seed < 2**64
  found: -1\
""")
    assert message(Job(out, draw, "w"), path="gpu") == snapshot("""\
tensors on cpu cannot be filled on the path 'gpu'
  expected: 'native' or 'eager' or 'copied'
  hint: path=None takes the fastest that runs\
""")
    assert message(Job(out, draw, "w", Part((4, 6), (0, 3)))) == snapshot("""\
a part does not lie in the whole
  expected: Part(shape=(4, 6), offsets=(0, 3), steps=())
  found: (4, 4)\
""")
    assert message(Job(out, draw, "w", Part((2**32, 2**32), (0, 0)))) == snapshot("""\
a tensor has more than 2^63 elements
  found: (4294967296, 4294967296)\
""")
    assert message(Job(out, draw, "w", Part((2**33, 4), (2**20, 0))), nested=True) == snapshot("""\
a tensor is too wide to be nested in wider ones
  expected: at most 2147483648 along a dimension
  found: (8589934592, 4)\
""")
    with patch.object(streams, "stream_of", lambda _: 1):
        assert message(Job(out, draw, "a"), Job(out, draw, "b")) == snapshot("""\
'b' and 'a' would draw the same numbers
  where: b\
""")
