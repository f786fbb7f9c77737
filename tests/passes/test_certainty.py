"""From one model alone, certain is only what every way of growing it agrees on."""

import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis


def statuses(found: Analysis) -> dict[str, str]:
    """Status of each parameter."""
    return {name: str(role.status) for name, role in found.roles.items()}


class Encoder(nn.Module):
    """Tokens through one residual block, to a head or to an embedding."""

    def __init__(self, width: int, inner: int, out: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.head = nn.Linear(width, out)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        x = x + self.down(functional.relu(self.up(x)))
        out: torch.Tensor = self.head(x)
        return out


IDS = torch.zeros(2, 3, dtype=torch.long)


def test_the_stream_is_certain_and_other_sizes_are_not() -> None:
    found = mupfx.analyze(Encoder(8, 20, 5), (IDS,))
    assert statuses(found) == {
        "embed.weight": "certain",
        "up.weight": "assumed",
        "up.bias": "assumed",
        "down.weight": "assumed",
        "down.bias": "certain",
        "head.weight": "assumed",
        "head.bias": "assumed",
    }


def test_the_evidence_and_the_override_are_said() -> None:
    classes = mupfx.analyze(Encoder(8, 20, 5), (IDS,)).to_dict()["classes"]
    inner = next(c for c in classes.values() if c["size"] == 20)
    assert inner["override"].endswith("=finite")
    assert inner["evidence"].endswith("its size is its own, and may stay")
    out = next(c for c in classes.values() if c["size"] == 5)
    assert (out["override"], out["kind"]) == ("output=width", "finite")


def test_an_override_makes_it_certain() -> None:
    alone = mupfx.analyze(Encoder(8, 20, 5), (IDS,)).to_dict()["classes"]
    name = next(n for n, c in alone.items() if c["size"] == 20)
    found = mupfx.analyze(Encoder(8, 20, 5), (IDS,), overrides={name: "finite"})
    assert statuses(found)["up.weight"] == "certain"
    assert str(found.roles["up.weight"].role) == "output"


def test_a_base_settles_everything() -> None:
    found = mupfx.analyze(Encoder(16, 40, 5), (IDS,), base=Encoder(8, 20, 5))
    assert set(statuses(found).values()) == {"certain"}


def test_a_fixed_inner_size_is_not_silently_width() -> None:
    alone = mupfx.analyze(Encoder(8, 20, 5), (IDS,))
    beside = mupfx.analyze(Encoder(16, 20, 5), (IDS,), base=Encoder(8, 20, 5))
    for name, role in beside.roles.items():
        guess = alone.roles[name]
        assert guess.role is role.role or str(guess.status) == "assumed", name


def test_an_output_that_grew_with_the_width_is_width() -> None:
    found = mupfx.analyze(Encoder(16, 40, 16), (IDS,), base=Encoder(8, 20, 8))
    assert str(found.roles["head.weight"].role) == "hidden"


def test_an_output_that_grew_otherwise_is_none() -> None:
    found = mupfx.analyze(Encoder(16, 40, 15), (IDS,), base=Encoder(8, 20, 5))
    assert str(found.roles["head.weight"].role) == "output"


def test_one_size_everywhere_is_certain() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    found = statuses(mupfx.analyze(model, (torch.zeros(2, 3),)))
    assert found["0.weight"] == found["2.weight"] == "certain"


def test_what_no_parameter_lies_along_is_no_other_size() -> None:
    """A tied weight's second placeholder is never used."""
    model = nn.Sequential(nn.Embedding(11, 8), nn.RMSNorm(8), nn.Linear(8, 11, bias=False))
    model[2].weight = model[0].weight
    assert set(statuses(mupfx.analyze(model, (IDS,))).values()) == {"certain"}


class Mixer(nn.Module):
    """The residual stream is the input's own last axis."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = x + self.down(functional.relu(self.up(x)))
        return y


def test_a_stream_that_starts_in_the_inputs_is_assumed_to_stay() -> None:
    found = mupfx.analyze(Mixer(6), (torch.zeros(2, 6),))
    assert statuses(found)["up.weight"] == "assumed"
    assert str(found.roles["up.weight"].role) == "input"


def test_a_base_that_does_not_run_on_the_inputs_is_read_for_its_shapes() -> None:
    found = mupfx.analyze(Mixer(12), (torch.zeros(2, 12),), base=Mixer(6))
    assert {str(r.role) for n, r in found.roles.items() if n.endswith("weight")} == {"hidden"}
    assert set(statuses(found).values()) == {"certain"}
    assert found.ratios is not None
    assert {str(r) for r in found.ratios.classes.values()} >= {"2"}
    assert "the base does not run on these inputs: its shapes are read by parameter name" in (
        found.findings
    )
