"""Products: which label of an einsum stands on which dimension of each op's operands.

``addmm(c, a, b)`` is ``nm, mp -> np`` with ``c`` added as a bias is.
"""

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.contraction import add_bias, batched, contract, labels
from mupfx.passes.axis_rules.factors import Dims, expand, fresh, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def linear(tracker: Tracker, call: Call) -> Dims:
    """``y[..., o] = x[..., i] w[o, i] + b[o]``."""
    x, w = call["input"], call["weight"]
    lead = labels(len(call.sizes(x)) - 1)
    data = tracker.learned(call, x, w)
    out = contract(tracker, call, [(x, lead + "i"), (w, "oi")], lead + "o", data=data)
    return add_bias(tracker, call, out, "bias", w)


def mm(tracker: Tracker, call: Call) -> Dims:
    """``y[n, p] = a[n, m] b[m, p]``."""
    return contract(tracker, call, [(call["self"], "nm"), (call["mat2"], "mp")], "np")


def bmm(tracker: Tracker, call: Call) -> Dims:
    """``y[b, n, p] = a[b, n, m] b[b, m, p]``."""
    return contract(tracker, call, [(call["self"], "bnm"), (call["mat2"], "bmp")], "bnp")


def mv(tracker: Tracker, call: Call) -> Dims:
    """``y[n] = a[n, m] v[m]``."""
    return contract(tracker, call, [(call["self"], "nm"), (call["vec"], "m")], "n")


def dot(tracker: Tracker, call: Call) -> Dims:
    """``y = a[m] b[m]``."""
    left, right = call.tensors() if len(call.tensors()) > 1 else call.tensors() * 2
    return contract(tracker, call, [(left, "m"), (right, "m")], "")


def outer(tracker: Tracker, call: Call) -> Dims:
    """``y[n, m] = a[n] b[m]``."""
    return contract(tracker, call, [(call["self"], "n"), (call["vec2"], "m")], "nm")


def addmm(tracker: Tracker, call: Call) -> Dims:
    """``y[n, p] = a[n, m] b[m, p] + c[n, p]``."""
    x, w = call["mat1"], call["mat2"]
    data = tracker.learned(call, x, w)
    out = contract(tracker, call, [(x, "nm"), (w, "mp")], "np", data=data)
    return add_bias(tracker, call, out, "self", call["mat2"])


def baddbmm(tracker: Tracker, call: Call) -> Dims:
    """``y[b, n, p] = a[b, n, m] b[b, m, p] + c[b, n, p]``."""
    out = contract(tracker, call, [(call["batch1"], "bnm"), (call["batch2"], "bmp")], "bnp")
    tracker.join(call, out, call.dims(call["self"]))
    tracker.meet(call, [call["self"], call["batch1"]])
    return out


def matmul(tracker: Tracker, call: Call) -> Dims:
    """``torch.matmul`` with its broadcasting and its vector cases."""
    a, b = call["self"], call["other"]
    rank_a, rank_b = len(call.sizes(a)), len(call.sizes(b))
    lead = max(rank_a, rank_b, 2) - 2
    left = "m" if rank_a == 1 else batched(rank_a - 2, lead) + "nm"
    right = "m" if rank_b == 1 else batched(rank_b - 2, lead) + "mp"
    ends = ("n" if rank_a > 1 else "") + ("p" if rank_b > 1 else "")
    return contract(tracker, call, [(a, left), (b, right)], labels(lead) + ends)


def einsum(tracker: Tracker, call: Call) -> Dims:
    """``torch.einsum``, ellipsis included."""
    nodes: list[fx.Node] = list(call["tensors"])
    left, _, right = call["equation"].replace(" ", "").partition("->")
    terms = left.split(",")
    ranks = [len(call.sizes(n)) for n in nodes]
    dots = [
        r - len(t.replace("...", "")) if "..." in t else 0
        for r, t in zip(ranks, terms, strict=True)
    ]
    longest = max(dots)
    full = [t.replace("...", batched(d, longest)) for t, d in zip(terms, dots, strict=True)]
    if "->" not in call["equation"]:
        names = "".join(terms).replace("...", "")
        right = ("..." if longest else "") + "".join(
            sorted(x for x in set(names) if names.count(x) == 1)
        )
    out = right.replace("...", labels(longest))
    return contract(tracker, call, list(zip(nodes, full, strict=True)), out)


