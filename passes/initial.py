"""The initial function, added to a mean-field net so that it starts as the default one does.

With a readout of ``1/fan_in`` the output at the start falls with width. The correction of Golikov
(arXiv:2006.06574) adds what it lacks, as a constant of training, at every last readout::

    head(h_t)  +  (ratio^1/2 - 1) * head_0(h_0)        h_0, head_0: a frozen copy of the start

The copy is kept in buffers of the first readout, so that ``state_dict``, ``deepcopy``, ``pickle``
and ``to`` carry it; it shares nothing that trains, never drops out, and runs without gradients.
"""

import copy
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.axes import Axes, ParameterRole
from mupfx.core.conversion import ATTRIBUTE
from mupfx.core.ops import packet
from mupfx.core.program import Program, source_line
from mupfx.core.reach import is_last
from mupfx.core.structure import Site
from mupfx.core.vocabulary import Role, SiteKind
from mupfx.errors import ModelError, ParametrizationError

NAME = "_mupfx_initial"
MADE = "_mupfx_made_at_first"
BATCH_NORMS = frozenset(
    {
        "aten.batch_norm", "aten.native_batch_norm", "aten._native_batch_norm_legit",
        "aten._native_batch_norm_legit_functional", "aten._native_batch_norm_legit_no_training",
        "aten._batch_norm_with_update", "aten._batch_norm_no_update", "aten.cudnn_batch_norm",
    }
)  # fmt: skip
PLAIN = (Tensor, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, slice)


def find_initial_sites(
    program: Program, axes: Axes, roles: Mapping[str, ParameterRole]
) -> tuple[Site, ...]:
    """Every last readout; its fan-in is the site's classes.

    Raises:
        ParametrizationError: There is none, one is used twice, or the model has batch norms.
    """
    _require_steady(program)
    found = tuple(_readouts(program, axes, roles))
    names = [site.parameter for site in found]
    twice = next((site for site in found if names.count(site.parameter) > 1), None)
    if twice is not None or not found:
        raise ParametrizationError(
            "the initial function is added where one last readout makes the output",
            where=twice.parameter if twice else None,
            found="a readout that is used twice" if twice else "no readout that ends the model",
        )
    return found


def _readouts(program: Program, axes: Axes, roles: Mapping[str, ParameterRole]) -> Iterator[Site]:
    nodes = {node.name: node for node in program.graph.nodes}
    layers = frozenset(use.node for use in axes.uses if use.fan_in)
    for name, role in roles.items():
        for kind, use in role.uses:
            if kind is Role.OUTPUT and is_last(nodes[use.node], layers):
                yield Site(
                    name=f"{SiteKind.INITIAL}:{name}",
                    kind=SiteKind.INITIAL,
                    node=use.node,
                    operands=(),
                    classes=tuple(c for d in use.fan_in for c in axes.parameters[name][d]),
                    scale=1.0,
                    base_scale=None,
                    where=source_line(nodes[use.node]),
                    parameter=name,
                )


def _require_steady(program: Program) -> None:
    found = next((n for n in program.graph.nodes if str(packet(n)) in BATCH_NORMS), None)
    if found is not None:
        raise ParametrizationError(
            "the initial function of a model with batch norm is no function of its input",
            where=source_line(found) or found.name,
            found="its statistics: of the batch while training, and later running ones that the "
            "start never had",
            hint="use another norm, or 'mean_field' without the initial function",
        )


@dataclass(frozen=True)
class RunInitial:
    """Before the model runs: what the readouts of its start make of the same inputs."""

    readouts: tuple[str, ...]

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The hook: called by the model before its forward."""
        _require_plain((args, kwargs))
        first = getattr(module.get_submodule(self.readouts[0]), NAME)
        for path, made in zip(self.readouts, first(*args, **kwargs), strict=True):
            module.get_submodule(path).__dict__[MADE] = made


@dataclass(frozen=True)
class AddInitial:
    """After a readout ran: add what its start made, times a constant."""

    weight: float

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """The hook: called by the readout after its forward."""
        del args
        made = module.__dict__.pop(MADE, None)
        if made is None:
            raise ModelError(
                "a readout with an initial function runs once in every call of its model",
                found="it was called by itself, or twice",
                hint="call the model, not its forward or its parts",
            )
        corrected: Tensor = output + self.weight * made
        return corrected


@dataclass(frozen=True)
class KeepMade:
    """In the frozen copy: keep what a readout makes."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        """The hook: called by the readout after its forward."""
        del args
        module.__dict__[MADE] = output


class InitialFunction(nn.Module):
    """A model as it started, its values in buffers."""

    def __init__(self, model: nn.Module, readouts: Sequence[str]) -> None:
        super().__init__()
        self.model, self.readouts = model, tuple(readouts)

    def train(self, mode: bool = True) -> "InitialFunction":  # noqa: FBT001, FBT002 - torch's own
        """Stay as it is: nothing here drops out."""
        del mode
        return self

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """What each readout makes."""
        with torch.no_grad():
            self.model(*args, **kwargs)
        places = [self.model.get_submodule(path).__dict__ for path in self.readouts]
        return tuple(place.pop(MADE) for place in places)


def attach_initial(model: nn.Module, weights: Mapping[str, float], biases: Collection[str]) -> None:
    """Keep a frozen copy of the model as it is now, and add what it makes from now on.

    Args:
        model: With its final starting values.
        weights: What the start is multiplied by, for the path of every readout.
        biases: Parameters that are no part of it: those of the readouts.
    """
    if not weights:
        return
    readouts = tuple(weights)
    kept = InitialFunction(_frozen(model, biases), readouts)
    for path in readouts:
        kept.model.get_submodule(path).register_forward_hook(KeepMade())
        model.get_submodule(path).register_forward_hook(AddInitial(weights[path]))
    model.get_submodule(readouts[0]).add_module(NAME, kept)
    model.register_forward_pre_hook(RunInitial(readouts), with_kwargs=True)


def renew_initial(model: nn.Module, first: str, biases: Collection[str]) -> None:
    """Take the frozen copy again: the model has other starting values.

    Args:
        model: With its final starting values.
        first: The path of the readout that holds the copy.
        biases: As for ``attach_initial``.
    """
    kept = dict(getattr(model.get_submodule(first), NAME).model.named_buffers())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kept[name].copy_(parameter)
        for name in biases:
            kept[name].zero_()


def _frozen(model: nn.Module, zeroed: Collection[str]) -> nn.Module:
    """A copy that never trains: parameters become buffers, ties stay."""
    frozen = copy.deepcopy(model).eval()
    frozen.__dict__.pop(ATTRIBUTE, None)
    with torch.no_grad():
        for name in zeroed:
            frozen.get_parameter(name).zero_()
    shared: dict[int, Tensor] = {}
    for module in frozen.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            del module._parameters[name]
            module.register_buffer(name, shared.setdefault(id(parameter), parameter.detach()))
    return frozen


def _require_plain(value: object) -> None:
    """Refuse what a model may write to, such as a cache: the frozen copy would write to it too."""
    if isinstance(value, PLAIN):
        return
    if isinstance(value, list | tuple | Mapping):
        for inner in value.values() if isinstance(value, Mapping) else value:
            _require_plain(inner)
        return
    raise ModelError(
        f"an argument of type {type(value).__name__} would be used by the model and by its frozen "
        "start",
        expected="tensors and numbers, in lists, tuples and dicts",
        hint="of a cache: use_cache=False",
    )
