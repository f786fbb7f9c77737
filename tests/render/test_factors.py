"""Axes as people read them."""

from mupfx.core.axes import FactorClass
from mupfx.core.vocabulary import Kind, Status
from mupfx.render.factors import fan, labels, shape


def found(name: str, label: str, size: int) -> FactorClass:
    return FactorClass(name, size, Kind.WIDTH, Status.CERTAIN, None, "", label)


CLASSES = {
    "c0": found("c0", "kv_heads", 2),
    "c1": found("c1", "group", 3),
    "c2": found("c2", "head_dim", 8),
    "c3": found("c3", "width", 48),
}


def test_a_grouped_query_projection() -> None:
    axes = (("c0", "c1", "c2"), ("c3",))
    assert shape(axes, CLASSES) == "kv_heads 2 x group 3 x head_dim 8, width 48"


def test_a_dimension_of_one_and_a_scalar() -> None:
    assert shape((("c3",), ()), CLASSES) == "width 48, 1"
    assert shape((), CLASSES) == "scalar"


def test_a_label_that_two_classes_share_says_which() -> None:
    classes = CLASSES | {"c9": found("c9", "width", 16)}
    assert labels(classes)["c9"] == "width:c9"
    assert labels(classes)["c3"] == "width:c3"
    assert labels(classes)["c2"] == "head_dim"


def test_fans_say_which_dimensions() -> None:
    assert fan((1, 2, 3), (64, 16, 3, 3)) == "[1,2,3] 144"
    assert fan((0,), (0, 4)) == "[0] 0"
    assert fan((), (4,)) == "-"
