"""The numbers of the generator, version 1; they never change, or every start would.

``LOG2``, ``CENTRE`` and ``TAIL`` are polynomials, lowest power first, every coefficient a float32::

    LOG2(r)       log2(1 + r) / r            sqrt(1/2) <= 1 + r < sqrt(2)
    CENTRE(w-4.25)  z / x                    w < 8.5
    TAIL(w-15.75)   z / x                    w >= 8.5, up to 23

where ``2 * Phi(z) - 1 = x`` and ``w = -log2(1 - x^2)``.
"""

VERSION = "mupfx.init.v1"

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
"""Philox-4x32-10: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011)."""

UNIT = 2.0**-24
ROOT_HALF = 0x3F3504F3
"""The float32 nearest to sqrt(1/2), as an integer."""
MANTISSA = 23

LOG2 = (
    1.442694902420044,
    -0.7213528156280518,
    0.48092323541641235,
    -0.3602396249771118,
    0.2870987057685852,
    -0.2488768845796585,
    0.23404230177402496,
    -0.1458115130662918,
)
SPLIT = 8.5
CENTRE_AT = 4.25
CENTRE = (
    2.2775166034698486,
    0.2374630570411682,
    -0.003804965177550912,
    -0.00041484288522042334,
    6.499957089545205e-05,
    -2.5557073968229815e-06,
    -3.286244805167371e-07,
    3.6610323661534494e-08,
)
TAIL_AT = 15.75
TAIL = (
    4.438202381134033,
    0.14920254051685333,
    -0.002292702905833721,
    6.727447907906026e-05,
    -2.359031213927665e-06,
    7.995627271384365e-08,
    1.503680291392584e-09,
    -3.499037171117436e-10,
)
