"""Hypothesis profiles: ``HYPOTHESIS_PROFILE=thorough pytest`` looks longer.

Under ``CI`` hypothesis loads its own ``ci`` profile, which draws the same examples every time.
Workers of one run share the cores: one thread each, and so have the processes that they start.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("dev", max_examples=25, deadline=None)  # torch is slow at first calls
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))
