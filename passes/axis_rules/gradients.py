"""Gradients, where a model takes some of its own: each has the axes of what it belongs to.

``native_layer_norm_backward`` gives three: those of ``input``, ``weight`` and ``bias``.
"""

from collections.abc import Mapping

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.contraction import contract, labels
from mupfx.passes.axis_rules.elementwise import elementwise
from mupfx.passes.axis_rules.factors import Dim, Dims, Size, fresh, mark
from mupfx.passes.axis_rules.lettered import lettered
from mupfx.passes.axis_rules.parts import pad
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

ATTENDED = "lv, le, se, sv, lv -> le, se, sv"
BIASED = "lv, le, se, sv, ls, lv -> le, se, sv, ls"

LETTERS: Mapping[object, str] = {
    aten._cdist_backward: "nm, nd, md, nm -> nd",
    aten._pdist_backward: "m, nd, m -> nd",
    aten.nll_loss_backward: "n, nc, n, c -> nc",
    aten.nll_loss2d_backward: "nhw, nchw, nhw, c -> nchw",
    aten.grid_sampler_2d_backward: "ncyx, nchw, nyxp -> nchw, nyxp",
    aten._scaled_dot_product_flash_attention_for_cpu_backward: ATTENDED,
    aten._scaled_dot_product_flash_attention_backward: ATTENDED,
    aten._scaled_dot_product_cudnn_attention_backward: ATTENDED,
    aten._scaled_dot_product_efficient_attention_backward: BIASED,
}

BELONGS: Mapping[object, tuple[str, ...]] = {
    aten._adaptive_avg_pool2d_backward: ("self",),
    aten._adaptive_avg_pool3d_backward: ("self",),
    aten.adaptive_max_pool2d_backward: ("self",),
    aten.adaptive_max_pool3d_backward: ("self",),
    aten.avg_pool2d_backward: ("self",),
    aten.avg_pool3d_backward: ("self",),
    aten.max_pool2d_with_indices_backward: ("self",),
    aten.max_pool3d_with_indices_backward: ("self",),
    aten.reflection_pad1d_backward: ("self",),
    aten.reflection_pad2d_backward: ("self",),
    aten.reflection_pad3d_backward: ("self",),
    aten.replication_pad1d_backward: ("self",),
    aten.replication_pad2d_backward: ("self",),
    aten.replication_pad3d_backward: ("self",),
    aten.glu_backward: ("self",),
    aten.mse_loss_backward: ("self",),
    aten._softmax_backward_data: ("output",),
    aten._log_softmax_backward_data: ("output",),
    aten.native_layer_norm_backward: ("input", "weight", "bias"),
    aten._fused_rms_norm_backward: ("input", "weight"),
    aten.native_batch_norm_backward: ("input", "weight", "weight"),
    aten.native_group_norm_backward: ("input", "weight", "weight"),
    aten._weight_norm_interface_backward: ("saved_v", "saved_g"),
}
"""Arguments whose axes the results have, in order."""


def belongs(tracker: Tracker, call: Call) -> Dims | list[Dims]:
    """``dL/dx`` has the axes of ``x``; tensors of one rank lie beside each other."""
    names = BELONGS[call.node.target.overloadpacket]  # type: ignore[union-attr]
    known = [() if node is None else call.dims(node) for node in map(call.tensor, names)]
    _beside(tracker, call, call[names[0]])
    _affine(tracker, call, call[names[0]])
    tracker.meet(call, call.tensors())
    if len(names) == 1:
        return known[0]
    pairs = zip(known, call.outs, strict=False)
    return [d if len(d) == len(s) else tuple(map(fresh, s)) for d, s in pairs]


def _beside(tracker: Tracker, call: Call, first: fx.Node) -> None:
    """Join axes of one place and one size; those resampled or padded have another."""
    nodes = [n for n in call.tensors() if len(call.sizes(n)) == len(call.sizes(first))]
    for place in range(len(call.sizes(first))):
        met: dict[Size, Dim] = {}
        for node in nodes:
            dim, size = call.dims(node)[place], call.sizes(node)[place]
            tracker.join(call, [met.setdefault(size, dim)], [dim])


