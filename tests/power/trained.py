"""Size and power of the dynamic rule on real models: correct ones, and with one wrong rate."""

from dataclasses import dataclass
from functools import partial

import mupfx
from mupfx.core.report import Verdict
from tests.mutants import spoil
from tests.mutants.models.common import Factory
from tests.mutants.models.conv import resnet
from tests.mutants.models.gpt import gpt
from tests.mutants.models.moe import moe
from tests.mutants.models.vit import vit
from tests.mutants.rows import WIDTHS

SEEDS = 3


@dataclass(frozen=True)
class Subject:
    """A model with a tensor whose rate can be wrong."""

    name: str
    factory: Factory
    tensor: str

    def wrong(self, power: float) -> Factory:
        """With a rate that is too large by a power of the growth."""
        return spoil.rate(self.factory, self.tensor, power)


SUBJECTS = (
    Subject("GPT, AdamW", gpt, "h.1.c_fc.weight"),
    Subject("ViT, AdamW", vit, "blocks.0.attention.value.weight"),
    Subject("ResNet, SGD", resnet, "layer2.conv2.weight"),
    Subject("MoE, Adam", partial(moe, optimizer="adam"), "mixtures.0.w1"),
)


@dataclass(frozen=True)
class Seen:
    """What one check saw in training alone."""

    failed: tuple[str, ...]
    """Parameters with a use that failed."""
    uses: int
    undecided: int


def seen(factory: Factory, trial: int) -> Seen:
    """Train with seeds of its own, and read nothing but how."""
    seeds = tuple(range(SEEDS * trial, SEEDS * (trial + 1)))
    report = mupfx.check(factory, widths=WIDTHS, seeds=seeds, static=False, fast=True)
    judged = [s for s in report.slopes if s.statistic == "update" and s.expected is not None]
    failed = dict.fromkeys(s.parameter for s in judged if s.verdict is Verdict.FAIL)
    undecided = sum(s.verdict is Verdict.INCONCLUSIVE for s in judged)
    return Seen(tuple(failed), len(judged), undecided)
