"""One product in many spellings: ``y[..., o] = x[..., i] w[o, i]``, and attention."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def by_mm(x: Tensor, w: Tensor) -> Tensor:
    return torch.mm(x.reshape(-1, x.shape[-1]), w.t()).view(*x.shape[:-1], w.shape[0])


def by_bmm(x: Tensor, w: Tensor) -> Tensor:
    rows = x.reshape(x.shape[0], -1, x.shape[-1])
    return torch.bmm(rows, w.t().expand(len(rows), -1, -1)).view(*x.shape[:-1], w.shape[0])


def by_bmm_of_one(x: Tensor, w: Tensor) -> Tensor:
    rows = x.reshape(1, -1, x.shape[-1])
    return torch.bmm(rows, w.permute(1, 0).unsqueeze(0)).view(*x.shape[:-1], w.shape[0])


def by_convolution(x: Tensor, w: Tensor) -> Tensor:
    rows = x.reshape(x.shape[0], -1, x.shape[-1]).mT
    return functional.conv1d(rows, w[..., None]).mT.reshape(*x.shape[:-1], w.shape[0])


LINEARS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": functional.linear,
    "matmul": lambda x, w: x @ w.t(),
    "matmul, weight first": lambda x, w: (w @ x.mT).mT,
    "einsum": lambda x, w: torch.einsum("...i,oi->...o", x, w),
    "einsum, weight first": lambda x, w: torch.einsum("oi,...i->...o", w, x),
    "einsum, implicit": lambda x, w: torch.einsum("...a,ba", x, w),
    "mm": by_mm,
    "bmm": by_bmm,
    "bmm of one": by_bmm_of_one,
    "tensordot": lambda x, w: torch.tensordot(x, w, dims=([-1], [1])),
    "by parts": lambda x, w: (x.unsqueeze(-2) * w).sum(-1),
    "by parts, last": lambda x, w: (x.unsqueeze(-1) * w.t()).sum(-2),
    "convolution": by_convolution,
}


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights: Tensor = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return weights @ v


def as_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = torch.einsum("bhte,bhse->bhts", q, k).softmax(-1)
    return torch.einsum("bhts,bhse->bhte", weights, v)


ATTENTIONS: Sequence[Callable[[Tensor, Tensor, Tensor], Tensor]] = (
    functional.scaled_dot_product_attention,
    written_out,
    as_einsum,
)


def attend(spelling: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention over ``b h t e``, in a way that goes with a spelling of products."""
    return ATTENTIONS[list(LINEARS).index(spelling) % len(ATTENTIONS)](q, k, v)


def unflatten(x: Tensor, dim: int, sizes: tuple[int, ...]) -> Tensor:
    """``x.unflatten``, which has no types."""
    made: Tensor = x.unflatten(dim, sizes)  # type: ignore[no-untyped-call]
    return made


def split(x: Tensor, sizes: int | list[int]) -> tuple[Tensor, ...]:
    """``x.split`` of the last dimension, which has no types."""
    made: tuple[Tensor, ...] = x.split(sizes, -1)  # type: ignore[no-untyped-call]
    return made
