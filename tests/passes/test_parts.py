"""Parts of fused parameters: which entries they are, their roles, their fans."""

import pytest

from mupfx.core.axes import Part
from mupfx.render.factors import parts
from tests.properties.answers import analyze
from tests.properties.menu import single

Row = tuple[int, int, int, int, str, int, int]
"""Dimension, start, stop, period, role, fan-in, fan-out, in a model of width 24 with 6 heads."""

HALVES: list[Row] = [(0, 0, 28, 56, "hidden", 24, 28), (0, 28, 56, 56, "hidden", 24, 28)]
THIRDS: list[Row] = [(0, n, n + 24, 72, "hidden", 24, 24) for n in (0, 24, 48)]
MAMBA: list[Row] = [
    (0, 0, 24, 58, "hidden", 24, 24),
    (0, 24, 48, 58, "hidden", 24, 24),
    (0, 48, 50, 58, "output", 24, 2),
    (0, 50, 52, 58, "output", 24, 2),
    (0, 52, 58, 58, "hidden", 24, 6),
]
TABLE: list[tuple[str, str, list[Row]]] = [
    ("fused chunk", "qkv.weight", THIRDS),
    ("fused nested", "qkv.weight", THIRDS),
    ("fused tail", "qkv.weight", THIRDS),
    ("fused chunk", "qkv.bias", [(0, n, n + 24, 72, "vector", 1, 24) for n in (0, 24, 48)]),
    (
        "fused by head",
        "qkv.weight",
        [(0, n, n + 4, 12, "hidden", 24, 24) for n in (0, 4, 8)],
    ),
    ("gated chunk", "gate_up.weight", HALVES),
    ("gated glu", "gate_up.weight", HALVES),
    ("cut weight", "gate_up", HALVES),
    (
        "gated interleaved",
        "gate_up.weight",
        [(0, 0, 1, 2, "hidden", 24, 28), (0, 1, 2, 2, "hidden", 24, 28)],
    ),
    (
        "grouped split",
        "qkv.weight",
        [
            (0, 0, 48, 96, "hidden", 24, 48),
            (0, 48, 72, 96, "hidden", 24, 24),
            (0, 72, 96, 96, "hidden", 24, 24),
        ],
    ),
    (
        "one key",
        "qkv.weight",
        [
            (0, 0, 24, 32, "hidden", 24, 24),
            (0, 24, 28, 32, "output", 24, 4),
            (0, 28, 32, 32, "output", 24, 4),
        ],
    ),
    (
        "one key",
        "qkv.bias",
        [
            (0, 0, 24, 32, "vector", 1, 24),
            (0, 24, 28, 32, "scalar", 1, 4),
            (0, 28, 32, 32, "scalar", 1, 4),
        ],
    ),
    ("state space split", "in_proj.weight", MAMBA),
    ("state space nested", "in_proj.weight", MAMBA),
    (
        "state space nested",
        "conv",
        [
            (0, 0, 24, 28, "input", 3, 24),
            (0, 24, 26, 28, "scalar", 3, 2),
            (0, 26, 28, 28, "scalar", 3, 2),
        ],
    ),
    (
        "latent",
        "kv_a.weight",
        [(0, 0, 2, 6, "output", 24, 2), (0, 2, 6, 6, "output", 24, 4)],
    ),
    (
        "latent",
        "kv_b.weight",
        [(0, 0, 4, 8, "input", 2, 24), (0, 4, 8, 8, "input", 2, 24)],
    ),
    (
        "widened cat",
        "mix.weight",
        [(1, 0, 24, 29, "hidden", 24, 24), (1, 24, 29, 29, "input", 5, 24)],
    ),
    (
        "joined",
        "mix.weight",
        [(1, 0, 28, 52, "hidden", 28, 24), (1, 28, 52, 52, "hidden", 24, 24)],
    ),
    ("linear", "only.weight", []),
    ("rotated", "q.weight", []),  # halves of a head that are contracted as one
    ("by head", "q", []),
]


def rows(found: tuple[Part, ...]) -> list[Row]:
    return [(p.dim, p.start, p.stop, p.period, str(p.role), p.fan_in, p.fan_out) for p in found]


@pytest.mark.parametrize(
    ("step", "key", "expected"), TABLE, ids=lambda x: x if isinstance(x, str) else ""
)
def test_parts(step: str, key: str, expected: list[Row]) -> None:
    _, found = analyze(single(step), base=True)
    assert rows(found.roles[f"steps.0.{key}"].parts) == expected


def test_parts_in_words() -> None:
    _, found = analyze(single("state space split"), base=True)
    role = found.roles["steps.0.in_proj.weight"]
    assert parts(role.parts, role.shape) == "[0] 2 x hidden 24, 2 x output 2, hidden 6"
    turns = analyze(single("gated interleaved"), base=True)[1].roles["steps.0.gate_up.weight"]
    assert parts(turns.parts, turns.shape) == "[0] 2 x hidden 28"


def test_parts_are_written_down_where_there_are_any() -> None:
    _, found = analyze(single("widened cat"), base=True)
    written = found.to_dict()["parameters"]
    assert written["steps.0.mix.weight"]["parts"][1] == {
        "dim": 1,
        "start": 24,
        "stop": 29,
        "period": 29,
        "axis": list(found.roles["steps.0.mix.weight"].parts[1].axis),
        "role": "input",
        "fan_in": 5,
        "fan_out": 24,
    }
    assert "parts" not in written["stem.table"]
