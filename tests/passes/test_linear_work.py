"""The analysis does as much for the hundredth layer as for the tenth: lines that it runs, counted.

No clock: where work is ``a + b * layers``, twice the layers more are twice the lines more, exactly.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType, ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from mupfx.pipeline import analysis, pairing
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import Given
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built

FEW, MORE, MOST = 2, 4, 8
CAPTURE = "capture"


@contextmanager
def traced(counts: Counter[str], name: str) -> Iterator[None]:
    """Count the lines of Python that are run."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        counts[name] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def passes(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Every pass that a module of the pipeline calls, but capture, which is torch's work."""
    return {
        name: found
        for name, found in vars(module).items()
        if getattr(found, "__module__", "").startswith("mupfx.passes")
        and callable(found)
        and not isinstance(found, type)
        and name != CAPTURE
    }


def lines(build: Callable[..., Built], layers: int, *, based: bool, grow: str) -> Counter[str]:
    """Lines that each pass runs on a model."""
    counts: Counter[str] = Counter()

    def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with traced(counts, name):
            return function(*args, **kwargs)

    model, args, kwargs = build(2, layers=layers)
    base = Given(model=build(1, layers=layers)[0]) if based else None
    with ExitStack() as stack:
        for module in (analysis, pairing):
            for name, function in passes(module).items():
                stack.enter_context(patch.object(module, name, partial(call, name, function)))
        run_analysis(model, args, kwargs, base, Options(grow=grow))
    return counts


def superlinear(few: Counter[str], more: Counter[str], most: Counter[str]) -> dict[str, float]:
    """Passes whose next doubling costs more than twice the last, and by how much."""
    growth = {
        name: (count - more[name]) / max(more[name] - few[name], 1)
        for name, count in most.items()
        if count > most.total() / 1000
    }
    return {name: times for name, times in growth.items() if times > 2 * 1.1}


CASES = {
    "llama beside a base": (hf.llama, True, "heads"),
    "mixtral": (hf.mixtral, False, "heads"),
    "t5 by head size": (hf.t5, False, "head_dim"),
}
MORE_CASES = {
    "llama": (hf.llama, False, "heads"),
    "llama by head size": (hf.llama, False, "head_dim"),
    "mixtral beside a base": (hf.mixtral, True, "heads"),
    "t5": (hf.t5, False, "heads"),
    "gpt2": (hf.gpt2, False, "heads"),
    "mamba by head size": (hf.mamba, False, "head_dim"),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MORE_CASES]


@pytest.mark.parametrize("name", [*CASES, *SLOW])
def test_work_is_linear_in_layers(name: str) -> None:
    build, based, grow = (CASES | MORE_CASES)[name]
    lines(build, FEW, based=based, grow=grow)  # what is found out once, and remembered
    few, more, most = (lines(build, layers, based=based, grow=grow) for layers in (FEW, MORE, MOST))
    assert most["infer_axes"] > few["infer_axes"] > 0
    assert superlinear(few, more, most) == {}
    assert most.total() <= 4.4 * few.total()


def test_a_loop_over_all_for_each_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count can fail: a pass that looks at every pair of nodes."""
    plain = passes(analysis)["assign_roles"]

    def slow(program: Any, axes: Any) -> Any:
        nodes = list(program.graph.nodes)
        assert not any(a is b for i, a in enumerate(nodes) for b in nodes[:i])
        return plain(program, axes)

    slow.__module__ = plain.__module__
    monkeypatch.setattr(analysis, "assign_roles", slow)
    counts = [lines(hf.gpt2, layers, based=False, grow="heads") for layers in (1, 2, 4)]
    assert "assign_roles" in superlinear(*counts)
