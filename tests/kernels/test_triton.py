# mypy: disable-error-code="import-not-found, import-untyped"
"""The Triton kernel: run by its interpreter against torch, bit for bit, and compiled without a GPU."""

import re
import sys
from collections.abc import Iterator
from itertools import product
from types import ModuleType
from typing import Any

import pytest
import torch
import triton
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from triton.backends.compiler import GPUTarget

from mupfx.kernels import Draw, Job, constant, eager, fill_, launch, normal, truncated, uniform
from mupfx.kernels.fill import DTYPES
from mupfx.kernels.segment import Segment

KERNELS = "mupfx.kernels.fused"
LAWS = (
    normal(0.3, 0.1),
    uniform(-1.0, 3.0),
    truncated(1.0, 0.25, -1.0, 2.0),
    constant(0.7),
    normal(3e-6),
    normal(1e5),
)
BY_NAME = sorted(DTYPES, key=str)
SLACK = 8
ARCHITECTURES = (80, 90)

Place = tuple[int, int, int, int, int]


@pytest.fixture(scope="module")
def interpreter() -> Iterator[ModuleType]:
    """Kernels as they are where ``TRITON_INTERPRET=1`` was set before they were imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        patch.delitem(sys.modules, KERNELS, raising=False)
        yield launch.kernel_module()
        patch.delitem(sys.modules, KERNELS)


@st.composite
def places(draw: st.DrawFn) -> Place:
    """Base, run, stride, number of runs, and by how many elements memory is off its alignment."""
    run = draw(st.sampled_from([1, 3, 4, 8, 33, 64, 4096]))
    runs = draw(st.sampled_from([1, 2, 7, 50]))
    base = draw(st.sampled_from([0, 4, 5, 2**33 + 7, 2**62 + 2, 2**40 + 4]))
    return base, run, run + draw(st.sampled_from([0, 1, 4, 2**32 - run])), runs, draw(offsets)


offsets = st.sampled_from([0, 0, 1, 3])


def memory(place: Place, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Some, with a margin, and the part to be filled."""
    _, run, _, runs, offset = place
    whole = torch.full((offset + run * runs + SLACK,), 1.0).to(dtype)
    return whole, whole[offset : offset + run * runs]


def segment(out: Tensor, place: Place, law: Draw, stream: int) -> Segment:
    base, run, stride, _, _ = place
    return Segment(out, law, stream, base, run, stride)