def bilinear(tracker: Tracker, call: Call) -> Dims:
    """``y[..., o] = x[..., i] w[o, i, j] z[..., j] + b[o]``."""
    x, z, w = call["input1"], call["input2"], call["weight"]
    lead = labels(len(call.sizes(x)) - 1)
    out = contract(tracker, call, [(x, lead + "i"), (w, "oij"), (z, lead + "j")], lead + "o")
    return add_bias(tracker, call, out, "bias", w)


def grouped_mm(tracker: Tracker, call: Call) -> Dims:
    """``y[t, p] = a[t, m] b[e(t), m, p]``: each row meets one expert's matrix."""
    a, b = call["self"], call["mat2"]
    if len(call.sizes(b)) == 2:
        return contract(tracker, call, [(a, "nm"), (b, "mp")], "gnp"[-len(call.out) :])
    left = "nm" if len(call.sizes(a)) == 2 else "gnm"
    mark(call.dims(b)[0], Reason.SELECTION, "one matrix of the stack is chosen for each row")
    return contract(tracker, call, [(a, left), (b, "gmp")], left[:-1] + "p")


def cross(tracker: Tracker, call: Call) -> Dims:
    """``cdist``: rows of two tensors compared over their last axis."""
    a, b = call["x1"], call["x2"]
    lead = labels(len(call.sizes(a)) - 2)
    return contract(tracker, call, [(a, lead + "nm"), (b, lead + "pm")], lead + "np")


def distances(tracker: Tracker, call: Call) -> Dims:
    """``pdist``: every row against those after it."""
    node = source(call)
    contract(tracker, call, [(node, "nm"), (node, "nm")], "n")
    made = fresh(call.out[0])
    tracker.depends.append((expand(call.dims(node)[0]), made))
    return (made,)


def inner(tracker: Tracker, call: Call) -> Dims:
    """``y[..., ...'] = a[..., m] b[...', m]``."""
    a, b = call["self"], call["other"]
    if not (call.sizes(a) and call.sizes(b)):
        return tracker.broadcast(call, [a, b], call.out)
    left = labels(len(call.sizes(a)) - 1)
    right = labels(len(call.sizes(b)) - 1, start=64)
    return contract(tracker, call, [(a, left + "m"), (b, right + "m")], left + right)


def tensordot(tracker: Tracker, call: Call) -> Dims:
    """Axes of two tensors contracted in pairs."""
    a, b = call["self"], call["other"]
    left = list(labels(len(call.sizes(a))))
    right = list(labels(len(call.sizes(b)), start=64))
    for i, j in zip(call["dims_self"], call["dims_other"], strict=True):
        right[j] = left[i]
    out = [x for x in left if x not in right] + [x for x in right if x not in left]
    return contract(tracker, call, [(a, "".join(left)), (b, "".join(right))], "".join(out))


def addbmm(tracker: Tracker, call: Call) -> Dims:
    """``y[n, p] = a[b, n, m] b[b, m, p] + c[n, p]``."""
    out = contract(tracker, call, [(call["batch1"], "bnm"), (call["batch2"], "bmp")], "np")
    return add_bias(tracker, call, out, "self", call["batch2"])


def addmv(tracker: Tracker, call: Call) -> Dims:
    """``y[n] = a[n, m] v[m] + c[n]``."""
    out = contract(tracker, call, [(call["mat"], "nm"), (call["vec"], "m")], "n")
    return add_bias(tracker, call, out, "self", call["mat"])


def addr(tracker: Tracker, call: Call) -> Dims:
    """``y[n, m] = a[n] b[m] + c[n, m]``."""
    out = contract(tracker, call, [(call["vec1"], "n"), (call["vec2"], "m")], "nm")
    return add_bias(tracker, call, out, "self", call["vec2"])


