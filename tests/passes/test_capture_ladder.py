"""The ladder of frontends: each situation is captured, by which of them, and rightly."""

import warnings
import weakref

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import mupfx
from mupfx.core.program import module_of, source_line
from mupfx.errors import CaptureError
from mupfx.passes.capture import capture
from mupfx.passes.frontends import FRONTENDS
from mupfx.passes.frontends.values import tensors
from mupfx.passes.normalize import normalize
from tests.fingerprint import fingerprint
from tests.passes.situations import SITUATIONS, Bare, Net, Situation, ends, plain, x

Tensor = torch.Tensor

TAKEN_BY = {
    "export after a run": {
        "a branch on a value",
        "a loop as long as a value",
        "an early stop",
        "a decoder with a mask",
    },
    "export": {
        "an input written to",
        "a loop over rows",
        "a batch norm in training",
        "recursion",
        "a checkpoint, reentrant",
        "a checkpoint",
        "no_grad and autocast",
        "nested inputs and keywords",
        "a dataclass as output",
        "a named tuple as output",
        "an output of an unknown kind",
        "a cache in the output",
        "a packed sequence as output",
        "a loss",
        "set_",
        "an autograd function",
        "a custom op",
        "in place, on views and buffers",
        "noise, lists and counters",
        "data parallel",
        "compiled",
        "compiled inside",
        "traced",
    },
    "make_fx": {
        "experts over where",
        "an input of an unknown kind",
        "a dataclass as input",
        "a mapping as input",
        ".data",
        "autograd.grad inside",
        "func.grad inside",
        "vmap",
        "associative_scan",
        "a module moved inside",
        "scripted",
    },
    "recorder": {
        "backward inside",
        "numpy reads a value",
        "numpy and back",
        "numpy reshapes",
        "a packed sequence",
        "cond",
        "while_loop",
        "scan",
        "flex_attention",
    },
}
"""Situations by the frontend that is the first to manage."""


def built(name: str) -> Situation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; its modules are still about
        return SITUATIONS[name]()


@pytest.mark.parametrize("name", SITUATIONS)
def test_frontend_and_roles(name: str) -> None:
    model, args, kwargs = built(name)
    found = mupfx.analyze(model, args, kwargs)
    assert name in TAKEN_BY[found.program.frontend]
    roles = {n.removeprefix("module.").replace("_orig_mod.", ""): r for n, r in found.roles.items()}
    assert {n: str(roles[n].role) for n in ("a.weight", "b.weight", "c.weight")} == {
        "a.weight": "input", "b.weight": "hidden", "c.weight": "output",
    }  # fmt: skip
    assert set(found.roles) <= {n for n, _ in model.named_parameters()}
    assert not found.axes.conflicts


def values(*inputs: object) -> list[list[float]]:
    return [tensor.flatten().tolist() for tensor in tensors(inputs)]


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_frontend_changes_the_model(name: str) -> None:
    model, args, kwargs = built(name)
    before = fingerprint(model), values(args, kwargs)
    for frontend in FRONTENDS:
        try:
            capture(model, args, kwargs, frontends=(frontend,))
        except CaptureError:
            continue
        finally:
            assert (fingerprint(model), values(args, kwargs)) == before, frontend


def test_the_recorder_takes_everything() -> None:
    taken = {}
    for name in SITUATIONS:
        model, args, kwargs = built(name)
        taken[name] = capture(model, args, kwargs, frontends=("recorder",)).frontend
    assert set(taken.values()) == {"recorder"}


def test_numbers_from_outside_are_told() -> None:
    def way(m: Net, x: Tensor) -> Tensor:
        h = m.a(x).detach().numpy()
        return ends(m, torch.from_numpy(h * 2))

    found = mupfx.analyze(Net(way), x())
    (told,) = [text for text in found.findings if "constants" in text]
    assert told.endswith("return ends(m, torch.from_numpy(h * 2))")
    assert not mupfx.analyze(*built("numpy and back")[:2]).program.outside


def test_the_recorder_keeps_no_activation() -> None:
    gone: list[bool] = []

    def way(m: Net, x: Tensor) -> Tensor:
        h = m.a(x)
        first = weakref.ref(h)
        h = torch.tanh(m.b(h))
        gone.append(first() is None)
        out: Tensor = m.c(h)
        return out

    capture(Net(way), (x(),), {}, frontends=("recorder",))
    assert gone == [True]


@pytest.mark.parametrize("frontend", FRONTENDS)
def test_nodes_name_the_users_modules_and_lines(frontend: str) -> None:
    if frontend == "export after a run":
        return
    program = normalize(capture(Bare(), (x(),), {}, frontends=(frontend,)))
    layers = [node for node in program.graph.nodes if node.target is torch.ops.aten.linear.default]
    assert [module_of(node) for node in layers] == ["a", "b", "c"]
    (line,) = {source_line(node) for node in layers}
    assert line.startswith("situations.py:")
    assert line.endswith("out: Tensor = self.c(torch.tanh(self.b(self.a(x))))")


def test_on_meta_every_frontend_works_without_values() -> None:
    model, inputs = Net(plain).to("meta"), x()
    for frontend in ("export", "make_fx", "recorder"):
        found = capture(model, (inputs,), {}, frontends=(frontend,))
        assert found.unreached == ()


def test_under_a_fake_mode() -> None:
    with FakeTensorMode():
        model, inputs = Net(plain), x()
        found = capture(model, (inputs,), {})
    assert found.unreached == ()


def test_what_each_frontend_stopped_at_is_kept() -> None:
    model, args, kwargs = built("a packed sequence")
    assert list(capture(model, args, kwargs).refused) == ["export", "export after a run", "make_fx"]


def test_a_model_that_returns_a_number() -> None:
    with pytest.raises(CaptureError, match="returns no tensor"):
        capture(Net(lambda m, x: plain(m, x).sum().item()), (x(),), {})


def test_names_are_those_of_the_wrapper() -> None:
    model, args, _ = built("data parallel")
    assert "module.a.weight" in mupfx.analyze(model, args).roles
    model, args, _ = built("compiled")
    assert "_orig_mod.a.weight" in mupfx.analyze(model, args).roles


def test_a_base_is_captured_in_the_same_way() -> None:
    """The base alone could be exported: it never asks for the value."""

    def way(m: Net, x: Tensor) -> Tensor:
        far = x.sum() > 1e9
        if m.a.out_features > 8 and far:
            raise ValueError
        return plain(m, x)

    for widths, frontend in (((16, 8), "export after a run"), ((8, 16), "export")):
        model, base = (Net(way, width) for width in widths)
        found = mupfx.analyze(model, x(), base=base)
        assert found.program.frontend == frontend
        assert found.ratios is not None


def test_a_base_that_needs_the_recorder_takes_the_model_along() -> None:
    def way(m: Net, x: Tensor) -> Tensor:
        h = m.a(x)
        scale = float(h.detach().numpy().std()) if m.a.out_features < 16 else float("nan")
        return ends(m, h * (scale if scale == scale else 1.0))  # noqa: PLR0124

    found = mupfx.analyze(Net(way, 16), x(), base=Net(way, 8))
    assert found.program.frontend == "recorder"
    assert found.ratios is not None
