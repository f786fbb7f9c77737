"""``mupfx.check(fast=True)`` beside microsoft/mup's coordinate check, in turn in one process.

A GPT of two layers at widths 64 to 512, three seeds and as many steps for both, AdamW, CPU. Ours is
the whole check: models of two sizes are captured and read as well, and there is a verdict; theirs
is ``get_coord_data`` alone, which writes down the mean of ``|x|`` behind every module, and takes a
backward pass and a step after its last forward pass, too. One round warms up; then both take turns,
and each round the other begins. Medians over rounds of wall and CPU seconds, and their ratios, are
printed; the package ``mup`` has to be there.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.demo.gpt import CONTEXT, GPT, HEAD_DIM, VOCABULARY
from mupfx.tables.check_modes import MODES

BASE, WIDTHS, RATE = 64, (64, 128, 256, 512), 1e-3
SEEDS, STEPS = MODES["fast"].seeds, MODES["fast"].steps


def tokens(sentences: int) -> tuple[Tensor, Tensor]:
    """A batch and its targets, always the same."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(VOCABULARY, (sentences, CONTEXT + 1), generator=generator)
    return text[:, :-1], text[:, 1:]


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Cross-entropy of the next token."""
    return functional.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten())


def groups(model: nn.Module, width: int) -> list[dict[str, Any]]:
    """Matrices that contract width at a rate that falls with it, as Table 3 says."""
    falling: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        contracts = parameter.dim() == 2 and not name.startswith(("tokens", "positions"))
        (falling if contracts else others).append(parameter)
    shared = {"lr": RATE, "weight_decay": 0.0}
    return [
        {"params": falling, **shared, "lr": RATE * BASE / width},
        {"params": others, **shared},
    ]


def gpt(width: int, seed: int = 0) -> GPT:
    """With the readout of muP."""
    torch.manual_seed(seed)
    model = GPT(width)
    with torch.no_grad():
        model.head.weight.mul_((BASE / width) ** 0.5)
    return model


def target(width: int, sentences: int, seed: int = 0) -> tuple[Any, ...]:
    """All that a check takes."""
    model = gpt(width, seed)
    return model, torch.optim.AdamW(groups(model, width)), tokens(sentences), loss


class Flat(nn.Module):
    """Logits as the other check's cross-entropy takes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.model = width, gpt(width, torch.initial_seed() % 2**31)

    def forward(self, ids: Tensor) -> Tensor:
        """One row a token."""
        logits: Tensor = self.model(ids).flatten(0, 1)
        return logits


def ours(sentences: int) -> str:
    """The whole check; the verdict."""
    made = partial(target, sentences=sentences)
    return str(mupfx.check(made, widths=WIDTHS, fast=True).verdict)


def theirs(sentences: int) -> str:
    """The data of the other's plots; how many rows."""
    from mup import coord_check  # noqa: PLC0415 - only where it is installed

    ids, targets = tokens(sentences)
    data = coord_check._get_coord_data(  # noqa: SLF001 - the public one makes its own optimizer
        {width: partial(Flat, width) for width in WIDTHS},
        [(ids, targets.flatten())],
        lambda flat: torch.optim.AdamW(groups(flat.model, flat.width)),
        nsteps=STEPS,
        nseeds=SEEDS,
        cuda=False,
        show_progress=False,
    )
    return f"{len(data)} rows"


@dataclass(frozen=True, slots=True)
class Time:
    """What one of them took."""

    wall: float
    cpu: float
    """Of all threads: the same however loaded the machine is."""


def timed(run: Callable[[int], str], sentences: int) -> tuple[Time, str]:
    """Seconds, and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    said = run(sentences)
    return Time(time.perf_counter() - wall, time.process_time() - cpu), said


def measured(rounds: int, sentences: int) -> dict[str, list[Time]]:
    """Both, in turn; the first round is not counted."""
    runs = [("mupfx", ours), ("mup", theirs)]
    times: dict[str, list[Time]] = {name: [] for name, _ in runs}
    for turn in range(rounds + 1):
        for name, run in runs:
            took, said = timed(run, sentences)
            label = f"round {turn}" if turn else "warm-up"
            print(
                f"{label}: {name:6} {took.wall:5.2f} s, CPU {took.cpu:5.2f} s  {said}", flush=True
            )
            times[name] += [took] if turn else []
        runs.reverse()
    return times


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sentences", type=int, default=16, help="of 64 bytes, in the batch")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    times = measured(given.rounds, given.sentences)
    tokens_seen = f"{given.sentences} sentences of {CONTEXT}"
    print(f"heads of {HEAD_DIM}, {tokens_seen}, {given.threads} threads, {sys.platform}")
    for clock in ("wall", "cpu"):
        mine, other = (statistics.median(getattr(t, clock) for t in times[n]) for n in times)
        print(f"{clock:4}: mupfx {mine:.2f} s, mup {other:.2f} s, {mine / other:.2f} of its time")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
