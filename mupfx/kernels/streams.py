"""Whose numbers they are: a key for each seed, a stream for each parameter.

Both are 64-bit BLAKE2b hashes, read as little-endian integers, personalised with the version::

    key(seed)     of the seed as eight little-endian bytes
    stream(name)  of the name in UTF-8

A Philox block is a bijection of its counter, and a counter holds its stream: two parameters whose
streams differ never share a number, up to 2^64 counters each. Hashed keys keep clear of whoever
uses the same generator with small seeds and small streams, as torch does on CUDA for dropout.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from mupfx.errors import InitError
from mupfx.kernels.spec import VERSION

WORD = 2**64


def key_of(seed: int) -> int:
    """The Philox key of a seed.

    Raises:
        InitError: The seed is no integer of 64 bits.

    >>> f"{key_of(0):016x}"
    'cf0f920c616482f9'
    """
    if not 0 <= seed < WORD:
        raise InitError(
            "a seed is an integer of 64 bits", expected="0 <= seed < 2**64", found=repr(seed)
        )
    return _hash(seed.to_bytes(8, "little"))


def stream_of(name: str) -> int:
    """The stream of a parameter.

    >>> f"{stream_of('weight'):016x}"
    '4dce4d9581ca5304'
    """
    return _hash(name.encode())


def streams_of(names: Iterable[str]) -> Mapping[str, int]:
    """The stream of each parameter of a model.

    Raises:
        InitError: Two names have the same one, which happens once in 10^13 models of a thousand.
    """
    found: dict[int, str] = {}
    for name in names:
        other = found.setdefault(stream_of(name), name)
        if other != name:
            raise InitError(f"{name!r} and {other!r} would draw the same numbers", where=name)
    return {name: stream for stream, name in found.items()}


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8, person=VERSION.encode()).digest(), "little")
