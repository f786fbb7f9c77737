"""A model filled by several processes is the one filled by one: bit for bit, by gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.distributed.rank import DTYPES, WAYS, filled, whole

ROOT = Path(__file__).parents[2]


def run(world: int, folder: Path) -> dict[tuple[str, torch.dtype], dict[str, torch.Tensor]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.distributed.rank"]
    ranks = [
        subprocess.Popen([*command, str(rank), str(world), str(folder)], cwd=ROOT, env=environment)
        for rank in range(world)
    ]
    try:
        assert [rank.wait(timeout=240) for rank in ranks] == [0] * world
    finally:
        for rank in ranks:
            rank.kill()
    found: dict[tuple[str, torch.dtype], dict[str, torch.Tensor]] = torch.load(folder / "whole.pt")
    return found


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_every_way_to_share_a_model_gives_its_values(world: int, tmp_path: Path) -> None:
    found = run(world, tmp_path)
    ways = [way for way, (sizes, _) in WAYS.items() if torch.Size(sizes).numel() == world]
    assert found.keys() == {(way, dtype) for way in ways for dtype in DTYPES}
    for (_, dtype), together in found.items():
        alone = whole(filled(dtype, lambda _: None))
        output = alone.pop("output")
        torch.testing.assert_close(together.pop("output"), output, rtol=0.05, atol=0.01)
        assert together.keys() == alone.keys()
        assert all(torch.equal(together[name], alone[name]) for name in alone)
        assert together["up.weight"].dtype is dtype