PER_CHANNEL = ("weight", "bias", "running_mean", "running_var", "save_mean", "save_invstd")


def _affine(tracker: Tracker, call: Call, x: fx.Node) -> None:
    """Gains and statistics lie along the normalised axes: the last, or the channels."""
    dims, last = call.dims(x), call["normalized_shape"]
    axes = dims[1:2] if last is None else dims[-len(last) :]
    for node in filter(None, map(call.tensor, PER_CHANNEL)):
        tracker.join(call, axes, call.dims(node))
    for node in filter(None, map(call.tensor, ("mean", "rstd"))):
        tracker.join(call, dims, call.dims(node)[:1])


def convolution_backward(tracker: Tracker, call: Call) -> list[Dims]:
    """The gradient that arrives is contracted with the weight; each result is as its tensor."""
    grad, x, w = call["grad_output"], call["input"], call["weight"]
    channel = len(call.sizes(x)) - len(call.sizes(w)) + 1
    rows, columns = call.dims(w)[:2][:: -1 if call["transposed"] else 1]
    space, kernel = labels(len(call.dims(w)) - 2), labels(len(call.dims(w)) - 2, start=64)
    dims = {grad: call.dims(grad)[: channel + 1] + ((),) * len(space)}
    stored = ("io" if call["transposed"] else "oi") + kernel
    if call["groups"] == 1:
        operands = [(grad, "n" * channel + "o" + space), (w, stored)]
        contract(tracker, call, operands, "n" * channel + "i" + space, dims, alone=kernel)
        tracker.join(call, [call.dims(x)[channel]], [columns])
    tracker.join(call, call.dims(x)[:channel], call.dims(grad))
    bias = call.dims(grad)[channel] if call["groups"] != 1 else rows
    results = [call.dims(x), call.dims(w), (bias,)]
    return [d if sizes else () for d, sizes in zip(results, call.outs, strict=False)]


def looked_up(tracker: Tracker, call: Call) -> Dims:
    """``embedding``'s: one row for each index, and the columns that arrive."""
    tracker.join(call, call.dims(source(call))[:-1], call.dims(call["indices"]))
    rows: Dim = fresh(call.out[0])
    mark(rows, Reason.INDEX, f"{call.node.name} adds up by index")
    return (rows, call.dims(source(call))[-1])


def put_back(tracker: Tracker, call: Call) -> Dims:
    """``select``'s: the axis that was picked from is there again."""
    dims = list(call.dims(source(call)))
    axis = call["dim"] % len(call.out)
    del tracker
    dims.insert(axis, fresh(call.out[axis]))
    mark(dims[axis], Reason.PARTS, f"{call.node.name} fills one of it by number")
    return tuple(dims)


RULES: Rules = {
    **dict.fromkeys(BELONGS, belongs),
    **{op: lettered(text) for op, text in LETTERS.items()},
    aten.convolution_backward: convolution_backward,
    **dict.fromkeys((aten.embedding_dense_backward, aten.embedding_backward), looked_up),
    aten.select_backward: put_back,
    **dict.fromkeys(
        (
            aten.slice_backward, aten.upsample_bicubic2d_backward,
            aten.upsample_bilinear2d_backward, aten.upsample_linear1d_backward,
            aten.upsample_nearest1d_backward, aten.upsample_nearest2d_backward,
            aten.upsample_nearest3d_backward, aten.upsample_trilinear3d_backward,
        ),
        pad,
    ),
    **dict.fromkeys(
        (
            aten.elu_backward, aten.hardshrink_backward, aten.hardsigmoid_backward,
            aten.hardswish_backward, aten.hardtanh_backward, aten.leaky_relu_backward,
            aten.log_sigmoid_backward, aten.mish_backward, aten.softplus_backward,
            aten.softshrink_backward, aten._prelu_kernel_backward,
        ),
        elementwise,
    ),
}  # fmt: skip
