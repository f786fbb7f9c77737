"""Starting values of a whole model: ``mupfx.kernels`` beside ``torch.nn.init``, in one run.

Fills every matrix of a Llama of 1.2 billion parameters by each law, parameter by parameter as
``torch.nn.init`` does, then all at once; both with the same number of threads, in turns. The floor
is what writing one value everywhere costs. Prints billions of values a second, and the ratio.

On a CPU torch draws one number after the other, in one thread, and throws away what a cut excludes;
here arithmetic is the limit, not memory, and threads share it. ``--device cuda`` measures a GPU,
``--dtype bfloat16`` other storage, ``--layers 1`` a smaller model, ``--path eager`` another path.
Ends with status 1 where a claim does not hold: on a CPU 1.5 times as fast for normal values, and 10
for cut ones.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import init

from mupfx.kernels import Draw, Job, constant, fill_, normal, truncated, uniform

WIDTH, INNER, KEYS, TOKENS = 2048, 8192, 512, 128256
STD = 0.02
WIDE = 120
"""Columns of a table that is piped into a file."""
PATIENCE = 20.0
"""Seconds after which a law is not filled again."""
CLAIMS: Mapping[str, Mapping[str, float]] = {
    "cpu": {"normal": 1.5, "truncated": 10.0},
    "cuda": {"normal": 0.9, "truncated": 1.6},
}

Fill = Callable[[Tensor], object]


@dataclass(frozen=True)
class Law:
    """The same law twice."""

    torch: Fill
    ours: Draw


LAWS: Mapping[str, Law] = {
    "constant": Law(lambda p: init.constant_(p, STD), constant(STD)),
    "uniform": Law(lambda p: init.uniform_(p, -STD, STD), uniform(-STD, STD)),
    "normal": Law(lambda p: init.normal_(p, std=STD), normal(STD)),
    "truncated": Law(
        lambda p: init.trunc_normal_(p, std=STD, a=-2 * STD, b=2 * STD),
        truncated(STD, 0.0, -2 * STD, 2 * STD),
    ),
}


@dataclass(frozen=True)
class Row:
    """Seconds for a whole model: by the clock, and of all processors together."""

    law: str
    torch: float
    ours: float
    torch_cpu: float
    ours_cpu: float

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.torch / self.ours


def matrices(layers: int) -> dict[str, tuple[int, int]]:
    """Shapes of a Llama whose readout is tied, by name."""
    layer = {
        "q": (WIDTH, WIDTH),
        "k": (KEYS, WIDTH),
        "v": (KEYS, WIDTH),
        "o": (WIDTH, WIDTH),
        "gate": (INNER, WIDTH),
        "up": (INNER, WIDTH),
        "down": (WIDTH, INNER),
    }
    blocks = {f"layers.{i}.{name}": shape for i in range(layers) for name, shape in layer.items()}
    return {"embed": (TOKENS, WIDTH), **blocks}


def seconds(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """By the clock and of the processors, until all is written."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start, time.process_time() - busy


def measure(
    name: str, model: Mapping[str, Tensor], device: torch.device, path: str | None, repeats: int
) -> Row:
    """Of one law, the least of several turns."""
    law = LAWS[name]
    jobs = [Job(tensor, law.ours, name) for name, tensor in model.items()]

    def stock() -> None:
        for tensor in model.values():
            law.torch(tensor)

    turns: list[tuple[float, float, float, float]] = []
    began = time.perf_counter()
    for _ in range(repeats):
        (one, one_cpu), (other, other_cpu) = (
            seconds(work, device) for work in (stock, lambda: fill_(jobs, seed=0, path=path))
        )
        turns.append((one, other, one_cpu, other_cpu))
        if time.perf_counter() - began > PATIENCE:
            break
    return Row(name, *(min(turn) for turn in zip(*turns, strict=True)))


def table(rows: Sequence[Row], count: int, title: str) -> Table:
    """Billions of values a second, and the ratio."""
    shown = Table(title=title)
    columns = ("law", "torch.nn.init", "mupfx.kernels", "ratio", "of CPU time", "of the floor")
    for column in columns:
        shown.add_column(column, justify="right")
    floor = min(rows[0].torch, rows[0].ours)
    for row in rows:
        rates = (f"{count / 1e9 / s:.3f}" for s in (row.torch, row.ours))
        busy = f"{row.torch_cpu / row.ours_cpu:.2f}x"
        shown.add_row(row.law, *rates, f"{row.ratio:.2f}x", busy, f"{floor / row.ours:.0%}")
    return shown


def main() -> int:
    """Measure, print; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--path")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    dtype = getattr(torch, given.dtype)
    model = {
        name: torch.ones(shape, dtype=dtype, device=given.device)  # written, so that it is there
        for name, shape in matrices(given.layers).items()
    }
    count = sum(tensor.numel() for tensor in model.values())
    fill_([Job(torch.empty(8, device=given.device), normal(STD), "w")], seed=0, path=given.path)
    rows = [measure(name, model, given.device, given.path, given.repeats) for name in LAWS]
    title = f"{count / 1e9:.2f}e9 values, {given.dtype} on {given.device}, {given.threads} threads"
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table(rows, count, f"billions of values a second: {title}"))
    claims = CLAIMS.get(given.device.type, {})
    missed = [row.law for row in rows if row.ratio < claims.get(row.law, 0.0)]
    for law in missed:
        console.print(f"[red]{law} values: not {claims[law]}x as fast[/]")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
