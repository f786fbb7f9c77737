"""Run a factory, and record how every parameter's values came to be.

With values, nothing of the run changes: numbers, generators and devices are as they would be.
Without, large tensors have no memory, and the module that comes back is on the meta device, but
for buffers that are one number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mupfx.core.drawn import Drawn, Shape, same_law, unknown
from mupfx.errors import InitError
from mupfx.passes.laws.absent import Disguise, Limits, lost, run
from mupfx.passes.laws.agree import agrees
from mupfx.passes.laws.frames import Asked, asked
from mupfx.passes.laws.ops import Call, flat_tensors, law_of
from mupfx.passes.laws.stores import Stores, joined, one_storage, values_of


class NoModuleError(InitError):
    """A factory returned something else."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A model, and how each of its parameters was drawn."""

    model: nn.Module
    laws: Mapping[str, Drawn]
    """By every name; of tied parameters it is the same."""
    buffers: Mapping[str, Drawn] = field(default_factory=dict)
    """Likewise; without memory only."""
    values: Mapping[str, Tensor] = field(default_factory=dict)
    """Without memory: numbers of parameters and buffers that are known."""


def record(factory: Callable[[], object]) -> Recorded:
    """Call a factory as it is, and write down the laws beside.

    Raises:
        InitError: It makes no module.
    """
    recorder = _Recorder(None)
    with recorder:
        model = factory()
    model = _module(model)
    return Recorded(model, _laws(model, recorder.stores))


def record_shapes(factory: Callable[[], object], seed: int = 0) -> Recorded:
    """Call a factory without memory for what it draws; the module is moved to the meta device.

    Args:
        factory: Takes no arguments.
        seed: For the few small tensors that are drawn all the same.

    Raises:
        InitError: It makes no module, or needs to see values.
    """
    model, stores = _run_without(factory, Limits(), seed)
    if any(_computed(tensor, stores) for tensor in (*model.parameters(), *model.buffers())):
        model, stores = _run_without(factory, Limits(constant=inf), seed)
    return _without_memory(model, stores)


def _computed(tensor: Tensor, stores: Stores) -> bool:
    """Whether numbers are lost that were computed of constants which had no memory."""
    return lost(tensor, stores) and stores.read(tensor).shape is Shape.GIVEN


def _run_without(
    factory: Callable[[], object], limits: Limits, seed: int
) -> tuple[nn.Module, Stores]:
    recorder = _Recorder(limits)
    disguise = Disguise(recorder.stores, recorder.told)
    with torch.random.fork_rng(devices=[]), recorder, disguise:
        torch.manual_seed(seed)
        return _module(_called(factory)), recorder.stores


def _called(factory: Callable[[], object]) -> object:
    try:
        return factory()
    except (RuntimeError, NotImplementedError) as error:
        if "meta" not in str(error):
            raise
        raise InitError(
            "the factory looks at values that it has drawn, which are not there yet",
            found=str(error).splitlines()[0],
            hint="build the model as usual and convert it: mupfx.convert(model, ...)",
        ) from error


def _without_memory(model: nn.Module, stores: Stores) -> Recorded:
    laws = _laws(model, stores)
    buffers = {name: _final(buffer, stores) for name, buffer in model.named_buffers()}
    named = [*model.named_parameters(), *model.named_buffers()]
    held = {name: values_of(tensor, stores) for name, tensor in named}
    values = {name: tensor for name, tensor in held.items() if tensor is not None}
    _to_meta(model)
    return Recorded(model, laws, buffers, values)


def _to_meta(model: nn.Module) -> None:
    """Every parameter and buffer to the meta device; what is one object stays one.

    But for numbers, which any device takes as they are: a factor of the forward pass has to be
    seen by who analyses it.
    """
    moved: dict[int, Tensor | None] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and not parameter.is_meta:
                if id(parameter) not in moved:
                    there = type(parameter)(parameter.detach().to("meta"), parameter.requires_grad)
                    there.__dict__.update(parameter.__dict__)
                    moved[id(parameter)] = there
                module._parameters[name] = moved[id(parameter)]  # type: ignore[assignment]
        for name, buffer in module._buffers.items():
            if buffer is not None and not _is_number(buffer):
                module._buffers[name] = moved.setdefault(id(buffer), buffer.to("meta"))


def _is_number(buffer: Tensor) -> bool:
    return buffer.dim() == 0 and buffer.is_floating_point() and not buffer.is_meta


def _module(model: object) -> nn.Module:
    if isinstance(model, nn.Module):
        return model
    raise NoModuleError(
        "the factory returned no module", expected="torch.nn.Module", found=str(type(model))
    )


