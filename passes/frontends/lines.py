"""Lines of the user's code behind nodes that torch traces: those of what ``forward`` calls, too.

Torch keeps frames named ``forward``; what they call is gone, and every op of a helper would be at
the line that called it. Kept here is the way from ``forward`` down to where the project's own code
ends::

    model.py:20 forward   x = x + self.attend(x)
    model.py:31 attend    scores = q @ k.mT / q.shape[-1]
    einops/einops.py:585  return backend.reduce(...)            <- another project: left out
"""

import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import PurePath

from torch.fx.experimental.proxy_tensor import PythonKeyTracer

from mupfx.passes.frontends.places import OURS, TORCH

_HOOK = "_filter_traceback_frames"
_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def every_line() -> Iterator[None]:
    """While open, traced nodes keep these lines; where torch has no such hook, its own."""
    before = getattr(PythonKeyTracer, _HOOK, None)
    if before is None:
        yield
        return
    setattr(PythonKeyTracer, _HOOK, _filtered)
    try:
        yield
    finally:
        setattr(PythonKeyTracer, _HOOK, before)


def _filtered(_: PythonKeyTracer, stack: traceback.StackSummary) -> traceback.StackSummary:
    return traceback.StackSummary.from_list(lines(stack))


def lines(stack: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Frames of the model's own code, outermost first; of whatever called the tracer none."""
    entered = (at for at, frame in enumerate(stack) if frame.filename.startswith(_HERE))
    inside = stack[next(entered, 0) :]
    theirs = [frame for frame in inside if not _is_machinery(frame)]
    forwards = [at for at, frame in enumerate(theirs) if frame.name == "forward"]
    if not forwards:
        return theirs[:1]
    last = forwards[-1]
    project = _project(theirs[last].filename)
    below = theirs[last + 1 :]
    other = (at for at, frame in enumerate(below) if _project(frame.filename) != project)
    return [*(theirs[at] for at in forwards), *below[: next(other, len(below))]]


@cache
def _project(path: str) -> str:
    """What an installed file belongs to; nothing for the user's own."""
    parts = PurePath(path.replace("\\", "/")).parts
    for folder in _INSTALLED:
        if folder in parts[:-1]:
            return parts[parts.index(folder) + 1]
    return "python" if path.startswith(_PYTHON) else ""


def _is_machinery(frame: traceback.FrameSummary) -> bool:
    """Torch and passes; hooks of this package and code without a file, unless it is a model's."""
    path = frame.filename
    if path.startswith((_PASSES, TORCH, "<frozen", "<eval_with_key>")):
        return True
    return path.startswith((OURS, "<")) and frame.name != "forward"


_HERE = str(PurePath(__file__).parent)
_PASSES = str(PurePath(__file__).parents[1])
_PYTHON = sysconfig.get_path("stdlib")
