"""The generator in ``torch``: what every other path has to equal, and runs where they cannot.

Element ``e`` of stream ``p`` under key ``k`` takes one of the four words of a Philox block::

    words = philox4x32_10(counter=(lo(e >> 2), hi(e >> 2), lo(p), hi(p)), key=(lo(k), hi(k)))
    x     = float32((int32(words[e & 3]) >> 7) | 1) * 2^-24

so ``x`` is one of 2^24 odd multiples of 2^-24 in (-1, 1), and its law's value is rounded once, to
nearest even, to the dtype of the tensor. Words are kept in int64, of which the low 32 bits count.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mupfx.kernels import spec
from mupfx.kernels.draw import Draw, Kind
from mupfx.kernels.segment import Segment

MASK = 0xFFFFFFFF
GROUPS = 2**13
"""Counters at a time: what fits into a cache."""
LARGEST: Mapping[torch.dtype, float] = {torch.float8_e4m3fn: 448.0}


def fill(segment: Segment, key: int) -> None:
    """Write every element of a segment."""
    if segment.draw.kind is Kind.CONSTANT:
        fill_one(segment)
        return
    for piece in segment.pieces(4 * GROUPS):
        put(piece.out, _consecutive(piece, key) if _in_one_run(piece) else _scattered(piece, key))


def fill_one(segment: Segment) -> None:
    """Write the one value of a constant."""
    most = LARGEST.get(segment.out.dtype, math.inf)
    segment.out.fill_(min(max(segment.draw.shift, -most), most))


def put(out: Tensor, values: Tensor) -> None:
    """Round once, to nearest even; where a dtype has no infinity, to its largest number."""
    most = LARGEST.get(out.dtype)
    out.copy_(values if most is None else values.clamp(-most, most))


def _in_one_run(piece: Segment) -> bool:
    return piece.start % piece.run + piece.out.numel() <= piece.run


def _scattered(piece: Segment, key: int) -> Tensor:
    last = piece.start + piece.out.numel()
    place = torch.arange(piece.start, last, device=piece.out.device)
    index = piece.base + place // piece.run * piece.stride + place % piece.run
    return values(piece.draw, index, piece.stream, key)


def _consecutive(piece: Segment, key: int) -> Tensor:
    """Elements of one run, all four of a counter at once."""
    first = piece.base + piece.start // piece.run * piece.stride + piece.start % piece.run
    last, skipped = first + piece.out.numel(), first & 3
    counters = torch.arange(first >> 2, (last + 3) >> 2, device=piece.out.device)
    words = torch.stack(philox(counters, piece.stream, key), dim=-1)
    return apply(piece.draw, unit(words.flatten()))[skipped : skipped + last - first]


def values(draw: Draw, index: Tensor, stream: int, key: int) -> Tensor:
    """The values of any elements, by an int64 tensor of their indices.

    >>> from mupfx.kernels.draw import uniform
    >>> values(uniform(-1, 1), torch.arange(3), stream=5, key=7)
    tensor([ 0.4174, -0.2187,  0.8669])
    """
    if draw.kind is Kind.CONSTANT:
        return torch.full_like(index, draw.shift, dtype=torch.float32)
    words = torch.stack(philox(index >> 2, stream, key))
    return apply(draw, unit(words.gather(0, (index & 3).unsqueeze(0)).squeeze(0)))


def philox(counter: Tensor, stream: int, key: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four words of every counter."""
    c0, c1 = counter & MASK, (counter >> 32) & MASK
    c2, c3 = torch.full_like(counter, stream & MASK), torch.full_like(counter, stream >> 32)
    k0, k1 = key & MASK, key >> 32
    for _ in range(spec.ROUNDS):
        p0, p1 = c0 * spec.MULTIPLIERS[0], c2 * spec.MULTIPLIERS[1]  # modulo 2^64, signed
        c0, c1 = ((p1 >> 32) ^ c1 ^ k0) & MASK, p1 & MASK
        c2, c3 = ((p0 >> 32) ^ c3 ^ k1) & MASK, p0 & MASK
        k0, k1 = (k0 + spec.WEYL[0]) & MASK, (k1 + spec.WEYL[1]) & MASK
    return c0, c1, c2, c3


def unit(words: Tensor) -> Tensor:
    """Words as odd multiples of 2^-24 in (-1, 1)."""
    signed = (words << 32) >> 39
    return (signed | 1).to(torch.float32).mul_(spec.UNIT)


def apply(draw: Draw, x: Tensor) -> Tensor:
    """The values of a law, from the numbers that it takes."""
    if draw.kind is Kind.UNIFORM:
        return x.mul_(draw.scale).add_(draw.shift)
    if draw.kind is Kind.NORMAL:
        return quantile(x).mul_(draw.scale).add_(draw.shift)
    z = quantile(x.mul_(draw.spread).add_(draw.middle))
    return z.mul_(draw.scale).add_(draw.shift).clamp_(draw.low, draw.high)


def quantile(x: Tensor) -> Tensor:
    """The inverse of ``2 * Phi - 1``, to 5.4e-7 of itself; rises from every ``x`` to the next.

    ``w = -log2((1 - x) * (1 + x))`` by integers and one polynomial, then ``z = x * P(w)``.
    """
    size = x.abs()
    t = (1.0 - size).mul_(size.add_(1.0))
    bits = t.view(torch.int32)
    exponent = (bits - spec.ROOT_HALF) >> spec.MANTISSA
    r = (bits - (exponent << spec.MANTISSA)).view(torch.float32).sub_(1.0)
    w = exponent.neg_().to(torch.float32).sub_(_polynomial(spec.LOG2, r).mul_(r))
    centre = _polynomial(spec.CENTRE, w - spec.CENTRE_AT)
    far = (w >= spec.SPLIT).nonzero().squeeze(1)
    if far.numel():
        centre[far] = _polynomial(spec.TAIL, w[far].sub_(spec.TAIL_AT))
    return centre.mul_(x)


def _polynomial(coefficients: tuple[float, ...], at: Tensor) -> Tensor:
    total = torch.full_like(at, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total.mul_(at).add_(coefficient)
    return total
