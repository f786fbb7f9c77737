"""The picture's boxes: nothing is lost, what is alike is shown once, edges stay between siblings."""

from collections.abc import Iterator

import pytest
import torch

from mupfx.render.page.boxes import Box, picture
from mupfx.render.page.captions import Captions, common, short, within
from mupfx.render.page.cells import Kind, cells
from mupfx.render.page.classes import classes
from mupfx.render.page.rows import rows
from mupfx.render.page.tree import Vertex, tree
from tests.page.pages import Experts, Made, gpt, made, plain

EXAMPLE = torch.zeros(2, 8)


def whole(found: Made, *, every_layer: bool = False) -> tuple[Vertex, Box]:
    """The boxes of a model, before and after they have a place."""
    analysis, plan = found
    known = rows(analysis, plan, every_layer=every_layer)
    root = tree(analysis, known.of)
    words = Captions(analysis, plan, classes(analysis, known.rows), known.of)
    return root, picture(root, words)


def vertices(vertex: Vertex) -> Iterator[Vertex]:
    yield vertex
    for child in vertex.children:
        yield from vertices(child)


def boxes(box: Box) -> Iterator[Box]:
    yield box
    for child in box.children:
        yield from boxes(child)


def test_layers_that_are_alike_are_shown_once() -> None:
    root, box = whole(gpt())
    (group,) = [v for v in vertices(root) if v.times > 1]
    assert group.times == 2
    assert [c.branch for c in group.children] == [True, False, True, False]
    titles = [each.title for each in boxes(box) if each.title]
    assert titles == [
        *("args_0", "tokens", "positions", "+", "blocks.{0,1}", "attention_norm, attention"),
        *("attention_norm", "attention.qkv", "attention", "attention.out", "+", "mlp_norm, mlp"),
        *("mlp_norm", "mlp.0", "mlp.2", "+", "norm", "head", "output"),
    ]


def test_every_layer_is_shown_where_it_is_wanted() -> None:
    root, _ = whole(gpt(), every_layer=True)
    assert all(vertex.times == 1 for vertex in vertices(root))
    shown = [name for vertex in vertices(root) if vertex.cell for name in vertex.cell.parameters]
    assert sorted(shown) == sorted(gpt()[0].roles)


def test_every_node_has_its_place() -> None:
    analysis, _ = gpt()
    root, _ = whole(gpt())
    found, edges = cells(analysis)
    assert set(root.places) == {cell.node for cell in found}
    assert {end for edge in edges for end in edge} <= set(root.places)
    used = {name for cell in found for name in cell.parameters}
    assert used == set(analysis.roles)


def test_the_stream_of_a_block() -> None:
    root, _ = whole(gpt())
    (group,) = [v for v in vertices(root) if v.times > 1]
    assert set(group.edges) == {(0, 1), (1, 2), (1, 3), (2, 3)}
    assert set(group.entries) == {0, 1}
    assert set(group.exits) == {3}


def test_a_plain_net_is_a_chain() -> None:
    root, box = whole(made(plain(64), EXAMPLE, base=16))
    (group,) = [v for v in vertices(root) if v.times > 1]
    assert (group.times, len(group.children)) == (6, 1)
    assert not any(vertex.branch for vertex in vertices(root))
    assert [b.tag for b in boxes(box) if b.tag] == ["input", "hidden", "output"]


def test_what_repeats_beside_each_other_is_shown_once() -> None:
    root, _ = whole(made(Experts(32), EXAMPLE, base=16))
    (branch,) = [v for v in vertices(root) if v.branch]
    assert [(child.times, len(child.children)) for child in branch.children] == [(5, 2)]


def test_one_operation_is_one_cell() -> None:
    found, _ = cells(gpt()[0])
    kinds = [cell.kind for cell in found]
    assert kinds.count(Kind.ADD) == 4
    assert kinds.count(Kind.START) == 1
    assert kinds.count(Kind.SITE) == 2
    assert (kinds.count(Kind.INPUT), kinds.count(Kind.OUTPUT)) == (1, 1)


@pytest.mark.parametrize("found", [gpt(), made(Experts(32), EXAMPLE, base=16)])
def test_boxes_hold_their_children_and_their_text(found: Made) -> None:
    for box in boxes(whole(found)[1]):
        for child in box.children:
            assert child.x >= 0
            assert child.x + child.width <= box.width + 0.1
            assert child.y + child.height <= box.height + 0.1
        for line in box.lines:
            for chip in line.chips:
                assert chip.x + chip.width <= box.width


def test_one_key_for_a_class_of_every_layer() -> None:
    analysis, plan = gpt()
    known = classes(analysis, rows(analysis, plan, every_layer=False).rows)
    apart = classes(analysis, rows(analysis, plan, every_layer=True).rows)
    labels = [entry.chip.text for entry in known.entries]
    assert labels[:4] == ["width 256", "heads 16", "c{6,10} 1024", "head_dim 16"]
    assert [entry.chip.text for entry in apart.entries].count("heads 16") == 2
    width = known.entries[0]
    assert (width.parameters, width.ratio, width.status) == (25, "4", "certain")


def test_names_of_boxes() -> None:
    assert common(["a.b.weight", "a.b.bias"]) == "a.b"
    assert common(["a.b.weight", "c"]) == ""
    assert within("a.b.c", "a.b") == "c"
    assert within("ab.c", "a") == "ab.c"
    assert len(short("x" * 200)) < 40
