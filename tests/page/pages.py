"""Models, plans and pages that several tests look at."""

from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.core.observed import Row
from mupfx.core.plan import Plan
from mupfx.core.report import Report, Size, Verdict
from mupfx.core.transfer import Curve, Drift, Grid, Optimum, Recipe, Transfer
from mupfx.demo.gpt import example
from mupfx.pipeline.reporting import Wanted, described
from mupfx.render.page.facts import Facts
from mupfx.tables.parametrizations import parametrization
from tests.render.check.reports import slope

VOID = {"br", "input", "meta", "wbr"}
HOSTILE = "<img src=x onerror=alert(1)>&\"'"


class Tree(HTMLParser):
    """Tags with their attributes, and the text; every tag must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that is read."""
        return "".join(self.words)

    def having(self, name: str) -> list[str]:
        """Values of an attribute, in order."""
        return [str(found[name]) for _, found in self.tags if name in found]


class Hostile(nn.Module):
    """Has a parameter whose name is markup."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weights = nn.ParameterDict({HOSTILE: nn.Parameter(torch.randn(width, 8))})
        self.out = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.linear(x, self.weights[HOSTILE]).relu()
        out: Tensor = self.out(hidden)
        return out


class Experts(nn.Module):
    """Branches beside each other, in one residual block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Linear(8, width)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(5)
        )
        self.out = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inside(x)
        mixed = torch.stack([expert(x) for expert in self.experts]).sum(0)
        out: Tensor = self.out(x + mixed)
        return out


def plain(width: int, depth: int = 6) -> nn.Module:
    """Layers in a row, none of them residual."""
    layers: list[nn.Module] = [nn.Linear(8, width), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 4))


Made = tuple[Analysis, Plan]


@cache
def gpt() -> Made:
    """The demo's model, of width 256 on a base of 64."""
    return made(*example(width=256), base=64)


def made(model: nn.Module, args: Any, base: Any) -> Made:
    """What a page says of a model."""
    analysis, plan = described(model, args, {}, Wanted(parametrization("mup"), base))
    assert plan is not None
    return analysis, plan


def deep(layers: int) -> Plan:
    """A plan of so many layers, each with the nine parameters of a Llama's."""
    _, plan = gpt()
    names = [name for name in plan.parameters if name.startswith("blocks.0.")][:9]
    found = {
        name.replace("blocks.0.", f"layers.{layer}."): plan.parameters[name]
        for layer in range(layers)
        for name in names
    }
    parameters = {name: replace(parameter, name=name) for name, parameter in found.items()}
    return replace(plan, parameters=parameters, sites={})


def checked() -> Report:
    """A check of the demo's model in which one layer's update grows."""
    matrices = [n for n, p in example(width=64)[0].named_parameters() if p.ndim == 2]
    slopes = tuple(
        slope(name, 0.9 if name == "blocks.1.mlp.2.weight" else 0.0) for name in matrices
    )
    return Report(
        target="gpt.py:example",
        verdict=Verdict.FAIL,
        findings=(
            mupfx.Finding(
                "MUP002", "blocks.1.mlp.2.weight", f"grows {HOSTILE}", measured=0.9, expected=0.0
            ),
        ),
        sizes={"width": tuple(Size(width) for width in (64, 128, 256, 512))},
        parametrization="mup",
        slopes=slopes,
        control=tuple(slope(name, 1.0) for name in matrices),
        settings={"margin": 0.25},
    )


def sweep() -> Transfer:
    """Two parametrizations at two widths; at the largest rate one seed diverged."""
    rates, seeds, sizes = (0.001, 0.002, 0.004), (0, 1), (Size(64), Size(128))
    losses = ((2.2, 2.3), (2.0, 2.1), (2.4, None))
    curve, best = Curve(rates, losses, seeds), Optimum(0.002, (0.0018, 0.0022), 2.0)
    names = ("mup", "sp")
    return Transfer(
        Recipe("gpt.py:task", Size(64)),
        Grid(sizes, rates, seeds, names),
        0.5,
        (),
        {name: dict.fromkeys(sizes, curve) for name in names},
        {name: dict.fromkeys(sizes, best) for name in names},
        tuple(
            Drift(name, "width", None, 0.0, (-0.1, 0.1), 0.0, (-0.1, 0.1), Verdict.PASS, "it stays")
            for name in names
        ),
    )


def observations() -> tuple[Row, ...]:
    """One quantity of two ops at two widths, one of the model, and one over all widths."""
    rows = [
        Row(width, None, seed, 4, "", op, f"{op}.weight", "rms", 0.1 * at * (width / 64) ** 0.5)
        for width in (64, 128)
        for seed in (0, 1)
        for at, op in enumerate(("linear", "linear_1"), 1)
    ]
    rows += [Row(w, None, 0, 4, "", "", "", "output", 1.0 / w) for w in (64, 128)]
    return (*rows, Row(None, None, 0, 4, "", "", "", "richness", 0.5))


def facts(**changes: Any) -> Facts:
    """The demo's model with all there is."""
    analysis, plan = gpt()
    known: dict[str, Any] = {
        "analysis": analysis,
        "plan": plan,
        "check": checked(),
        "transfer": sweep(),
        "observed": observations(),
    }
    return Facts("the demo's GPT", **{**known, **changes})


def written(folder: Path, text: str) -> str:
    """The address of a page in a file."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()