def chain(tracker: Tracker, call: Call) -> Dims:
    """Matrices multiplied one after another; the ends may be vectors."""
    nodes = call.tensors() if "tensors" not in call.arguments else list(call["tensors"])
    nodes = list(call["matrices"] or nodes) if "matrices" in call.arguments else nodes
    names = labels(len(nodes) + 1)
    terms = [names[i : i + 2] for i in range(len(nodes))]
    if len(call.sizes(nodes[0])) == 1:
        terms[0] = terms[0][1]
    if len(call.sizes(nodes[-1])) == 1:
        terms[-1] = terms[-1][0]
    once = [x for x in names if sum(x in term for term in terms) == 1]
    return contract(tracker, call, list(zip(nodes, terms, strict=True)), "".join(once))


def vecdot(tracker: Tracker, call: Call) -> Dims:
    """``y[...] = sum_i a[..., i] b[..., i]`` along one axis."""
    a, b = call.tensors() if len(call.tensors()) > 1 else call.tensors() * 2
    rank = max(len(call.sizes(a)), len(call.sizes(b)))
    if rank == 0:
        tracker.meet(call, [a, b])
        return ()
    names = labels(rank)
    gone = names[call["dim"] % rank]
    operands = [(n, batched(len(call.sizes(n)), rank)) for n in (a, b)]
    return contract(tracker, call, operands, names.replace(gone, ""))


def pair_distance(tracker: Tracker, call: Call) -> Dims:
    """``pairwise_distance``: rows of two tensors compared over their last axis."""
    a, b = call["x1"], call["x2"]
    rank = max(len(call.sizes(a)), len(call.sizes(b)))
    names = labels(rank)
    operands = [(n, batched(len(call.sizes(n)), rank)) for n in (a, b)]
    out = contract(tracker, call, operands, names[:-1])
    return (*out, ()) if call["keepdim"] else out


def conv_tbc(tracker: Tracker, call: Call) -> Dims:
    """``y[t, b, o] = x[t', b, i] w[k, i, o]``, time first."""
    x, w = call["self"], call["weight"]
    mark(call.dims(w)[0], Reason.SPATIAL, f"kernel of {call.node.name}")
    dims = {x: ((), *call.dims(x)[1:])}
    _, batch, out = contract(tracker, call, [(x, "tbi"), (w, "kio")], "tbo", dims, alone="k")
    made = fresh(call.out[0])
    mark(made, Reason.SPATIAL, f"positions of {call.node.name}")
    return add_bias(tracker, call, (made, batch, out), "bias", w)


RULES: Rules = {
    aten.linear: linear,
    **dict.fromkeys((aten.mm, aten._int_mm, aten._scaled_mm), mm),
    aten.bmm: bmm,
    aten.mv: mv,
    aten.dot: dot,
    aten.vdot: dot,
    **dict.fromkeys((aten.outer, aten.ger), outer),
    **dict.fromkeys((aten.addmm, aten._addmm_activation), addmm),
    aten.addbmm: addbmm,
    aten.addmv: addmv,
    aten.addr: addr,
    aten.baddbmm: baddbmm,
    **dict.fromkeys((aten.matmul, aten.linalg_matmul), matmul),
    aten.inner: inner,
    aten.tensordot: tensordot,
    **dict.fromkeys((aten.chain_matmul, aten.linalg_multi_dot), chain),
    **dict.fromkeys((aten.linalg_vecdot, aten.cosine_similarity), vecdot),
    aten.pairwise_distance: pair_distance,
    aten.conv_tbc: conv_tbc,
    aten.einsum: einsum,
    aten.bilinear: bilinear,
    **dict.fromkeys((aten._grouped_mm, aten._scaled_grouped_mm), grouped_mm),
    **dict.fromkeys((aten.cdist, aten._cdist_forward, aten._euclidean_dist), cross),
    **dict.fromkeys((aten.pdist, aten._pdist_forward), distances),
}
