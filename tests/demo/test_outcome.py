"""The demo's words follow from its numbers, whatever these are."""

import pytest
from inline_snapshot import snapshot

from mupfx.demo.outcome import Outcome, outcome
from mupfx.demo.report import conclusions, report
from mupfx.demo.settings import MUP, SP, Run, Settings
from mupfx.render.text import plain

SETTINGS = Settings(seeds=2)


def runs(kind: str, exponent: float, loss_step: float) -> list[Run]:
    """Two seeds, twice apart, of a flat layer and of one that grows with the given exponent."""
    return [
        Run(
            kind,
            width,
            {"flat": 0.5 * seed, "grows": 0.1 * seed * (width / 64) ** exponent},
            3.0 + loss_step * position,
        )
        for position, width in enumerate(SETTINGS.widths)
        for seed in (1, 2)
    ]


def found(sp: float, mup: float) -> Outcome:
    return outcome([*runs(SP, sp, 0.1), *runs(MUP, mup, -0.1)])


def test_slopes_are_the_exponents() -> None:
    both = found(1.0, 0.0)
    assert abs(both.sp.layers["grows"].slope - 1.0) < 1e-12
    assert abs(both.mup.layers["grows"].slope) < 1e-12
    assert both.sp.layers["grows"].ratios == pytest.approx((2.0, 4.0))


def test_report() -> None:
    assert plain(report(found(1.0, 0.0), SETTINGS)) == snapshot("""\
size of updates after 5 steps of AdamW(lr=0.01), relative to width 64; slope of log2 size on log2 width
  layer  rms at 64  sp 128  sp 256  sp slope  mup 128  mup 256  mup slope
  flat       0.707   x1.00   x1.00     +0.00    x1.00    x1.00      +0.00
  grows      0.141   x2.00   x4.00     +1.00    x1.00    x1.00      +0.00

loss on other text after 30 steps, by width
  parametrization     64    128    256
  sp               3.000  3.100  3.200
  mup              3.000  2.900  2.800

from width 64 to 256
  mup: the updates of 2 of 2 layers keep their size (slope within 0.25); change between x1.00 and x1.00
  sp: the updates of 1 of 2 layers keep their size (slope within 0.25); change between x1.00 and x4.00
  loss: mup falls from 3.00 to 2.80, sp rises from 3.00 to 3.20
  muP's updates keep their size while SP's do not\
""")


def test_it_says_so_where_sp_does_not_grow() -> None:
    both = found(0.1, 0.0)
    assert not both.shown
    assert conclusions(both)[-1].startswith("this run does not show")


def test_it_says_so_where_mup_does_not_keep() -> None:
    for exponent in (0.5, -0.5):
        both = found(1.0, exponent)
        assert not both.shown
        assert conclusions(both)[0].startswith("mup: the updates of 1 of 2 layers")


def test_losses_are_named_as_they_go() -> None:
    line = conclusions(found(1.0, 0.0))[2]
    assert line == "loss: mup falls from 3.00 to 2.80, sp rises from 3.00 to 3.20"


def test_as_data() -> None:
    data = found(1.0, 0.0).to_dict()
    assert data["shown"] is True
    assert data["sp"]["updates"]["grows"]["rms"].keys() == {"64", "128", "256"}
    assert data["mup"]["loss"]["256"] == 2.8
