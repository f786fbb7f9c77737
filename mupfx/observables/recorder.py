"""What training changed of every product of a parameter and data, seen while a model runs.

A dispatch mode watches the ops of one forward pass, of any model, whatever modules it is made of.
What is made of parameters alone is made of their old values too; where it first meets data, in
``out = op(x, W)``, the same op runs on the old value, and ``out - op(x, W_0)`` is the update::

    recorder = Recorder(kept, data=[x])
    with recorder:
        loss = model(x).sum()
    recorder.seen()  ->  {Use("head.weight", 0, "addmm"): Seen(0.031, contracted=256)}
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from mupfx.core.run import Seen, Use
from mupfx.observables.kept import Kept, Key, at_the_place_of, copied, key_of
from mupfx.observables.uses import (
    ADDED,
    CONSTANT,
    COPIES,
    SELECTIONS,
    SUMS,
    Args,
    Kwargs,
    contracted,
    factor_of_added,
    outputs_of,
    squares,
    tensors_of,
    written,
)

Storages = dict[str, torch.UntypedStorage]
"""Old values by the parameters of which alone they are old."""


@dataclass(slots=True)
class Made:
    """A storage that was made of parameters alone, and its old values."""

    old: Storages
    alive: Tensor
    """Held, so that nothing else is stored there."""
    plain: bool
    """One parameter, entry by entry."""


@dataclass(slots=True)
class _Total:
    """Over the uses of a parameter that are alike."""

    contracted: int | None
    count: int = 0
    squares: list[Tensor] = field(default_factory=list)
    random: list[Tensor | None] = field(default_factory=list)
    beside: list[Tensor] = field(default_factory=list)

    def add(
        self, value: Tensor, factor: float, random: Tensor | None, beside: Tensor | None
    ) -> None:
        self.squares.append((_norm(value) * factor).square())
        self.random.append(None if random is None else random * value.numel())
        self.count += value.numel()
        if beside is not None:
            self.beside.append(_norm(beside).square() / max(1, beside.numel()))

    def seen(self) -> Seen:
        mean = float(torch.stack(self.squares).sum()) / self.count
        known = [value.to(self.squares[0]) for value in self.random if value is not None]
        coherent = None
        if len(known) == len(self.random):
            rest = mean - float(torch.stack(known).sum()) / self.count
            coherent = math.sqrt(max(rest, 0.0))
        beside = math.sqrt(float(torch.stack(self.beside).mean())) if self.beside else None
        return Seen(math.sqrt(mean), self.contracted, coherent, beside)


Signature = tuple[str, str, int, tuple[int, ...]]
"""Parameter, op, argument, and the order of the argument's dimensions in memory."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches one forward pass.

    Args:
        kept: The old values.
        data: The tensors that a batch consists of. Without any, all that is neither made of
            parameters nor a buffer counts as data.
        start: Compare with zero instead of the old values: how large ``W x`` itself is.
        means: Take the mean of ``|x|`` after every op as well.
    """

    def __init__(
        self, kept: Kept, data: Iterable[Tensor], *, start: bool = False, means: bool = False
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._roots, self._buffers = kept.roots(), kept.buffers()
        self._data = {key_of(t) for t in data} - {None} - self._roots.keys() - self._buffers
        self._any = not self._data
        self._start = start
        self._made: dict[Key, Made] = {}
        self._picked: dict[Key, Made] = {}
        self._totals: dict[Signature, _Total] = {}
        self._means: dict[str, Tensor] | None = {} if means else None
        self.unwatched: dict[str, str] = {}

    def add_data(self, tensors: Iterable[Tensor]) -> None:
        """Tensors that turned out to be data, such as what a model is called with."""
        found = {key_of(t) for t in tensors} - {None} - self._roots.keys() - self._made.keys()
        self._data |= found
        self._any = self._any and not found

    def seen(self) -> dict[Use, Seen]:
        """The statistic of every use, in the order of the forward pass."""
        numbers: dict[str, int] = {}
        found = {}
        for (name, op, _, _), total in self._totals.items():
            number = numbers.get(name, 0)
            numbers[name] = number + 1
            found[Use(name, number, op)] = total.seen()
        return found

    def means(self) -> dict[str, float]:
        """Mean of ``|x|`` after every op."""
        return {name: float(value) for name, value in (self._means or {}).items()}

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Args = (), kwargs: Kwargs | None = None
    ) -> Any:
        """Run an op, and what has to be run beside it."""
        given = kwargs or {}
        tensors = list(tensors_of(args, given))
        targets = written(func, args, given)
        sources = self._sources(func, tensors)
        if not sources or any(key_of(t) in self._roots for t in targets):
            out = func(*args, **given)
        elif self._meets_data(tensors):
            out = self._use(_Call(func, args, given, tensors, targets), sources)
        else:
            return self._make(_Call(func, args, given, tensors, targets), sources)
        self._follow(func, tensors, [*outputs_of(out), *targets])
        return out

    def _sources(self, func: OpOverload, tensors: list[tuple[int, Tensor]]) -> dict[str, None]:
        """Parameters behind an op's arguments; if none, what data picked of some, to be summed."""
        found: list[str] = []
        for _, tensor in tensors:
            key = key_of(tensor)
            if key in self._roots:
                found.append(self._roots[key].names(tensor))
            elif key in self._made:
                found += self._made[key].old
        if not found and (func in SUMS or func in COPIES):
            picked = (self._picked.get(key_of(tensor) or 0) for _, tensor in tensors)
            found = [name for made in picked if made for name in made.old]
        return dict.fromkeys(found)

    def _meets_data(self, tensors: list[tuple[int, Tensor]]) -> bool:
        return any(self._is_data(tensor) for _, tensor in tensors)

    def _is_data(self, tensor: Tensor) -> bool:
        key = key_of(tensor)
        if key is None or key in self._data:
            return True
        known = key in self._roots or key in self._made or key in self._buffers
        return self._any and not known

    def _follow(
        self, func: OpOverload, tensors: list[tuple[int, Tensor]], outputs: list[Tensor]
    ) -> None:
        """What comes of data is data."""
        data = func not in CONSTANT and self._meets_data(tensors)
        known = self._roots.keys() | self._made.keys()
        for output in outputs:
            key = key_of(output)
            if key is None or key in known:
                continue
            if data:
                self._data.add(key)
            else:
                self._fresh(key, tensors)
        if data and self._means is not None:
            self._take_means(func, outputs)

    def _fresh(self, key: Key, tensors: list[tuple[int, Tensor]]) -> None:
        """A storage that is used again for something else."""
        if not any(key_of(tensor) == key for _, tensor in tensors):
            self._data.discard(key)
            self._picked.pop(key, None)

    def _take_means(self, func: OpOverload, outputs: list[Tensor]) -> None:
        name = func.overloadpacket.__name__
        for output in outputs[:1]:
            if self._means is not None and output.is_floating_point():
                self._means[f"{len(self._means)}:{name}"] = output.detach().abs().mean()

    # ------------------------------------------------------------------ made of parameters alone

    def _make(self, call: "_Call", sources: Mapping[str, None]) -> Any:
        """Do to the old values what is done to the new ones."""
        if call.is_view:
            return call.run()
        for target in call.targets:
            self._own(target, sources)
        old = self._replays(call, sources, lambda tensor: tensor)
        out = call.run()
        plain = len(sources) == 1 and (call.func in COPIES | SELECTIONS or call.pointwise)
        plain = plain and all(self._plain(t) for _, t in call.tensors)
        for at, output in enumerate(outputs_of(out)):
            key = key_of(output)
            if key is not None and key not in self._roots and key not in self._made:
                parts = {name: _laid_as(output, outputs_of(o)[at]) for name, o in old.items()}
                self._made[key] = Made(parts, output, plain)
                self._data.discard(key)
        return out

    def _own(self, target: Tensor, sources: Iterable[str]) -> None:
        """A storage that is written to needs old values of its own, one a source."""
        key = key_of(target)
        if key is None:
            return
        made = self._made.setdefault(key, Made({}, target, plain=False))
        for name in sources:
            made.old.setdefault(name, copied(target))

    def _plain(self, tensor: Tensor) -> bool:
        key = key_of(tensor)
        return key not in self._made or self._made[key].plain

    # ------------------------------------------------------------------ parameters that meet data

    def _use(self, call: "_Call", sources: Mapping[str, None]) -> Any:
        """Compare with what comes of the old values."""
        copied = call.func in COPIES
        added = {} if copied else self._added(call, sources)
        rest = [name for name in sources if name not in added]
        whole = rest[0] if self._start and len(rest) == 1 and call.func in _ADDED_LAST else ""
        rest = [] if whole else rest
        for name, value in added.items():
            self._add(call, name, value, factor_of_added(call.func, call.kwargs), None)
        old = self._replays(call, rest, self._spared(call)) if rest else {}
        out = call.run()
        new = outputs_of(out)
        if whole:
            self._add(call, whole, _without_added(call, new[0]), 1.0, new[0])
        for name, other in old.items():
            if not copied:
                self._add(call, name, new[0] - outputs_of(other)[0], 1.0, new[0])
        if new and (copied or call.func in SELECTIONS):
            self._pick(new[0], old)
        for target in call.targets:
            self._made.pop(key_of(target) or 0, None)
        return out

    def _added(self, call: "_Call", sources: Iterable[str]) -> dict[str, Tensor]:
        """What changed of an argument that is added: no need to run the op for it."""
        found = {}
        for name in sources:
            mine = [
                (at, t, old) for at, t in call.tensors if (old := self._old(t, name)) is not None
            ]
            if len(mine) == 1 and mine[0][0] == ADDED.get(call.func):
                _, tensor, old = mine[0]
                found[name] = tensor - old
        return found

    def _add(
        self, call: "_Call", name: str, change: Tensor, factor: float, out: Tensor | None
    ) -> None:
        mine = [(at, t) for at, t in call.tensors if self._old(t, name) is not None]
        at, tensor = mine[0]
        plain = self._plain(tensor)
        signature = (name, call.func.overloadpacket.__name__, at, _order(tensor))
        total = self._totals.setdefault(
            signature, _Total(contracted(call.func, call.args, at) if plain else None)
        )
        random = None if self._start or not plain else self._random(call, name, at)
        beside = None if out is None else self._beside(call, out)
        total.add(change, factor, random, beside)

    def _beside(self, call: "_Call", out: Tensor) -> Tensor | None:
        """The data that a parameter meets; what comes of it, where a kernel hides that."""
        if call.func not in SUMS and not call.pointwise:
            return out
        data = (t for _, t in call.tensors if t.is_floating_point() and self._is_data(t))
        return max(data, key=torch.numel, default=None)

    def _random(self, call: "_Call", name: str, at: int) -> Tensor | None:
        mine = [t for _, t in call.tensors if self._old(t, name) is not None]
        old = self._old(mine[0], name)
        if len(mine) > 1 or old is None or call.func not in SUMS:
            return None
        return squares(call.func, call.args, at, mine[0] - old)

    def _pick(self, output: Tensor, old: Mapping[str, Any]) -> None:
        key = key_of(output)
        if key is not None:
            parts = {name: _laid_as(output, outputs_of(o)[0]) for name, o in old.items()}
            self._picked[key] = Made(parts, output, plain=True)

    def _spared(self, call: "_Call") -> Callable[[Tensor], Tensor]:
        """What an op may write to is copied for the second run; batch norm does not say so."""
        writes = {key_of(target) for target in call.targets} | self._buffers

        def spare(tensor: Tensor) -> Tensor:
            return tensor.clone() if key_of(tensor) in writes else tensor

        return spare

    # ---------------------------------------------------------------------------------- old values

    def _replays(
        self, call: "_Call", sources: Iterable[str], else_: Callable[[Tensor], Tensor]
    ) -> dict[str, Any]:
        """What an op makes of the old values of one parameter at a time."""
        found = {}
        for name in sources:

            def swap(tensor: Tensor, name: str = name) -> Tensor:
                old = self._old(tensor, name)
                return else_(tensor) if old is None else old

            args, kwargs = pytree.tree_map_only(Tensor, swap, (call.args, dict(call.kwargs)))
            try:
                with _same_draws(call):
                    found[name] = call.func(*args, **kwargs)
            except (RuntimeError, NotImplementedError) as error:
                self.unwatched[f"{call.func} of {name}"] = str(error).partition("\n")[0]
        return found

    def _old(self, tensor: Tensor, name: str) -> Tensor | None:
        """The old value of a tensor that is made of a parameter."""
        key = key_of(tensor)
        if key in self._roots:
            root = self._roots[key]
            if root.names(tensor) != name:
                return None
            if self._start:
                return torch.zeros_like(tensor)
            return at_the_place_of(tensor, root.copy)
        made = self._made.get(key or 0) or self._picked.get(key or 0)
        storage = None if made is None else made.old.get(name)
        return None if storage is None else at_the_place_of(tensor, storage)


