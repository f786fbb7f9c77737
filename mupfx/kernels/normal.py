"""Phi in fixed decimal arithmetic: the same digits on every machine, whatever its libm.

``erf(z) = 2/sqrt(pi) * (z - z^3/3 + z^5/10 - z^7/42 + ...)``, to 25 digits for ``|z| <= 6``.
"""

from decimal import Context, Decimal

DIGITS = Context(prec=60)
TWO_OVER_ROOT_PI = Decimal("1.12837916709551257389615890312154517168810125865799771368817144")
ROOT_TWO = Decimal("1.41421356237309504880168872420969807856967187537694807317667973799")
FAR = Decimal(6)
SMALL = Decimal("1e-30")


def central(z: Decimal) -> Decimal:
    """``2 * Phi(z) - 1``, the probability between ``-z`` and ``z``; odd in ``z``.

    >>> round(central(Decimal(2)), 12)
    Decimal('0.954499736104')
    """
    at = DIGITS.divide(z, ROOT_TWO)
    return Decimal(1).copy_sign(at) if abs(at) >= FAR else _erf(at)


def _erf(z: Decimal) -> Decimal:
    square = DIGITS.multiply(z, z)
    power, total, k = z, z, 0
    while abs(power) > SMALL:
        k += 1
        power = DIGITS.divide(DIGITS.multiply(-power, square), Decimal(k))
        total = DIGITS.add(total, DIGITS.divide(power, Decimal(2 * k + 1)))
    return DIGITS.multiply(TWO_OVER_ROOT_PI, total)
