"""On a GPU: the kernel, and torch's own operations there, give the bits of the CPU."""

import pytest
import torch
from torch import Tensor

from mupfx.kernels import Draw, Job, Part, constant, fill_, normal, truncated, uniform
from mupfx.kernels.eager import quantile
from mupfx.kernels.fill import DTYPES

pytestmark = pytest.mark.gpu

LAWS = (normal(0.3, 0.1), uniform(-1, 3), truncated(1.0, 0.25, -1.0, 2.0), constant(0.7))
BY_NAME = sorted(DTYPES, key=str)
PARTS = {
    "whole": ((129, 1024), Part((129, 1024), (0, 0))),
    "columns": ((129, 37), Part((129, 1001), (0, 500))),
    "far": ((7, 4096), Part((2**31, 2**31), (2**31 - 7, 2**31 - 5000))),
    "steps": ((11, 13), Part((129, 1001), (3, 1), (5, 7))),
}


def bits(tensor: Tensor) -> Tensor:
    return tensor.cpu().view(torch.uint8)


def drawn(case: str, law: Draw, dtype: torch.dtype, device: str, path: str) -> Tensor:
    shape, part = PARTS[case]
    out = torch.zeros(shape, dtype=dtype, device=device)
    fill_([Job(out, law, "w", part)], seed=2**63 + 5, path=path)
    return out


@pytest.mark.parametrize("path", ["triton", "eager", "copied"])
@pytest.mark.parametrize("dtype", BY_NAME, ids=str)
@pytest.mark.parametrize("case", PARTS)
def test_values_are_those_of_the_cpu(case: str, dtype: torch.dtype, path: str) -> None:
    for law in LAWS:
        there = drawn(case, law, dtype, "cuda", path)
        assert torch.equal(bits(there), bits(drawn(case, law, dtype, "cpu", "eager")))


def test_every_number_there_is() -> None:
    """All 2^24, through torch's operations; the kernel draws most of them below."""
    x = torch.arange(1 - 2**24, 2**24, 2, dtype=torch.int32).to(torch.float32) * 2.0**-24
    here = torch.cat([quantile(chunk.clone()) for chunk in torch.split(x, 2**16)])
    assert torch.equal(quantile(x.cuda()).cpu(), here)


@pytest.mark.parametrize("law", [LAWS[0], LAWS[2]], ids=["normal", "truncated"])
def test_many_values_in_one_launch(law: Draw) -> None:
    """Of 2^26 draws, 98% of the 2^24 numbers are met."""
    here = torch.empty(2**26)
    there = torch.empty(2**26, device="cuda")
    for out in (here, there):
        fill_([Job(out, law, "w")], seed=1)
    assert torch.equal(here, there.cpu())


def test_three_hundred_tensors_of_two_dtypes() -> None:
    def model(device: str) -> list[Tensor]:
        kinds = (torch.float32, torch.bfloat16)
        return [
            torch.zeros(1 + i % 7, 33 + i, dtype=kinds[i % 2], device=device) for i in range(300)
        ]

    here, there = model("cpu"), model("cuda")
    for outs in (here, there):
        fill_([Job(out, LAWS[i % 4], f"p{i}") for i, out in enumerate(outs)], seed=3)
    for one, other in zip(here, there, strict=True):
        assert torch.equal(bits(one), bits(other))
