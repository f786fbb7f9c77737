"""Linear algebra: one line of letters an op, and a few that need more.

``qr`` of ``a`` is ``mn -> mk, kn``, where ``k`` is the shorter of ``m`` and ``n``.
"""

from collections.abc import Mapping

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, fresh, mark
from mupfx.passes.axis_rules.lettered import lettered
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

SQUARE = "nn -> nn"
EACH = "nn -> n"
ALL = "nn -> "

LABELS: Mapping[object, str] = {
    aten.inverse: SQUARE,
    aten.linalg_inv: SQUARE,
    aten.linalg_inv_ex: "nn -> nn, ",
    aten.cholesky: SQUARE,
    aten.cholesky_inverse: SQUARE,
    aten.linalg_cholesky: SQUARE,
    aten.linalg_cholesky_ex: "nn -> nn, ",
    aten.matrix_exp: SQUARE,
    aten.linalg_matrix_exp: SQUARE,
    aten.matrix_power: SQUARE,
    aten.linalg_matrix_power: SQUARE,
    aten.det: ALL,
    aten.linalg_det: ALL,
    aten._linalg_det: "nn -> , nn, n",
    aten.logdet: ALL,
    aten.slogdet: "nn -> , ",
    aten.linalg_slogdet: "nn -> , ",
    aten._linalg_slogdet: "nn -> , , nn, n",
    aten.trace: "mn -> ",
    aten.linalg_eigh: "nn -> n, nn",
    aten._linalg_eigh: "nn -> n, nn",
    aten.linalg_eig: "nn -> n, nn",
    aten.linalg_eigvals: EACH,
    aten.linalg_eigvalsh: EACH,
    aten.linalg_svd: "mn -> mk, r, ln",
    aten._linalg_svd: "mn -> mk, r, ln",
    aten.linalg_svdvals: "mn -> k",
    aten.linalg_qr: "mn -> mk, kn",
    aten.pinverse: "mn -> nm",
    aten.linalg_pinv: "mn -> nm",
    aten.linalg_lu_factor: "mn -> mn, k",
    aten.linalg_matrix_rank: "mn -> ",
    aten.linalg_cond: "mn -> ",
    aten.linalg_householder_product: "mn, k -> mn",
    aten.orgqr: "mn, k -> mn",
    aten.cholesky_solve: "nk, nn -> nk",
}


def solve(tracker: Tracker, call: Call) -> Dims:
    """``a[n, n] x[n, k] = b[n, k]``; ``b`` may be one column."""
    matrix, right = call["A"], call["B"]
    rows, columns = call.dims(matrix)[-2:]
    tracker.join(call, [rows], [columns])
    dims = call.dims(right)
    column = len(dims) == 1 or call.sizes(right) == call.sizes(matrix)[:-1]
    place = -1 if column or not call["left"] else -2
    tracker.join(call, [columns], [dims[place]])
    lead = len(dims) - (1 if column else 2)
    tracker.join(call, call.dims(matrix)[:-2][::-1], dims[:lead][::-1])
    tracker.meet(call, [matrix, right])
    return dims


FROM_THE_LEFT, FROM_THE_RIGHT = lettered("nn, nk -> nk"), lettered("nn, kn -> kn")


def solve_triangular(tracker: Tracker, call: Call) -> Dims | list[Dims]:
    """``a x = b``, or ``x a = b``."""
    return (FROM_THE_LEFT if call["left"] else FROM_THE_RIGHT)(tracker, call)


def solve_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """The same with what went wrong."""
    dims = solve(tracker, call)
    return [dims, *(tuple(fresh(s) for s in sizes) for sizes in call.outs[1:])]


def kronecker(_: Tracker, call: Call) -> Dims:
    """``kron``: each axis is ``a x b``."""
    a, b = call.dims(call["self"]), call.dims(call["other"])
    rank = max(len(a), len(b))
    a, b = ((),) * (rank - len(a)) + a, ((),) * (rank - len(b)) + b
    return tuple((*x, *y) for x, y in zip(a, b, strict=True))


def cross_product(tracker: Tracker, call: Call) -> Dims:
    """``cross``: entry by entry, along an axis of three coordinates."""
    nodes = call.tensors()
    dims = tracker.broadcast(call, nodes, call.out)
    axis = call["dim"] if isinstance(call["dim"], int) else -1
    mark(dims[axis], Reason.PARTS, f"{call.node.name} takes three coordinates")
    tracker.meet(call, nodes)
    return dims


def covariance(_: Tracker, call: Call) -> Dims:
    """``cov``, ``corrcoef``: rows against rows."""
    rows = call.dims(source(call))[: len(call.out) // 2]
    return (*rows, *rows)


RULES: Rules = {
    **{op: lettered(text) for op, text in LABELS.items()},
    aten.linalg_solve_triangular: solve_triangular,
    aten.linalg_solve: solve,
    aten.linalg_solve_ex: solve_kernel,
    aten.kron: kronecker,
    **dict.fromkeys((aten.cross, aten.linalg_cross), cross_product),
    **dict.fromkeys((aten.cov, aten.corrcoef), covariance),
}
