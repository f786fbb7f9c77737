"""Parts of tensors by arithmetic on strides, against the entries themselves."""

from collections.abc import Callable

import torch
from hypothesis import assume, event, given
from hypothesis import strategies as st
from torch import Tensor, nn

from mupfx.core.drawn import Drawn
from mupfx.passes.laws import absent, record, record_shapes
from mupfx.passes.laws.regions import apart, box_of, contains, layout_of, overlap

View = Callable[[Tensor], Tensor]
Step = tuple[tuple[View, ...], str, float]


@st.composite
def slices(draw: st.DrawFn) -> View:
    dim, step = draw(st.integers(0, 2)), draw(st.sampled_from([1, 1, 1, 2, 3]))
    start, count = draw(st.integers(0, 5)), draw(st.integers(1, 6))

    def view(t: Tensor) -> Tensor:
        d = dim % t.dim() if t.dim() else 0
        return t[(slice(None),) * d + (slice(start, start + count, step),)] if t.dim() else t

    return view


def flat(t: Tensor) -> Tensor:
    return t.view(-1) if t.is_contiguous() else t


def turned(t: Tensor) -> Tensor:
    return t.transpose(0, -1) if t.dim() > 1 else t


def first(t: Tensor) -> Tensor:
    return t[0] if t.dim() > 1 and len(t) else t


def folded(t: Tensor) -> Tensor:
    even = t.dim() > 0 and len(t) > 0 and len(t) % 2 == 0
    return t.reshape(2, -1, *t.shape[1:]) if even else t


VIEWS = st.one_of(slices(), st.sampled_from([flat, turned, first, folded]))
STEPS = st.lists(
    st.tuples(
        st.lists(VIEWS, max_size=3).map(tuple),
        st.sampled_from(["fill", "fill", "fill", "mul", "add", "copy", "swap"]),
        st.integers(1, 9).map(float),
    ),
    min_size=1,
    max_size=6,
)
SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)


def seen(t: Tensor, views: tuple[View, ...]) -> Tensor:
    for view in views:
        t = view(t)
    return t


def run(shape: tuple[int, ...], steps: list[Step], end: tuple[View, ...], copy: bool) -> Tensor:  # noqa: FBT001
    weight = torch.full(shape, 0.5)
    for views, op, number in steps:
        part = seen(weight, views)
        if op == "fill":
            part.fill_(number)
        elif op == "mul":
            part.mul_(number)
        elif op == "add":
            part.add_(number)
        elif op == "copy":
            part.copy_(part.clone() * number)
        else:
            weight = weight + number
    out = seen(weight, end)
    return out.clone() if copy else out


def rebuilt(law: Drawn, shape: torch.Size) -> Tensor:
    values = torch.full(shape, law.location)
    for box, part in law.parts:
        values[tuple(slice(a, a + n * s, s) for a, n, s in box)] = part.location
    return values


@given(SHAPES, STEPS, st.lists(VIEWS, max_size=2).map(tuple), st.booleans())
def test_constants_are_where_the_law_says(
    shape: tuple[int, ...],
    steps: list[Step],
    end: tuple[View, ...],
    copy: bool,  # noqa: FBT001
) -> None:
    """Every entry's value follows from the law, or the law is not known."""

    def factory() -> nn.Module:
        module = nn.Module()
        module.w = nn.Parameter(run(shape, steps, end, copy))
        return module

    found = record(factory)
    law, values = found.laws["w"], found.model.get_parameter("w").detach()
    assume(values.numel() > 0)
    event("known" if law.known else law.why)
    if law.known:
        assert torch.equal(rebuilt(law, values.shape), values)
    before = absent.Limits.__init__.__defaults__
    absent.Limits.__init__.__defaults__ = (0, 0.0)
    try:
        assert str(record_shapes(factory).laws["w"]) == str(law)
    finally:
        absent.Limits.__init__.__defaults__ = before


@given(SHAPES, st.lists(VIEWS, max_size=3).map(tuple))
def test_a_box_is_the_entries_of_the_view(shape: tuple[int, ...], views: tuple[View, ...]) -> None:
    whole = torch.arange(torch.Size(shape).numel()).view(shape)
    part = seen(whole, views)
    assume(part.numel() > 0)
    box = box_of(layout_of(part).region, layout_of(whole))
    if box is not None:
        held = whole[tuple(slice(a, a + n * s, s) for a, n, s in box)]
        assert set(held.flatten().tolist()) == set(part.flatten().tolist())


BOX = st.tuples(st.integers(0, 7), st.integers(1, 5), st.integers(1, 3))


def entries(box: tuple[int, int, int]) -> set[int]:
    start, count, step = box
    return set(range(start, start + count * step, step))


@given(BOX, BOX)
def test_what_boxes_have_in_common(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    common = entries(one) & entries(other)
    assert contains((one,), (other,)) == (entries(other) <= entries(one))
    if apart((one,), (other,)):
        assert not common
    else:
        both = overlap((one,), (other,))
        assert both is None or entries(both[0]) == common
