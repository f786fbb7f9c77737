"""Hypothesis profiles: ``HYPOTHESIS_PROFILE=thorough pytest`` looks longer.

Under ``CI`` hypothesis loads its own ``ci`` profile, which draws the same examples every time.
"""

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=25, deadline=None)  # torch is slow at first calls
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))
