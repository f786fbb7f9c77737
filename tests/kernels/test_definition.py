"""The bits: known answers of Philox, the description followed by hand, and numbers that never move."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from mupfx.kernels import Draw, constant, normal, spec, truncated, uniform
from mupfx.kernels.eager import philox, values
from mupfx.kernels.streams import key_of, stream_of
from tests.kernels import by_hand

INDICES = st.integers(0, 2**63 - 1)
WORDS = st.integers(0, 2**64 - 1)

# Random123's kat_vectors: counter, key, words of philox4x32-10.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    low = counter[0] + (counter[1] << 32)
    index = torch.tensor([low - 2**64 if low >= 2**63 else low])
    found = philox(index, counter[2] + (counter[3] << 32), key[0] + (key[1] << 32))
    assert [int(word) for word in found] == list(words)
    assert by_hand.philox(counter, key) == list(words)


@given(INDICES, WORDS, WORDS)
def test_the_description_gives_the_same_bits(e: int, stream: int, key: int) -> None:
    def value(draw: Draw) -> float:
        return float(values(draw, torch.tensor([e]), stream, key))

    assert value(normal(0.02, 1.5)) == by_hand.normal(e, stream, key, 0.02, 1.5)
    assert value(normal(1.0)) == by_hand.normal(e, stream, key, 1.0, 0.0)
    assert value(uniform(-0.25, 1.0)) == by_hand.uniform(e, stream, key, -0.25, 1.0)
    assert value(truncated(0.02, 0, -0.04, 0.04)) == by_hand.truncated(e, stream, key, 0.02, 2)
    assert value(constant(1.5)) == 1.5


@given(st.integers(0, 2**64 - 1), st.text(max_size=40))
def test_keys_and_streams_are_hashes(seed: int, name: str) -> None:
    assert key_of(seed) == by_hand.hashed(seed.to_bytes(8, "little"))
    assert stream_of(name) == by_hand.hashed(name.encode())


def test_version_1_never_changes() -> None:
    key, stream = key_of(1234), stream_of("transformer.h.0.attn.c_attn.weight")
    far = torch.tensor([0, 1, 2, 3, 4, 2**31, 2**34 + 1, 2**62 + 2, 2**63 - 1])
    found = {
        "normal": values(normal(0.02), far, stream, key),
        "uniform": values(uniform(-1, 3), far, stream, key),
        "truncated": values(truncated(1.0, 0.5, -1.0, 2.0), far, stream, key),
    }
    assert spec.VERSION == "mupfx.init.v1"
    bits = {
        law: [f"{b % 2**32:08x}" for b in v.view(torch.int32).tolist()] for law, v in found.items()
    }
    assert bits == snapshot(
        {
            "normal": [
                "3c919302",
                "3b918422",
                "bc4f7070",
                "bc45b12b",
                "3a2a33ef",
                "bc0c1470",
                "bc02c86f",
                "3d1662d4",
                "3c20ee31",
            ],
            "uniform": [
                "40101820",
                "3facfbcf",
                "3d5ab660",
                "3dbda8f0",
                "3f86a13b",
                "3ead144c",
                "3ec25c9c",
                "40378078",
                "3fe06cb7",
            ],
            "truncated": [
                "3f9f058c",
                "3f312555",
                "bd1f7080",
                "bc6d1080",
                "3f073330",
                "3e07ae0e",
                "3e204c1c",
                "3fe7533b",
                "3f6bce76",
            ],
        }
    )