@dataclass(frozen=True, slots=True)
class _Call:
    """An op with its arguments."""

    func: OpOverload
    args: Args
    kwargs: Kwargs
    tensors: list[tuple[int, Tensor]]
    targets: list[Tensor]

    def run(self) -> Any:
        return self.func(*self.args, **self.kwargs)

    @property
    def pointwise(self) -> bool:
        return torch.Tag.pointwise in self.func.tags

    @property
    def is_view(self) -> bool:
        """Its outcome lies where an argument does."""
        returns = self.func._schema.returns  # noqa: SLF001 - the only description
        return not self.targets and any(r.alias_info is not None for r in returns)


_ADDED_LAST = {torch.ops.aten.addmm.default, torch.ops.aten.mm.default, torch.ops.aten.bmm.default}
"""Of what they give, what a parameter makes is all but what is added."""


def _without_added(call: _Call, out: Tensor) -> Tensor:
    place = ADDED.get(call.func)
    return (
        out if place is None else out - factor_of_added(call.func, call.kwargs) * call.args[place]
    )


def _norm(value: Tensor) -> Tensor:
    exact = torch.float64 if value.dtype == torch.float64 else torch.float32
    return torch.linalg.vector_norm(value.detach(), dtype=exact)


@contextmanager
def _same_draws(call: _Call) -> Iterator[None]:
    """Random numbers that are drawn inside are drawn again afterwards."""
    if torch.Tag.nondeterministic_seeded not in call.func.tags:
        yield
        return
    generator = call.kwargs.get("generator")
    state = None if generator is None else generator.get_state()
    devices = {t.device for _, t in call.tensors if t.device.type == "cuda"}
    with torch.random.fork_rng(list(devices)):
        yield
    if generator is not None:
        generator.set_state(state)


def _laid_as(tensor: Tensor, other: Tensor) -> torch.UntypedStorage:
    """The storage of a tensor that lies as another does."""
    if other.stride() != tensor.stride() or other.storage_offset() != tensor.storage_offset():
        laid = torch.empty_strided(
            tensor.size(), tensor.stride(), dtype=other.dtype, device=other.device
        )
        other = laid.copy_(other)
    return other.untyped_storage()


def _order(tensor: Tensor) -> tuple[int, ...]:
    strides = tensor.stride()
    return tuple(sorted(range(len(strides)), key=lambda at: (-strides[at], at)))
