"""Which family an optimizer class belongs to."""

import pytest
import torch
from inline_snapshot import snapshot

from mupfx.core.optimizer_family import Scaling
from mupfx.errors import OptimizerError
from mupfx.tables.optimizers import CLASSES, DECOUPLED, FAMILIES, family_of


class OwnAdamW(torch.optim.AdamW):
    """A user's subclass."""


class Adam:
    """Of the same name, but another class."""


@pytest.mark.parametrize(
    ("optimizer_class", "arguments", "name"),
    [
        (torch.optim.SGD, {"momentum": 0.9}, "sgd"),
        (torch.optim.Adam, {}, "adam"),
        (torch.optim.Adam, {"weight_decay": 0.1}, "adam"),
        (torch.optim.Adam, {"decoupled_weight_decay": False}, "adam"),
        (torch.optim.Adam, {"decoupled_weight_decay": True}, "adamw"),
        (torch.optim.AdamW, {}, "adamw"),
        (OwnAdamW, {}, "adamw"),
    ],
)
def test_family(optimizer_class: type, arguments: dict[str, object], name: str) -> None:
    assert family_of(optimizer_class, arguments).name == name


def test_a_family_can_be_named_for_an_unlisted_class() -> None:
    assert family_of(Adam, {}, "adam").name == "adam"
    assert family_of(torch.optim.RMSprop, {}, "adam").name == "adam"


def test_an_unlisted_class_is_not_guessed() -> None:
    with pytest.raises(OptimizerError) as caught:
        family_of(torch.optim.LBFGS, {})
    assert str(caught.value) == snapshot("""\
how this optimizer scales is not known
  expected: SGD, Adam, AdamW, or a subclass of one
  found: torch.optim.lbfgs.LBFGS
  hint: name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd"\
""")
    with pytest.raises(OptimizerError):
        family_of(Adam, {})


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(OptimizerError) as caught:
        family_of(torch.optim.LBFGS, {}, "newton")
    assert str(caught.value) == snapshot("""\
no optimizer family of this name
  expected: 'sgd', 'adam', 'adamw'
  found: 'newton'\
""")


def test_the_rows_fit_together() -> None:
    assert set(CLASSES.values()) | set(DECOUPLED) | set(DECOUPLED.values()) == set(FAMILIES)
    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.source
        assert (family.eps is Scaling.NONE) == (family.gauge_eps == 0)
        if family.weight_decay is Scaling.INVERSE_LR:
            assert family.gauge_weight_decay == -family.gauge_lr


@pytest.mark.parametrize("path", CLASSES)
def test_listed_classes_exist(path: str) -> None:
    module, _, name = path.rpartition(".")
    found = getattr(torch.optim, name)
    assert (found.__module__, found.__qualname__) == (module, name)
