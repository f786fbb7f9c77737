"""The same model through every frontend: the same axes, fans and roles."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from mupfx.core.vocabulary import Kind
from mupfx.passes.align import align
from mupfx.passes.axes import infer_axes
from mupfx.passes.capture import capture
from mupfx.passes.normalize import normalize
from mupfx.passes.roles import assign_roles
from tests.zoo.models import encoder, gpt, hugging_face, resnet, small

Answer = dict[str, tuple[Any, ...]]

MODELS: dict[str, Callable[[int], Any]] = {
    "two towers": small.two_towers,
    "autoencoder": small.autoencoder,
    "einsum": small.einsum_transformer,
    "lstm": small.lstm,
    "gpt": gpt.gpt,
    "encoder": encoder.encoder,
    "resnet": resnet.resnet50,
    "llama": hugging_face.llama,
    "mixtral": hugging_face.mixtral,
}
FRONTENDS = ("export", "make_fx", "recorder")


class Differentiating(nn.Module):
    """A model that also takes a gradient inside, so that its ops come after autograd."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.beside = nn.Parameter(torch.ones(()))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        (slope,) = torch.autograd.grad(self.beside * 2, self.beside)
        return self.model(*args, **kwargs), slope


def answer(frontend: str, build: Callable[[int], Any], *, base: bool, taken: Any = None) -> Answer:
    """What is found of every parameter, by name."""
    programs = []
    for scale in (2, 1):
        model, args, kwargs = build(scale)
        model = model if taken is None else taken(model)
        programs.append(normalize(capture(model, args, kwargs, frontends=(frontend,))))
    program, beside = programs
    axes = infer_axes(program, twins=align(program, beside) if base else None)
    roles = assign_roles(program, axes)

    def is_width(name: str) -> bool:
        return axes.classes[name].kind is Kind.WIDTH

    found = {}
    for name, role in roles.items():
        wide = [i for i, dim in enumerate(role.axes) if any(map(is_width, dim))]
        fans = [[i for i in fan if i in wide] for fan in (role.fan_in, role.fan_out)]
        key = name if taken is None else name.removeprefix("model.")
        found[key] = wide, str(role.role), fans
    return found


@pytest.mark.parametrize("base", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_frontends_agree(name: str, base: bool) -> None:  # noqa: FBT001
    first, *others = (answer(f, MODELS[name], base=base) for f in FRONTENDS)
    assert first
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", MODELS)
def test_decomposed_ops_say_the_same(name: str) -> None:
    whole = answer("recorder", MODELS[name], base=True)
    apart = answer("recorder", MODELS[name], base=True, taken=Differentiating)
    apart.pop("beside", None)
    assert apart == whole
