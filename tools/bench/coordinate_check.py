"""``mupfx.check(fast=True)`` beside microsoft/mup's coordinate check, in turn in one process.

A GPT of two layers at widths 64 to 512, three seeds and as many steps for both, AdamW, CPU. Ours is
the whole check: models of three sizes are captured and read as well, and there is a verdict; theirs
is ``get_coord_data`` alone, which writes down the mean of ``|x|`` behind every module. Medians over
rounds and their ratio are printed; the package ``mup`` has to be there.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.demo.gpt import CONTEXT, GPT, HEAD_DIM, VOCABULARY
from mupfx.tables.check_modes import MODES

BASE, WIDTHS, SENTENCES, RATE = 64, (64, 128, 256, 512), 4, 1e-3
SEEDS, STEPS = MODES["fast"].seeds, MODES["fast"].steps


def tokens() -> tuple[Tensor, Tensor]:
    """A batch and its targets, always the same."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(VOCABULARY, (SENTENCES, CONTEXT + 1), generator=generator)
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


def target(width: int, seed: int = 0) -> tuple[Any, ...]:
    """All that a check takes."""
    model = gpt(width, seed)
    return model, torch.optim.AdamW(groups(model, width)), tokens(), loss


class Flat(nn.Module):
    """Logits as the other check's cross-entropy takes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.model = width, gpt(width, torch.initial_seed() % 2**31)

    def forward(self, ids: Tensor) -> Tensor:
        """One row a token."""
        logits: Tensor = self.model(ids).flatten(0, 1)
        return logits


def ours() -> str:
    """The whole check; the verdict."""
    return str(mupfx.check(target, widths=WIDTHS, fast=True).verdict)


def theirs() -> str:
    """The data of the other's plots; how many rows."""
    from mup import coord_check  # noqa: PLC0415 - only where it is installed

    ids, targets = tokens()
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


def timed(run: Callable[[], str]) -> tuple[float, str]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    said = run()
    return time.perf_counter() - start, said


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    times: dict[str, list[float]] = {"mupfx": [], "mup": []}
    for turn in range(given.rounds):
        for name, run in (("mupfx", ours), ("mup", theirs)):
            seconds, said = timed(run)
            times[name].append(seconds)
            print(f"round {turn + 1}: {name:6} {seconds:6.2f} s  {said}", flush=True)
    middle = {name: statistics.median(found) for name, found in times.items()}
    print(f"mupfx {middle['mupfx']:.2f} s, mup {middle['mup']:.2f} s", end=", ")
    ratios = [a / b for a, b in zip(times["mupfx"], times["mup"], strict=True)]
    print(f"{statistics.median(ratios):.2f} of its time; heads of {HEAD_DIM}, {sys.platform}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
