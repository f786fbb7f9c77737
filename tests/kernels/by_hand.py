"""One value at a time, from the description of the generator alone: integers, and numpy's float32.

Nothing of ``mupfx.kernels`` is used but the constants.
"""

import math
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from mupfx.kernels import spec

F = np.float32
WORD = 0xFFFFFFFF


def hashed(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8, person=b"mupfx.init.v1").digest(), "little")


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Four words of 32 bits, from four and two."""
    a, b, c, d = counter
    k, l = key  # noqa: E741
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (q >> 32) ^ b ^ k, q & WORD, (p >> 32) ^ d ^ l, p & WORD
        k, l = (k + 0x9E3779B9) & WORD, (l + 0xBB67AE85) & WORD  # noqa: E741
    return [a, b, c, d]


def unit(e: int, stream: int, key: int) -> F:
    group = e >> 2
    counter = [group & WORD, group >> 32, stream & WORD, stream >> 32]
    word = philox(counter, [key & WORD, key >> 32])[e & 3]
    signed = word - 2**32 if word >= 2**31 else word
    return F((signed >> 7) | 1) * F(2.0**-24)


def polynomial(coefficients: Sequence[float], at: F) -> F:
    total = F(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = F(F(total * at) + F(coefficient))
    return total


def z(x: F) -> F:
    t = F(F(1) - abs(x)) * F(abs(x) + F(1))
    exponent, fraction = 0, float(t)
    while fraction < float(np.array(0x3F3504F3, np.int32).view(np.float32)):
        exponent, fraction = exponent - 1, 2 * fraction
    r = F(fraction) - F(1)
    w = F(-exponent) - F(polynomial(spec.LOG2, r) * r)
    if w < F(8.5):
        return F(x * polynomial(spec.CENTRE, w - F(4.25)))
    return F(x * polynomial(spec.TAIL, w - F(15.75)))


def normal(e: int, stream: int, key: int, std: float, mean: float) -> float:
    return float(F(F(z(unit(e, stream, key)) * F(std)) + F(mean)))


def uniform(e: int, stream: int, key: int, low: float, high: float) -> float:
    scale, shift = F((high - low) / 2), F((high + low) / 2)
    return float(F(F(unit(e, stream, key) * scale) + shift))


def truncated(e: int, stream: int, key: int, std: float, at: float) -> float:
    """Cut at ``at`` std on either side of zero."""
    x = F(unit(e, stream, key) * F(math.erf(at / math.sqrt(2))))
    value = F(z(F(x + F(0))) * F(std)) + F(0)
    bound = F(at * std)
    return float(min(max(value, -bound), bound))