@pytest.mark.usefixtures("interpreter")
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")  # to infinity
@pytest.mark.parametrize("dtype", BY_NAME, ids=str)
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(places(), st.sampled_from(LAWS)), min_size=1, max_size=12),
    key=st.integers(0, 2**64 - 1),
)
def test_interpreted_bits_are_those_of_torch(
    dtype: torch.dtype, rows: list[tuple[Place, Draw]], key: int
) -> None:
    streams = [(2**64 - 1) // (3 + i) for i in range(len(rows))]
    mine = [memory(place, dtype) for place, _ in rows]
    its = [memory(place, dtype) for place, _ in rows]
    cut = [
        [
            segment(out, place, law, stream)
            for (_, out), (place, law), stream in zip(held, rows, streams, strict=True)
        ]
        for held in (mine, its)
    ]
    launch.fill(cut[0], key)
    for one in cut[1]:
        eager.fill(one, key)
    for (left, _), (right, _) in zip(mine, its, strict=True):
        assert torch.equal(left.view(torch.uint8), right.view(torch.uint8))


@pytest.mark.usefixtures("interpreter")
def test_a_model_of_every_dtype_in_a_launch_each(monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[tuple[torch.dtype, bool, int]] = []
    real = launch._launch

    def count(found: Any, key: int, dtype: torch.dtype, *, aligned: bool) -> None:
        launched.append((dtype, aligned, len(found)))
        real(found, key, dtype, aligned=aligned)

    monkeypatch.setattr(launch, "_launch", count)
    shapes = [(64, 32), (32,), (8, 4, 3, 3), (40, 8)]
    mine, its = ([torch.zeros(s, dtype=d) for d in BY_NAME for s in shapes] for _ in range(2))
    for path, outs in (("triton", mine), ("eager", its)):
        jobs = [Job(out, LAWS[i % 3], f"p{i}") for i, out in enumerate(outs)]
        fill_(jobs, seed=9, path=path)
    for left, right in zip(mine, its, strict=True):
        assert torch.equal(left.view(torch.uint8), right.view(torch.uint8))
    assert sorted(launched, key=str) == [(dtype, True, len(shapes)) for dtype in BY_NAME]


@given(st.integers(1, 2**29 + 2), st.integers(0, 2**31 - 1))
def test_rows_are_divided_by_a_multiplication(by: int, number: int) -> None:
    multiplier, shift = launch.divider(by)
    assert multiplier < 2**32
    for n in (number, number // by * by, max(0, number // by * by - 1), 2**31 - 1):
        assert n * multiplier >> shift == n // by


def test_very_large_segments_are_several_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "MOST", 16)
    for place in ((5, 1000, 0, 1, 0), (5, 33, 40, 30, 0), (0, 8, 16, 100, 0), (0, 200, 300, 3, 0)):
        out = torch.arange(float(place[1] * place[3]))
        rows = list(launch.rows(segment(out, place, LAWS[0], 1)))
        covered = [
            (row.segment.base + r * row.segment.stride + c, float(row.segment.out[r * run + c]))
            for row in rows
            for run in (row.segment.run,)
            for r in range(row.runs)
            for c in range(run)
        ]
        base, run, stride, runs, _ = place
        wanted = [base + r * stride + c for r in range(runs) for c in range(run)]
        assert covered == [(e, float(i)) for i, e in enumerate(wanted)]
        assert len(rows) > 1
        assert all(row.groups <= max(16, row.per_run) for row in rows)


class NoDevice:
    """A driver that says what a GPU would say, so that kernels are bound and compiled for it."""

    def __init__(self, architecture: int) -> None:
        self.architecture = architecture

    def get_current_target(self) -> Any:
        return GPUTarget("cuda", self.architecture, 32)

    def get_current_device(self) -> int:
        return self.architecture

    def get_current_stream(self, device: int | None = None) -> int:
        return 0

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def map_python_to_cpp_type(self, kind: str) -> str:
        return "int"

    @staticmethod
    def is_active() -> bool:
        return True


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The kernel, compiled as it would be on a GPU, for a number of rows and a key."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "triton"))
    monkeypatch.delitem(sys.modules, KERNELS, raising=False)
    kernels = launch.kernel_module()

    def compiled(
        architecture: int, dtype: torch.dtype, rows: int, key: int, *, aligned: bool
    ) -> Any:
        monkeypatch.setattr(triton.runtime.driver, "_active", NoDevice(architecture))
        return kernels.fill.warmup(
            torch.int64, torch.float32, torch.int32,
            rows, launch.signed(key % 2**32), launch.signed(key >> 32),
            **launch.constants(kernels, dtype, 291, launch.GROUPS, aligned=aligned),
            num_warps=launch.WARPS,
            enable_fp_fusion=False,
            grid=(1,),
        )  # fmt: skip

    yield compiled
    sys.modules.pop(KERNELS, None)


QUICK = [
    (80, torch.bfloat16, True),
    (80, torch.float32, False),
    (90, torch.float32, True),
    (90, torch.float8_e4m3fn, True),
]
ALL = list(product(ARCHITECTURES, BY_NAME, (True, False)))
CASES = [
    pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow, id=str(case))
    for case in ALL
]


@pytest.mark.parametrize(("architecture", "dtype", "aligned"), CASES)
def test_it_compiles_for_gpus_that_are_not_here(
    compiler: Any, architecture: int, dtype: torch.dtype, *, aligned: bool
) -> None:
    found = compiler(architecture, dtype, 291, 2**63 + 1, aligned=aligned)
    code = found.asm["ptx"]
    assert f".target sm_{architecture}" in code
    assert len(found.asm["cubin"]) > 1000
    assert set(re.findall(r"\b(?:add|sub|mul|fma|mad)\.(\w+)\.f32", code)) <= {"rn"}
    assert not re.search(r"\b(fma|mad)\.\w+\.f|\.ftz|\.approx|\b(div|sqrt|lg2|ex2)\.", code)
    wide = {4: "st.global.v4.b32", 2: "st.global.v2.b32", 1: "st.global.b32"}
    if aligned and dtype.itemsize in wide:
        assert set(re.findall(r"st\.global[.\w]*", code)) == {wide[dtype.itemsize]}
        assert found.metadata.shared == 0


def test_one_binary_serves_every_table_and_seed(compiler: Any) -> None:
    keys = [0, 1, 2**32, 16, 2**64 - 1]
    found = {
        compiler(90, torch.float32, rows, key, aligned=True).hash
        for rows, key in zip([1, 2, 16, 291, 300], keys, strict=True)
    }
    assert len(found) == 1
