"""Training that is not finite.

What:
    The losses, gradients and updates of the check's few steps must be numbers.
Why:
    Nothing can be measured beyond the first infinity. At the largest sizes alone it is what a
    wrong scaling leads to; at all sizes, a learning rate or starting values that do not work.

Example:
    A width of 512 gives a loss of nan in step 2, where 64 trains.
Fix:
    Lower the learning rate until the smallest size trains. If only large ones fail, look for what
    grows with the size: run the check on smaller sizes.
Reference:
    Tensor Programs V (arXiv:2203.03466), Figure 1: in the standard parametrization the largest
    stable learning rate falls with width.
"""

from collections.abc import Iterator

from mupfx.core.finding import Finding
from mupfx.core.trained import Trained

CODE = "MUP018"
TITLE = "training is not finite"


def judge(trained: Trained) -> Iterator[Finding]:
    """The smallest run that broke, if nothing else is wrong that may be why."""
    broken = sorted((run for run in trained.runs if run.not_finite), key=lambda run: run.size)
    if trained.explained or not broken:
        return
    first, axis = broken[0], trained.axis
    sizes = {run.size for run in trained.runs}
    everywhere = {run.size for run in broken} == sizes
    where = f"at every {axis}" if everywhere else f"from {axis} {first.size.along(axis)} on"
    yield Finding(
        CODE,
        None,
        f"training is not finite {where}: {first.not_finite}, with seed {first.seed}",
        axis=axis,
        dynamic=True,
        hint="lower the learning rate" if everywhere else "something grows with the size",
    )
