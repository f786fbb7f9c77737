"""A rule and the probe agree over torch's own samples of its ops, but where one must know less."""

import warnings
from collections.abc import Iterator

import pytest
from torch import fx

from tests.passes.axis_rules.agreement import compare, graph_of, is_empty, op_infos, ruled, samples

SHORTER = "the shorter of two axes, which both may grow alone"
UNCHECKED = "its fake kernel does not ask whether they are equal"
WITHIN = "one axis must be no longer than the other: as long, it may grow alone"
ALIKE = "axes of one length in one tensor: which is cut out of which only the rule knows"
FEW = "the op takes exactly three of them"
CEILED = "positions that are rounded up grow in steps"
COUNTED = "as many positions as the arguments say, as before here"
GROUPED = "channels in groups grow a group at a time"
PLACES = "counts and places, which are as many as the axis they are for"

RULE_KNOWS = {
    "aten.adaptive_avg_pool2d.default": COUNTED,
    "aten.adaptive_avg_pool3d.default": COUNTED,
    "aten.adaptive_max_pool2d.default": COUNTED,
    "aten.adaptive_max_pool3d.default": COUNTED,
    "aten.conv_transpose1d.default": GROUPED,
    "aten.conv_transpose2d.input": GROUPED,
    "aten.conv_transpose3d.input": GROUPED,
    "aten.cross.default": FEW,
    "aten.cross_entropy_loss.default": UNCHECKED,
    "aten.diag.default": SHORTER,
    "aten.diagonal.default": SHORTER,
    "aten.diagonal_copy.default": SHORTER,
    "aten.fft_fft.default": COUNTED,
    "aten.fft_fft2.default": COUNTED,
    "aten.fft_hfft2.default": COUNTED,
    "aten.fft_ifft.default": COUNTED,
    "aten.fft_ifft2.default": COUNTED,
    "aten.fft_ihfft2.default": COUNTED,
    "aten.fft_irfft2.default": COUNTED,
    "aten.fft_rfft2.default": COUNTED,
    "aten.fractional_max_pool3d.default": UNCHECKED,
    "aten.gather.default": WITHIN,
    "aten.index_put.default": WITHIN,
    "aten.index_reduce.default": UNCHECKED,
    "aten.linalg_cross.default": FEW,
    "aten.linalg_diagonal.default": SHORTER,
    "aten.linalg_lu_factor.default": SHORTER,
    "aten.linalg_qr.default": SHORTER,
    "aten.linalg_svd.default": SHORTER,
    "aten.linalg_svdvals.default": SHORTER,
    "aten.masked_select.default": UNCHECKED,
    "aten.max_pool2d_with_indices_backward.default": CEILED,
    "aten.reshape.default": ALIKE,
    "aten.reshape_as.default": ALIKE,
    "aten.scatter.reduce": WITHIN,
    "aten.scatter.src": WITHIN,
    "aten.scatter_add.default": WITHIN,
    "aten.scatter_reduce.two": WITHIN,
    "aten.select_scatter.default": UNCHECKED,
    "aten.slice_scatter.default": UNCHECKED,
    "aten.view.default": ALIKE,
    "aten.view_as.default": ALIKE,
    "aten.view_copy.default": ALIKE,
}
"""Overloads of which the rule says more, and why the probe cannot."""

PROBE_KNOWS = {
    "aten.channel_shuffle.default": "shuffled channels are as many, and other pieces in order",
    "aten.histogram.bins_tensor": "edges that are given are the edges that come back",
    "aten.index_copy.default": PLACES,
    "aten.linalg_householder_product.default": WITHIN,
    "aten.linalg_matrix_rank.atol_rtol_tensor": "square by an argument alone",
    "aten.linalg_pinv.atol_rtol_tensor": "square by an argument alone",
    "aten.repeat_interleave.self_Tensor": PLACES,
    "aten.reshape_as.default": ALIKE,
    "aten.scatter_add.default": WITHIN,
    "aten.segment_reduce.default": "as many as the data says",
    "aten.view_as.default": ALIKE,
}
"""Overloads of which the probe says more, and why the rule does not."""

UNPROBED = {
    "aten.linalg_householder_product.default": WITHIN,
    "aten.tensor_split.tensor_indices_or_sections": "pieces are as long as the data says",
    "aten.unbind.int": "has as many results as an axis is long",
    "aten.unbind_copy.int": "has as many results as an axis is long",
}
"""Overloads that the probe cannot run on other sizes."""


ELEMENTWISE = ("UnaryUfuncInfo", "BinaryUfuncInfo")
"""Kinds of ops that all have one rule, and are left to the long run."""


EVERY = 6
"""The quick run takes one op of so many."""


def nodes(most: int, *, once: bool) -> Iterator[tuple[fx.Node, object]]:
    """Ops of the samples' graphs, with their rules; each overload once, or every one."""
    seen: set[object] = set()
    infos = [i for i in op_infos() if not (once and type(i).__name__ in ELEMENTWISE)]
    for info in infos[:: EVERY if once else 1]:
        for sample in samples(info, most):
            graph = graph_of(info, sample)
            for node, rule in ruled(graph) if graph is not None else ():
                if not is_empty(node) and not (once and node.target in seen):
                    seen.add(node.target)
                    yield node, rule


def disagreements(most: int, *, once: bool) -> Iterator[str]:
    """What the tables above do not account for, a line each."""
    for node, rule in nodes(most, once=once):
        name = str(node.target)
        found = compare(node, rule)  # type: ignore[arg-type]
        if found is None:
            if name not in UNPROBED:
                yield f"{name} cannot be probed: {node.args}"
            continue
        for known, only, who in zip(
            (RULE_KNOWS, PROBE_KNOWS), found, ("rule", "probe"), strict=True
        ):
            if only and name not in known:
                yield f"{name}: the {who} alone joins {sorted(only)[:3]} of {node.args}"


@pytest.mark.opinfo
@pytest.mark.filterwarnings("ignore")
def test_a_rule_says_what_the_probe_finds() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(disagreements(1, once=True)) == []


@pytest.mark.opinfo
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_rule_says_what_the_probe_finds_in_every_sample() -> None:
    assert list(disagreements(5, once=False)) == []
