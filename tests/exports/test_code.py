"""A model as Python: what it looks like, that it trains, and what it refuses."""

import operator
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, fx, nn

import mupfx
from mupfx.exports.code.blocks import layer_of
from mupfx.exports.code.spell import expression
from tests.cli.models import mlp, tied
from tests.exports.stock import written

TOKENS = torch.arange(10).view(2, 5) % 11


def body(path: Path) -> str:
    """What is between the imports and what every file has."""
    text = (path / "model.py").read_text()
    return text.partition("Tensor, nn\n")[2].partition("\n\n\nBUFFERS")[0].strip("\n")


def test_a_tied_model(tmp_path: Path) -> None:
    model = mupfx.convert(tied(16), TOKENS, base=4, gauge="mup")
    done = mupfx.export(model, tmp_path / "net", TOKENS, format="python")
    assert done.error == 0
    assert [path.name for path in done.files] == ["model.py", "weights.safetensors"]
    assert body(done.path) == snapshot("""\
# Multipliers of the parametrization, and the rules behind them.
# tied_readout:linear_*: fan_in^-1: Tensor Programs V (arXiv:2203.03466), Table 8: with a multiplier
#   1/fan_in both uses share one weight
TIED_READOUT = 0.25


def forward(w, tokens):
    \"\"\"The whole model.\"\"\"
    # embed
    embedding = torch.embedding(w["head.weight"], tokens)
    # body.up
    linear = F.linear(embedding, w["body.up.weight"], w["body.up.bias"])
    # body
    tanh = torch.tanh(linear)
    # body.down
    linear_1 = F.linear(tanh, w["body.down.weight"], w["body.down.bias"])
    # body
    add = embedding + linear_1
    # head
    mul = add * TIED_READOUT
    linear_2 = F.linear(mul, w["head.weight"])
    return linear_2\
""")


def test_layers_alike_share_a_function(tmp_path: Path) -> None:
    model, args = mlp(16, depth=3)
    mupfx.convert(model, args, base=4, gauge="mup")
    assert body(mupfx.export(model, tmp_path / "net", args, format="python").path) == snapshot("""\
# Multipliers of the parametrization, and the rules behind them.
# last.weight: fan_in^-1: what is read of it, over what is stored
STORED = 0.25


def blocks(w, at, x):
    \"\"\"The layer ``blocks.0``, and those alike.\"\"\"
    # up
    linear = F.linear(x, w[f"{at}.up.weight"], w[f"{at}.up.bias"])
    # itself
    tanh = torch.tanh(linear)
    # down
    linear_1 = F.linear(tanh, w[f"{at}.down.weight"], w[f"{at}.down.bias"])
    # itself
    add = x + linear_1
    return add


def forward(w, x):
    \"\"\"The whole model.\"\"\"
    # first
    linear = F.linear(x, w["first.weight"], w["first.bias"])
    add = blocks(w, "blocks.0", linear)
    add_1 = blocks(w, "blocks.1", add)
    add_2 = blocks(w, "blocks.2", add_1)
    # last
    mul = w["last.weight"] * STORED
    linear_1 = F.linear(add_2, mul, w["last.bias"])
    return linear_1\
""")


def test_a_graph_keeps_its_multipliers_and_paths(tmp_path: Path) -> None:
    eager = mupfx.convert(tied(16), TOKENS, base=4)
    graph = mupfx.convert(tied(16), TOKENS, base=4, lowering="graph")
    texts = [
        body(mupfx.export(model, tmp_path / name, TOKENS, format="python").path)
        for name, model in (("eager", eager), ("graph", graph))
    ]
    assert texts[0].replace("    # head\n    mul", "    mul") == texts[1].replace(
        "    # head\n    linear_2", "    linear_2"
    )
    weights = [
        torch.load(mupfx.export(model, tmp_path / f"{name}.pt", TOKENS).path)
        for name, model in (("eager", eager), ("graph", graph))
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_it_runs_and_trains_as_the_source_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = mupfx.convert(tied(16), TOKENS, base=4)
    done = mupfx.export(model, tmp_path / "net", TOKENS, format="python")
    copy = written(done.path / "model.py")
    assert capsys.readouterr().out == "(2, 5, 11)\n"  # what its main prints
    assert copy.get_parameter("head.weight") is copy.get_parameter("embed.weight")
    for net in (model, copy):
        net(TOKENS).square().mean().backward()
    for name, parameter in model.named_parameters():
        found, wanted = copy.get_parameter(name).grad, parameter.grad
        assert found is not None
        assert wanted is not None
        assert torch.allclose(found, wanted, rtol=1e-5), name


class Several(nn.Module):
    """A buffer, inputs by keyword, a slice from the end, and an output of containers."""

    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.arange(3.0))
        self.scale = nn.Parameter(torch.ones(3))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor, *, mask: Tensor) -> dict[str, object]:
        y = self.drop(torch.where(mask, x * self.scale + self.shift, float("-inf")))
        return {"all": [y, None, (y[..., 1:].exp(), y[:, -1])], "none": None}


def test_buffers_keywords_and_containers(tmp_path: Path) -> None:
    kwargs = {"mask": torch.tensor([[True, False, True], [True, True, True]])}
    args = (torch.ones(2, 3),)
    done = mupfx.export(Several(), tmp_path / "net", args, kwargs, format="python")
    model = written(done.path / "model.py")
    assert dict(model.named_buffers()).keys() == {"shift"}
    output = model(*args, kwargs["mask"])
    wanted = Several().eval()(*args, **kwargs)
    assert output["all"][1] is None
    assert torch.equal(output["all"][0], wanted["all"][0])
    assert torch.equal(output["all"][2][1], wanted["all"][2][1])


