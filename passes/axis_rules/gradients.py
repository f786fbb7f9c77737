"""Gradients, where a model takes some of its own: each has the axes of what it belongs to.

``native_layer_norm_backward`` gives three: those of ``input``, ``weight`` and ``bias``.
"""

from collections.abc import Mapping

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.contraction import contract, labels
from mupfx.passes.axis_rules.elementwise import elementwise
from mupfx.passes.axis_rules.factors import Dim, Dims, fresh, mark
from mupfx.passes.axis_rules.parts import pad
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

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
    aten.nll_loss_backward: ("self",),
    aten.nll_loss2d_backward: ("self",),
    aten._softmax_backward_data: ("output",),
    aten._log_softmax_backward_data: ("output",),
    aten._cdist_backward: ("x1",),
    aten._pdist_backward: ("self",),
    aten.native_layer_norm_backward: ("input", "weight", "bias"),
    aten._fused_rms_norm_backward: ("input", "weight"),
    aten.native_batch_norm_backward: ("input", "weight", "weight"),
    aten.native_group_norm_backward: ("input", "weight", "weight"),
    aten.grid_sampler_2d_backward: ("input", "grid"),
    aten._weight_norm_interface_backward: ("saved_v", "saved_g"),
    aten._scaled_dot_product_flash_attention_for_cpu_backward: ("query", "key", "value"),
    aten._scaled_dot_product_flash_attention_backward: ("query", "key", "value"),
    aten._scaled_dot_product_cudnn_attention_backward: ("query", "key", "value"),
    aten._scaled_dot_product_efficient_attention_backward: ("query", "key", "value", "attn_bias"),
}
"""Arguments whose axes the results have, in order."""


def belongs(tracker: Tracker, call: Call) -> Dims | list[Dims]:
    """``dL/dx`` has the axes of ``x``; what arrives has those of the result, where they agree."""
    arrives = next(iter(call.arguments.values()))
    names = BELONGS[call.node.target.overloadpacket]  # type: ignore[union-attr]
    first = call[names[0]]
    if call.sizes(arrives) == call.sizes(first):
        tracker.join(call, call.dims(first), call.dims(arrives))
    tracker.meet(call, call.tensors())
    made = [call.tensor(name) for name in names]
    known = [() if node is None else call.dims(node) for node in made]
    return (
        known[0]
        if len(names) == 1
        else [
            dims if len(dims) == len(sizes) else tuple(fresh(size) for size in sizes)
            for dims, sizes in zip(known, call.outs, strict=True)
        ]
    )


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
    bias = call.dims(grad)[channel] if call["groups"] != 1 else rows
    results = [call.dims(x), call.dims(w), (bias,)]
    return [d if sizes else () for d, sizes in zip(results, call.outs, strict=True)]


def looked_up(_: Tracker, call: Call) -> Dims:
    """``embedding``'s: one row for each index, and the columns that arrive."""
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
