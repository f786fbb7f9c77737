"""A model as one graph: the same parameters and numbers, and every multiplier a node."""

import torch

import mupfx
from tests.passes.rewrite.models import Gpt, tokens

CALL = (tokens(0), tokens(1))


def graph_of(gauge: str = "fold") -> torch.fx.GraphModule:
    torch.manual_seed(0)
    model = Gpt(64)
    made = mupfx.convert(model, CALL, base=Gpt(32), lowering="graph", gauge=gauge)
    assert isinstance(made, torch.fx.GraphModule)
    return made


def test_every_multiplier_of_a_site_is_one_named_node() -> None:
    made = graph_of()
    sites = {s.name: s for s in mupfx.plan(made).sites.values() if s.multiplier != 1}
    nodes = {n.name: n for n in made.graph.nodes if "multiplier" in n.meta}
    assert {n for s in sites.values() for n in s.target} == set(nodes)
    assert len(nodes) == 3
    assert {n.args[1] for n in nodes.values()} == {0.5, 0.5**0.5}
