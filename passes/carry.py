"""Carry a multiplier between a stored parameter and whatever reads it.

The module that owns the parameter hands it out multiplied; its ``state_dict``, its parameters and
the optimizer see the stored one::

    linear.weight  ->  0.25 * linear._parameters["weight"]

It is a property on a subclass of the module's class, made for the purpose and of the same name, as
``torch.nn.utils.parametrize`` does it, but for the names in the ``state_dict``, which stay.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from torch import Tensor, nn

from mupfx.core.conversion import MULTIPLIERS
from mupfx.errors import LoweringError

_ORIGINAL = "_mupfx_original"


def require_carriers(model: nn.Module, names: Mapping[str, object]) -> None:
    """Refuse parameters that a module keeps in a list of its own beside the attribute.

    Raises:
        LoweringError: There is one, or a name is no parameter's.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in names:
        if name not in parameters:
            raise LoweringError(f"the model has no parameter `{name}`", where=name)
        for module, own in owners(model, parameters[name]):
            if own == "weight" and getattr(module, "max_norm", None) is not None:
                raise LoweringError(
                    "a looked-up row is cut to a length in place, and that is of stored values",
                    where=name,
                    found=f"{type(module).__name__} with max_norm={module.max_norm}",
                    hint="leave it in the gauge it is in",
                )
            if held := _held(module, parameters[name]):
                raise LoweringError(
                    "nothing can multiply this parameter on its way to what reads it",
                    where=name,
                    found=f"{type(module).__name__} also keeps it in `{held}`, and reads it there",
                    hint="leave it in the gauge it is in",
                )


def carry(model: nn.Module, parameter: Tensor, growth: float) -> None:
    """Multiply what is read of a parameter, by every module that owns it, further by ``growth``."""
    for module, name in owners(model, parameter):
        multipliers = dict(module.__dict__.get(MULTIPLIERS, {}))
        multipliers[name] = multipliers.get(name, 1.0) * growth
        multipliers = {key: value for key, value in multipliers.items() if value != 1.0}
        original = vars(type(module)).get(_ORIGINAL, type(module))
        if multipliers:
            module.__dict__[MULTIPLIERS] = multipliers
            module.__class__ = _carrier(original, frozenset(multipliers))
        else:
            module.__dict__.pop(MULTIPLIERS, None)
            module.__class__ = original


def carried(model: nn.Module) -> Iterator[tuple[nn.Module, str, float]]:
    """Every multiplier that is carried: module, its own name for the parameter, and the number."""
    for module in model.modules():
        for name, value in module.__dict__.get(MULTIPLIERS, {}).items():
            yield module, name, value


def drop_carriers(model: nn.Module) -> None:
    """Hand out every parameter as it is stored."""
    for module in model.modules():
        if module.__dict__.pop(MULTIPLIERS, None) is not None:
            module.__class__ = vars(type(module)).get(_ORIGINAL, type(module))


def owners(model: nn.Module, parameter: Tensor) -> Iterator[tuple[nn.Module, str]]:
    """Modules that have the parameter for their own, and its name there."""
    for module in model.modules():
        for name, value in module._parameters.items():
            if value is parameter:
                yield module, name


def _held(module: nn.Module, parameter: Tensor) -> str | None:
    for name, value in vars(module).items():
        inside = value.values() if isinstance(value, Mapping) else value
        if name == "_parameters" or not isinstance(value, list | tuple | Mapping):
            continue
        if any(entry is parameter for entry in inside):
            return name
    return None


@cache
def _carrier(original: Any, names: frozenset[str]) -> type[nn.Module]:
    """The subclass that hands out some parameters multiplied."""
    body: dict[str, Any] = {
        "__module__": original.__module__,
        "__qualname__": original.__qualname__,
        "__doc__": original.__doc__,
        "__reduce_ex__": _reduce,
        _ORIGINAL: original,
        **{name: property(_reader(name)) for name in names},
    }
    return type(original.__name__, (original,), body)


def _reader(name: str) -> Any:
    def read(module: nn.Module) -> Tensor | None:
        stored = module._parameters.get(name)
        if stored is None:
            return None
        return stored * float(module.__dict__[MULTIPLIERS][name])

    return read


def _reduce(module: nn.Module, protocol: object) -> tuple[Any, ...]:
    """Pickled as the original class, which is put in its place again afterwards."""
    del protocol
    original = vars(type(module))[_ORIGINAL]
    names = frozenset(module.__dict__[MULTIPLIERS])
    return _empty, (original, names), module.__getstate__()  # type: ignore[no-untyped-call]


def _empty(original: Any, names: frozenset[str]) -> nn.Module:
    made = _carrier(original, names)
    empty: nn.Module = made.__new__(made)
    return empty
