"""The ladder of frontends: each situation is captured, by which of them, and rightly."""

import warnings

import pytest

import mupfx
from mupfx.errors import CaptureError
from mupfx.passes.capture import capture
from mupfx.passes.frontends import FRONTENDS
from mupfx.passes.frontends.values import tensors
from tests.fingerprint import fingerprint
from tests.passes.situations import SITUATIONS, Situation

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
