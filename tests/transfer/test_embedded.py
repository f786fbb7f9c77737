"""The embedded GPT, really trained: its best rate stays under muP, and falls as it is."""

from pathlib import Path

import pytest

from mupfx.core.report import Verdict
from mupfx.demo import pretraining
from mupfx.transferring import rates, transfer

pytestmark = pytest.mark.slow


def test_the_best_rate_stays_under_mup_and_falls_without(tmp_path: Path) -> None:
    found = transfer(
        pretraining.gpt,
        widths=(32, 128),
        rates=rates(2**-9, 2**-4),
        seeds=3,
        steps=60,
        warmup=10,
        decay="linear",
        tolerance=0.75,
        folder=tmp_path,
    )
    mup, sp = found.drifts
    assert abs(mup.total) < 0.5
    assert sp.total < -1
    assert mup.verdict is not Verdict.FAIL
    assert sp.total < mup.total - 0.75
