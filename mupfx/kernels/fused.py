# mypy: disable-error-code="import-not-found, import-untyped, no-untyped-def, untyped-decorator"
# ruff: noqa: PLR0913, PLR0917
"""The generator as one Triton kernel that fills every segment of a table; imported where it runs.

A program takes ``GROUPS`` counters of one row, four elements each. Counters are those of the whole
tensor, so a segment that starts between two of them draws no number twice: it masks what it lacks.
There is no logarithm, root or division, and the launch forbids fused multiply-adds, so that every
float32 step is rounded once, as on the CPU.
"""

import triton
import triton.language as tl

from mupfx.kernels import spec

M0, M1 = (tl.constexpr(m) for m in spec.MULTIPLIERS)
K0, K1 = (tl.constexpr(k) for k in spec.WEYL)
ROUNDS = tl.constexpr(spec.ROUNDS)
UNIT = tl.constexpr(spec.UNIT)
ROOT_HALF, MANTISSA = tl.constexpr(spec.ROOT_HALF), tl.constexpr(spec.MANTISSA)
SPLIT = tl.constexpr(spec.SPLIT)
CENTRE_AT, TAIL_AT = tl.constexpr(spec.CENTRE_AT), tl.constexpr(spec.TAIL_AT)
L0, L1, L2, L3, L4, L5, L6, L7 = (tl.constexpr(c) for c in spec.LOG2)
C0, C1, C2, C3, C4, C5, C6, C7 = (tl.constexpr(c) for c in spec.CENTRE)
T0, T1, T2, T3, T4, T5, T6, T7 = (tl.constexpr(c) for c in spec.TAIL)


@triton.jit
def philox(counter, stream, k0, k1):
    """Four words of every counter; a product is one 32 x 32 -> 64 bit multiplication."""
    c0 = counter.to(tl.uint32)
    c1 = (counter >> 32).to(tl.uint32)
    c2 = c0 * 0 + stream.to(tl.uint32)
    c3 = c0 * 0 + (stream >> 32).to(tl.uint32)
    for _ in tl.static_range(ROUNDS):
        p0 = c0.to(tl.uint64) * M0
        p1 = c2.to(tl.uint64) * M1
        c0 = (p1 >> 32).to(tl.uint32) ^ c1 ^ k0
        c2 = (p0 >> 32).to(tl.uint32) ^ c3 ^ k1
        c1 = p1.to(tl.uint32)
        c3 = p0.to(tl.uint32)
        k0 = k0 + K0
        k1 = k1 + K1
    return c0, c1, c2, c3


@triton.jit
def unit(word):
    """An odd multiple of 2^-24 in (-1, 1)."""
    return ((word.to(tl.int32, bitcast=True) >> 7) | 1).to(tl.float32) * UNIT


@triton.jit
def quantile(x):
    """The inverse of ``2 * Phi - 1``."""
    size = tl.abs(x)
    t = ((1.0 - size) * (size + 1.0)).to(tl.int32, bitcast=True)
    exponent = (t - ROOT_HALF) >> MANTISSA
    r = (t - (exponent << MANTISSA)).to(tl.float32, bitcast=True) - 1.0
    p = ((((((r * L7 + L6) * r + L5) * r + L4) * r + L3) * r + L2) * r + L1) * r + L0
    w = (-exponent).to(tl.float32) - p * r
    near = w < SPLIT
    v = w - tl.where(near, CENTRE_AT, TAIL_AT)
    p = tl.where(near, C7, T7) * v + tl.where(near, C6, T6)
    p = p * v + tl.where(near, C5, T5)
    p = p * v + tl.where(near, C4, T4)
    p = p * v + tl.where(near, C3, T3)
    p = p * v + tl.where(near, C2, T2)
    p = p * v + tl.where(near, C1, T1)
    p = p * v + tl.where(near, C0, T0)
    return x * p


@triton.jit
def cut(x, law):
    """A normal value between two bounds."""
    z = quantile(x * tl.load(law + 3) + tl.load(law + 2))
    v = z * tl.load(law) + tl.load(law + 1)
    return tl.minimum(tl.maximum(v, tl.load(law + 4)), tl.load(law + 5))


@triton.jit
def in_order(a, b, c, d):
    """``a0 b0 c0 d0 a1 ...``."""
    pairs = tl.join(tl.join(a, c), tl.join(b, d))
    return tl.reshape(pairs, (a.shape[0] * 4,))


@triton.jit
def four(counter, stream, k0, k1, kind, law):
    """The values of all elements of every counter, in order."""
    scale = tl.load(law)
    shift = tl.load(law + 1)
    if kind == 0:
        a = (counter * 0).to(tl.float32) + shift
        b, c, d = a, a, a
    else:
        w0, w1, w2, w3 = philox(counter, stream, k0, k1)
        a, b, c, d = unit(w0), unit(w1), unit(w2), unit(w3)
        if kind == 1:
            a, b, c, d = a * scale + shift, b * scale + shift, c * scale + shift, d * scale + shift
        elif kind == 2:
            a = quantile(a) * scale + shift
            b = quantile(b) * scale + shift
            c = quantile(c) * scale + shift
            d = quantile(d) * scale + shift
        else:
            a, b, c, d = cut(a, law), cut(b, law), cut(c, law), cut(d, law)
    return in_order(a, b, c, d)


