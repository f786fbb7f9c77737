"""What one node costs, from 2 layers to 128: capture, and every pass of the analysis, in one run.

Prints CPU seconds, microseconds a node, the slope of log seconds over log nodes (1 is linear), and
the analysis as a share of capture. ``--plot FILE.png`` draws it (needs matplotlib), ``--model
mixtral`` takes another model, ``--base model`` gives a base model, which is captured too. Python's
collector rests while a pass runs, for it walks over everything at moments of its own: ``--collect``
leaves it on. Ends with status 1 where a slope is not within 0.1 of 1, or the share not below a
tenth. Needs transformers.
"""

import argparse
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import log
from pathlib import Path
from statistics import linear_regression
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
import transformers
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from mupfx.pipeline import analysis, pairing
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import Given

LAYERS = (2, 4, 8, 16, 32, 64, 128)
WIDTH, BASE_WIDTH = 64, 32
WIDE = 200
"""Columns of a table that is piped into a file."""
TOLERANCE, SHARE = 0.1, 0.1
PATIENCE = 5.0
"""CPU seconds after which a depth is not run again."""
CAPTURE, ANALYSIS = "capture", "analysis"


@dataclass(frozen=True)
class Row:
    """One depth."""

    layers: int
    nodes: int
    seconds: Mapping[str, float]
    """CPU seconds by pass; the whole analysis, which is all but capture, under its own name."""


def model(name: str, layers: int, width: int) -> nn.Module:
    """A model of tiny widths and real structure, without values."""
    more = {"num_local_experts": 4} if name == "Mixtral" else {}
    config = getattr(transformers, f"{name}Config")(
        vocab_size=128,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 8,
        num_key_value_heads=width // 16,
        max_position_embeddings=64,
        **more,
    )
    with torch.device("meta"):
        built = getattr(transformers, f"{name}ForCausalLM")(config)
    assert isinstance(built, nn.Module)
    return built.eval()


def passes(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The passes that a module of the pipeline calls, by the names under which it does."""
    return {
        name: found
        for name, found in vars(module).items()
        if getattr(found, "__module__", "").startswith("mupfx.passes") and callable(found)
        if not isinstance(found, type)
    }


@contextmanager
def timed() -> Iterator[Mapping[str, float]]:
    """CPU seconds that each pass takes meanwhile."""
    spent: defaultdict[str, float] = defaultdict(float)

    def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name] += time.process_time() - start

    with ExitStack() as stack:
        for module in (analysis, pairing):
            for name, function in passes(module).items():
                stack.enter_context(patch.object(module, name, partial(call, name, function)))
        yield spent


def measure(name: str, layers: int, repeats: int, *, beside: bool) -> Row:
    """One depth: of every pass, the least of several runs."""
    best: dict[str, float] = {}
    nodes = 0
    began = time.process_time()
    for _ in range(repeats):
        if nodes and time.process_time() - began > PATIENCE:
            break  # a deep model's times are certain enough
        built = model(name, layers, WIDTH)
        base = Given(model=model(name, layers, BASE_WIDTH)) if beside else Given(width=BASE_WIDTH)
        gc.collect()
        with timed() as spent:
            start = time.process_time()
            ids = torch.zeros(1, 16, dtype=torch.long)
            found = run_analysis(built, (ids,), {}, base, Options())
            whole = time.process_time() - start
        nodes = len(found.program.graph.nodes)
        seconds = {**spent, ANALYSIS: whole - spent[CAPTURE]}
        best = {key: min(value, best.get(key, value)) for key, value in seconds.items()}
    return Row(layers, nodes, best)


def slope(rows: Sequence[Row], name: str) -> float:
    """Of log seconds over log nodes."""
    sizes = [log(row.nodes) for row in rows]
    return linear_regression(sizes, [log(row.seconds[name]) for row in rows]).slope


def share(row: Row) -> float:
    """The analysis over capture."""
    return row.seconds[ANALYSIS] / row.seconds[CAPTURE]


def table(rows: Sequence[Row]) -> Table:
    """Seconds of the two, their ratio, and microseconds a node of every pass."""
    names = [name for name in rows[0].seconds if name not in (CAPTURE, ANALYSIS)]
    shown = Table(title="CPU seconds; below the passes, microseconds a node")
    for column in ("layers", "nodes", CAPTURE, ANALYSIS, "share", *names):
        shown.add_column(column, justify="right")
    for row in rows:
        each = [f"{1e6 * row.seconds[name] / row.nodes:.1f}" for name in names]
        whole = [f"{row.seconds[name]:.3f}" for name in (CAPTURE, ANALYSIS)]
        shown.add_row(str(row.layers), str(row.nodes), *whole, f"{share(row):.1%}", *each)
    slopes = [f"{slope(rows, name):.2f}" for name in (CAPTURE, ANALYSIS)]
    shown.add_section()
    shown.add_row("slope", "", *slopes, "", *(f"{slope(rows, name):.2f}" for name in names))
    return shown


def verdicts(rows: Sequence[Row]) -> dict[str, bool]:
    """What is claimed, and whether it was so."""
    found = {name: slope(rows, name) for name in (CAPTURE, ANALYSIS)}
    linear = {
        f"{name} is linear: slope {value:.3f}": abs(value - 1) <= TOLERANCE
        for name, value in found.items()
    }
    most = max(map(share, rows))
    return {**linear, f"analysis is at most {most:.1%} of capture": most < SHARE}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Both axes logarithmic, with a line of slope 1."""
    pyplot = import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(6, 4.5))
    nodes = [row.nodes for row in rows]
    for name in (CAPTURE, ANALYSIS):
        seconds = [row.seconds[name] for row in rows]
        axes.loglog(nodes, seconds, "o-", label=f"{name}, slope {slope(rows, name):.2f}")
        axes.loglog(nodes, [seconds[-1] * n / nodes[-1] for n in nodes], "k:", linewidth=1)
    axes.set(xlabel="nodes", ylabel="CPU seconds", title="dotted: slope 1")
    axes.legend()
    figure.savefig(path, dpi=150, bbox_inches="tight")


def main() -> int:
    """Measure, print, draw; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=["llama", "mixtral"], default="llama")
    parser.add_argument("--base", choices=["width", "model"], default="width")
    parser.add_argument("--layers", type=int, nargs="+", default=LAYERS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--collect", action="store_true")
    options = parser.parse_args()
    console, name = Console(), options.model.capitalize()
    if not console.is_terminal:
        console = Console(width=WIDE)
    take = partial(measure, name, beside=options.base == "model")
    take(1, 1)  # torch's own first-call costs
    if not options.collect:
        gc.disable()
    steps = track(options.layers, "measuring", console=Console(stderr=True), transient=True)
    rows = [take(layers, options.repeats) for layers in steps]
    console.print(table(rows))
    found = verdicts(rows)
    for claim, holds in found.items():
        console.print(claim, "" if holds else "[red]: not as claimed")
    if options.plot is not None:
        draw(rows, options.plot)
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