class Named(nn.Module):
    """An input with a name that the file has for something else, a flag, and regions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, w: Tensor, double: bool = False, *, lambda_: Tensor | None = None) -> Tensor:  # noqa: FBT001, FBT002
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = self.layer(w)
        with torch.autocast("cpu", enabled=False):
            out: Tensor = self.layer(y.float())
        return out * 2 if double else out


def test_names_flags_and_regions(tmp_path: Path) -> None:
    args = (torch.ones(2, 4), True)
    done = mupfx.export(Named(), tmp_path / "net", args, format="python")
    assert done.error == 0
    assert body(done.path) == snapshot("""\
def forward(w, w_1):
    \"\"\"The whole model.\"\"\"
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=True, cache_enabled=False):
        # layer
        linear = F.linear(w_1, w["layer.weight"], w["layer.bias"])
        region = (linear,)
    # layer
    part = region[0]
    # itself
    with torch.autocast('cpu', dtype=torch.bfloat16, enabled=False, cache_enabled=False):
        to = part.to(torch.float32)
        # layer
        linear_1 = F.linear(to, w["layer.weight"], w["layer.bias"])
        region_1 = (linear_1,)
    # layer
    part_1 = region_1[0]
    # itself
    mul = part_1 * 2
    return mul\
""")


class Counting(nn.Module):
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


@pytest.mark.parametrize("form", ["pt2", "python"])
def test_what_writes_to_its_buffers_still_does(tmp_path: Path, form: str) -> None:
    source = Counting()
    done = mupfx.export(source, tmp_path / "net.pt2", torch.ones(3), format="pt2")
    assert done.calls == 2
    assert source.calls == 0  # running it to compare left no trace
    if form == "python":
        path = mupfx.export(source, tmp_path / "net", torch.ones(3), format="python").path
        model = written(path / "model.py")
    else:
        model = torch.export.load(done.path).module()
    assert [float(model(torch.ones(3))[0]) for _ in range(3)] == [1, 2, 3]


aten = torch.ops.aten


@pytest.mark.parametrize(
    ("target", "args", "kwargs", "text"),
    [
        (aten.add.Tensor, ("x", 2), {}, "x + 2"),
        (aten.add.Tensor, ("x", "y"), {"alpha": 2}, "torch.ops.aten.add.Tensor(x, y, alpha=2)"),
        (aten.view.default, ("x", [2, -1]), {}, "x.view([2, -1])"),
        (aten.slice.Tensor, ("x", 1, 0, 3), {}, "x[:, :3]"),
        (aten.slice.Tensor, ("x", -1, 2, 2**63 - 1), {}, "x[..., 2:]"),
        (aten.slice.Tensor, ("x", -2, 2, 9, 3), {}, "x[..., 2:9:3, :]"),
        (aten.select.int, ("x", 2, -1), {}, "x[:, :, -1]"),
        (aten.index.Tensor, ("x", [None, "y"]), {}, "x[:, y]"),
        (aten.gelu.default, ("x",), {"approximate": "tanh"}, "F.gelu(x, approximate='tanh')"),
        (aten.full.default, ([2], float("-inf")), {}, 'torch.full([2], float("-inf"))'),
        (
            aten.arange.default,
            (4,),
            {"device": torch.device("cpu"), "pin_memory": False},
            "torch.arange(4, device=device)",
        ),
        (aten.mul.Tensor, ("x", 0.25), {}, "x * SCALE"),
        (aten.erfinv.default, ("x",), {}, "torch.ops.aten.erfinv.default(x)"),
        (operator.floordiv, ("x", 2), {}, "x // 2"),
        (operator.neg, ("x",), {}, "-x"),
        (torch.sym_max, ("x", 2), {}, "torch.sym_max(x, 2)"),
    ],
)
def test_spelling(
    target: object, args: tuple[object, ...], kwargs: dict[str, object], text: str
) -> None:
    graph = fx.Graph()
    values = {name: graph.placeholder(name) for name in ("x", "y")}
    placed = fx.node.map_aggregate(args, lambda a: values.get(a, a) if isinstance(a, str) else a)  # type: ignore[type-var]
    node = graph.call_function(target, placed, kwargs)  # type: ignore[arg-type]
    assert expression(node, lambda n: n.name, {0.25: "SCALE"}) == text


@torch.library.custom_op("mupfx_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    return x * 2


@doubled.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Foreign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = doubled(x)
        return out


def test_ops_of_other_libraries_are_refused(tmp_path: Path) -> None:
    """They run here, where the library is, and would not where the file goes."""
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(Foreign(), tmp_path / "net", torch.ones(2, 3), format="python")
    assert str(error.value) == snapshot("""\
Python of torch alone cannot say what this graph calls
  where: doubled
  found: mupfx_tests.doubled.default
  hint: format="pt2" keeps it, for whoever has the library that it belongs to\
""")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "layer"),
    [("", ""), ("head", ""), ("h.0", "h.0"), ("a.h.11.mlp.0", "a.h.11"), ("3", "3")],
)
def test_layers(path: str, layer: str) -> None:
    assert layer_of(path) == layer