@triton.jit
def to_bits16(value):
    """The bits of the nearest bfloat16, to even."""
    bits = value.to(tl.uint32, bitcast=True)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).to(tl.int16)


@triton.jit
def to_bits8(value, mantissa: tl.constexpr, bias: tl.constexpr, top: tl.constexpr):
    """The bits of the nearest float8, to even.

    What is larger than all becomes ``top``. Below the least normal number, adding a power of two
    leaves the bits of the result at the end of the mantissa.
    """
    bits = value.to(tl.uint32, bitcast=True)
    sign = (bits >> 31) << 7
    bits = bits & 0x7FFFFFFF
    dropped: tl.constexpr = 23 - mantissa
    power: tl.constexpr = (128 - bias + dropped) << 23
    raised = bits.to(tl.float32, bitcast=True) + (bits * 0 + power).to(tl.float32, bitcast=True)
    below = raised.to(tl.uint32, bitcast=True) - power
    odd = (bits >> dropped) & 1
    above = (bits - ((127 - bias) << 23) + ((1 << (dropped - 1)) - 1) + odd) >> dropped
    found = tl.where(bits < ((128 - bias) << 23), below, above)
    return (tl.minimum(found, top) | sign).to(tl.int8)


@triton.jit
def rounded(value, form: tl.constexpr):
    """Rounded once, to what is stored."""
    found = value
    if form == "bfloat16 bits":
        found = to_bits16(value)
    elif form == "float8_e4m3fn":
        found = to_bits8(value, 3, 7, 0x7E)
    elif form == "float8_e5m2":
        found = to_bits8(value, 2, 15, 0x7C)
    elif form == "bfloat16":
        found = value.to(tl.bfloat16)
    elif form == "float16":
        found = value.to(tl.float16)
    elif form == "float64":
        found = value.to(tl.float64)
    return found


@triton.jit
def row_of(program, firsts, rows, steps: tl.constexpr):
    """The row of a program: the last whose first program is not after it."""
    row = 0
    for k in tl.static_range(steps):
        further = row + (1 << (steps - 1 - k))
        inside = further < rows
        first = tl.load(firsts + tl.where(inside, further, 0))
        row = tl.where(inside & (first <= program), further, row)
    return row


@triton.jit(do_not_specialize=["rows", "key_low", "key_high"])
def fill(
    places,  # int64[rows, 10], see launch.Row
    laws,  # float32[rows, 6]: scale, shift, middle, spread, low, high
    firsts,  # int32[rows]: the first program of each row
    rows,
    key_low,
    key_high,
    form: tl.constexpr,
    stored: tl.constexpr,
    aligned: tl.constexpr,
    groups: tl.constexpr,
    steps: tl.constexpr,
):
    """Fill every row of a table."""
    program = tl.program_id(0)
    row = row_of(program, firsts, rows, steps)
    place = places + row * 10
    out = tl.load(place).to(tl.pointer_type(stored))
    run = tl.load(place + 2)
    per_run = tl.load(place + 4).to(tl.int32)
    total = tl.load(place + 5).to(tl.int32)
    group = (program - tl.load(firsts + row)) * groups + tl.arange(0, groups)
    quotient = group.to(tl.uint64) * tl.load(place + 8).to(tl.uint64)
    number = (quotient >> tl.load(place + 9).to(tl.uint64)).to(tl.int32)
    start = tl.load(place + 1) + number.to(tl.int64) * tl.load(place + 3)
    counter = (start >> 2) + (group - number * per_run)
    k0, k1 = key_low.to(tl.uint32), key_high.to(tl.uint32)
    kind = tl.load(place + 7).to(tl.int32)
    value = rounded(four(counter, tl.load(place + 6), k0, k1, kind, laws + row * 6), form)
    lane = tl.arange(0, 4)
    if aligned:
        at = tl.reshape(group.to(tl.int64)[:, None] * 4 + lane[None, :], (groups * 4,))
        ours = tl.reshape((group < total)[:, None] & (lane >= 0)[None, :], (groups * 4,))
        four_wide: tl.constexpr = stored.primitive_bitwidth // 2
        pointers = tl.multiple_of(tl.max_contiguous(out + at, 4), four_wide)
        tl.store(pointers, value, mask=tl.max_constancy(ours, 4))
    else:
        begin = number.to(tl.int64) * run
        at = (begin + (counter * 4 - start))[:, None] + lane[None, :]
        ours = (at >= begin[:, None]) & (at < begin[:, None] + run) & (group < total)[:, None]
        tl.store(out + tl.reshape(at, (groups * 4,)), value, mask=tl.reshape(ours, (groups * 4,)))