def _laws(model: nn.Module, stores: Stores) -> dict[str, Drawn]:
    by_tensor: dict[int, Drawn] = {}
    first: dict[tuple[int, Any], str] = {}
    laws: dict[str, Drawn] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) not in by_tensor:
            law = _final(parameter, stores)
            event = stores.event(parameter)
            if event is not None and law.known and law.scale:
                twin = first.setdefault((event, tuple(parameter.shape)), name)
                if twin != name and same_law(laws[twin], law):
                    law = replace(law, like=twin)
            by_tensor[id(parameter)] = law
        laws[name] = by_tensor[id(parameter)]
    return laws


def _final(tensor: Tensor, stores: Stores) -> Drawn:
    """What is known in the end: given numbers that are all the same are a constant."""
    law = joined(stores.read(tensor), tensor.numel())
    if not tensor.is_floating_point() and law.shape is not Shape.CONSTANT and law.known:
        return unknown(f"{law.shape} values as {tensor.dtype}", law)
    held = values_of(tensor, stores)
    if held is None or law.parts or not held.numel() or held.is_complex():
        return law
    if law.known:
        return law if agrees(law, held) else unknown("changed by other means than torch's", law)
    if law.shape is not Shape.GIVEN or held.layout is not torch.strided:
        return law
    low, high = held.aminmax()
    if low == high:
        return replace(law, shape=Shape.CONSTANT, location=float(low))
    return law


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, runs it, and follows the laws of what it makes and changes."""

    def __init__(self, limits: Limits | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stores = Stores()
        self.limits = limits
        """None: with values."""

    def told(self, tensor: Tensor) -> None:
        """A function of ``torch.nn.init`` is about to do nothing, as it is for shapes alone."""
        stack = asked()
        if stack.law is not None and stack.tensor is tensor:
            law = replace(stack.law, function=stack.function, source=stack.source)
            self.stores.write(tensor, law)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        call = _call(func, args, kwargs, self.stores)
        written = _written(func, call)
        before = None if _only_views(func) else law_of(call)
        if self.limits is None:
            out = func(*args, **kwargs)
        else:
            out = run(func, args, kwargs, call, written, self.limits)
        if before is not None:
            self._follow(call, written, before, out)
        return out

    def _follow(self, call: Call, written: list[Tensor], law: Drawn, out: Any) -> None:
        """Write down what an operation changed, or made afresh."""
        made = [] if written else list(flat_tensors(out))
        inputs = {id(t) for t in call.tensors()}
        made = [t for t in made if id(t) not in inputs and not _shares(t, call)]
        if not written and not made:
            return
        stack = asked()
        law = _signed(law, call, stack)
        for tensor in written:
            whole = stack.tensor
            if stack.law is not None and whole is not None and one_storage(tensor, whole):
                self.stores.write(whole, _signed(stack.law, call, stack))
            else:
                self._write(tensor, law, call)
        for tensor in made:
            if _on_meta(call.given.get("device")):
                self.stores.strip(tensor)
            else:
                self._write(tensor, law, call)

    def _write(self, tensor: Tensor, law: Drawn, call: Call) -> None:
        """A copy, or a law of another that is all of one draw, is still that draw."""
        source = call.given.get("src", call.given.get("self"))
        event = self.stores.event(source) if isinstance(source, Tensor) and _kept(call) else None
        self.stores.write(tensor, law, event)


KEPT = frozenset({"clone", "_to_copy", "copy", "mul", "div", "add", "sub", "neg", "lift_fresh"})


def _kept(call: Call) -> bool:
    return call.name in KEPT


def _on_meta(device: object) -> bool:
    return isinstance(device, torch.device) and device.type == "meta"


def _signed(law: Drawn, call: Call, stack: Asked) -> Drawn:
    """With the function that was asked for and the user's line, where it was drawn."""
    if law.source:
        return law
    function = stack.function or call.name
    parts = tuple((box, _signed(part, call, stack)) for box, part in law.parts)
    return replace(law, function=function, source=stack.source, parts=parts)


def _call(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], stores: Stores) -> Call:
    schema = func._schema
    names = [argument.name for argument in schema.arguments]
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    name = str(schema.name).split("::")[-1]
    random = torch.Tag.nondeterministic_seeded in func.tags
    return Call(_plain(name), given, stores, random)


def _plain(name: str) -> str:
    return name.removesuffix("_") if not name.endswith("__") else name


def _written(func: Any, call: Call) -> list[Tensor]:
    """Arguments that the operation changes."""
    return [
        tensor
        for argument in func._schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write
        for tensor in flat_tensors(call.given.get(argument.name))
    ]


def _only_views(func: Any) -> bool:
    """Whether it makes no numbers; ``set_`` gives a tensor another's memory."""
    return bool(getattr(func, "is_view", False)) or func._schema.name == "aten::set_"


def _shares(tensor: Tensor, call: Call) -> bool:
    return any(one_storage(tensor, other) for other in call.tensors())
