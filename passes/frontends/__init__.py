"""Ways of capturing a model, those that say more first.

Each takes a ``Subject`` and gives a ``Traced``, or raises; ``capture`` tries them in turn.
"""

from collections.abc import Mapping

from mupfx.passes.frontends.export import export, export_after_a_run
from mupfx.passes.frontends.make_fx import make_fx
from mupfx.passes.frontends.recorder import record
from mupfx.passes.frontends.traced import Frontend

FRONTENDS: Mapping[str, Frontend] = {
    "export": export,
    "export after a run": export_after_a_run,
    "make_fx": make_fx,
    "recorder": record,
}
"""The ladder, by the names that reports give."""
