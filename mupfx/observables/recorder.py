"""What training changed of every product of a parameter and data, seen while a model runs.

A dispatch mode watches the ops of one forward pass, of any model, whatever modules it is made of.
What is made of parameters alone is made of their old values too; where it first meets data, in
``out = op(x, W)``, the same op runs on the old value, and ``out - op(x, W_0)`` is the update::

    recorder = Recorder(kept, data=[x])
    with recorder:
        loss = model(x).sum()
    recorder.seen()  ->  {Use("head.weight", 0, "addmm"): Seen(0.031, contracted=256)}
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from mupfx.core.run import Seen, Use
from mupfx.observables.calls import Call, Total, laid_as, order, same_draws
from mupfx.observables.kept import Kept, Key, at_the_place_of, copied, key_of
from mupfx.observables.uses import (
    ADDED,
    CONSTANT,
    COPIES,
    MATRICES,
    SELECTIONS,
    SUMS,
    Args,
    Kwargs,
    contracted,
    factor_of_added,
    outputs_of,
    product,
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
        self._totals: dict[Signature, Total] = {}
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
            out = self._use(Call(func, args, given, tensors, targets), sources)
        else:
            return self._make(Call(func, args, given, tensors, targets), sources)
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
        for output in outputs:
            key = key_of(output)
            if key is None or key in self._roots or key in self._made:
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

    def _make(self, call: Call, sources: Mapping[str, None]) -> Any:
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
                parts = {name: laid_as(output, outputs_of(o)[at]) for name, o in old.items()}
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

    def _use(self, call: Call, sources: Mapping[str, None]) -> Any:
        """Compare with what comes of the old values."""
        copied = call.func in COPIES
        rest = [name for name in sources if copied or not self._is_linear(call, name)]
        for name in () if copied or self._start else sources:
            if name not in rest:
                self._add_linear(call, name)
        old = self._replays(call, rest, self._spared(call)) if rest else {}
        out = call.run()
        new = outputs_of(out)
        for name in sources if self._start and not copied else ():
            if name not in rest:
                self._add(call, name, self._part(call, name, new[0]), new[0])
        for name, other in {} if copied else old.items():
            self._add(call, name, new[0] - outputs_of(other)[0], new[0])
        if new and (copied or call.func in SELECTIONS):
            self._pick(new[0], old)
        for target in call.targets:
            self._made.pop(key_of(target) or 0, None)
        return out

    def _is_linear(self, call: Call, name: str) -> bool:
        """What changed of the outcome comes of what changed of the argument."""
        mine = self._mine(call, name)
        if len(mine) > 1:
            return False
        is_added = mine[0][0] == ADDED.get(call.func)
        return is_added or (call.func in MATRICES and not call.targets)

    def _add_linear(self, call: Call, name: str) -> None:
        """Without running the op again."""
        ((at, tensor),) = self._mine(call, name)
        old = self._old(tensor, name)
        assert old is not None, "it is one of those that have an old value"
        change = tensor - old
        if at == ADDED.get(call.func):
            self._add(call, name, change * factor_of_added(call.func, call.kwargs), None)
            return
        alpha = float(call.kwargs.get("alpha", 1))
        made = product(call.func, call.args, at, change)
        random = squares(call.func, call.args, at, change) if self._plain(tensor) else None
        assert made is not None, "it is a product of matrices"
        self._add(
            call, name, made * alpha if alpha != 1 else made, made,
            None if random is None else random * alpha**2,
        )  # fmt: skip

    def _part(self, call: Call, name: str, out: Tensor) -> Tensor:
        """What a parameter makes of an outcome, all but what is added."""
        ((at, tensor),) = self._mine(call, name)
        place = ADDED.get(call.func)
        if at == place:
            return tensor * factor_of_added(call.func, call.kwargs)
        if place is None or place >= len(call.args):
            return out
        added: Tensor | None = call.args[place]
        return out if added is None else out - factor_of_added(call.func, call.kwargs) * added

    def _mine(self, call: Call, name: str) -> list[tuple[int, Tensor]]:
        """Arguments that are made of a parameter."""
        found = call.mine.get(name)
        if found is None:
            found = [(at, tensor) for at, tensor in call.tensors if self._is_of(tensor, name)]
            call.mine[name] = found
        return found

    def _add(
        self, call: Call, name: str, change: Tensor, out: Tensor | None,
        random: Tensor | None = None,
    ) -> None:  # fmt: skip
        at, tensor = self._mine(call, name)[0]
        plain = self._plain(tensor)
        signature = (name, call.func.overloadpacket.__name__, at, order(tensor))
        total = self._totals.setdefault(
            signature, Total(contracted(call.func, call.args, at) if plain else None)
        )
        if random is None and plain and not self._start:
            random = self._random(call, name, at)
        total.add(change, random, None if out is None else self._beside(call, out))

    def _beside(self, call: Call, out: Tensor) -> Tensor | None:
        """The data that a parameter meets; what comes of it, where a kernel hides that."""
        if call.func not in SUMS and not call.pointwise:
            return out
        data = (t for _, t in call.tensors if t.is_floating_point() and self._is_data(t))
        return max(data, key=torch.numel, default=None)

    def _random(self, call: Call, name: str, at: int) -> Tensor | None:
        mine = self._mine(call, name)
        if len(mine) > 1 or call.func not in SUMS or call.func in MATRICES:
            return None
        old = self._old(mine[0][1], name)
        return None if old is None else squares(call.func, call.args, at, mine[0][1] - old)

    def _pick(self, output: Tensor, old: Mapping[str, Any]) -> None:
        key = key_of(output)
        if key is not None:
            parts = {name: laid_as(output, outputs_of(o)[0]) for name, o in old.items()}
            self._picked[key] = Made(parts, output, plain=True)

    def _spared(self, call: Call) -> Callable[[Tensor], Tensor]:
        """What an op may write to is copied for the second run; batch norm does not say so."""
        writes = {key_of(target) for target in call.targets} | self._buffers

        def spare(tensor: Tensor) -> Tensor:
            return tensor.clone() if key_of(tensor) in writes else tensor

        return spare

    # ---------------------------------------------------------------------------------- old values

    def _replays(
        self, call: Call, sources: Iterable[str], else_: Callable[[Tensor], Tensor]
    ) -> dict[str, Any]:
        """What an op makes of the old values of one parameter at a time."""
        found = {}
        for name in sources:

            def swap(tensor: Tensor, name: str = name) -> Tensor:
                old = self._old(tensor, name)
                return else_(tensor) if old is None else old

            try:
                with same_draws(call):
                    found[name] = call.run(swap)
            except (RuntimeError, NotImplementedError) as error:
                self.unwatched[f"{call.func} of {name}"] = str(error).partition("\n")[0]
        return found

    def _is_of(self, tensor: Tensor, name: str) -> bool:
        """Whether a tensor is made of a parameter."""
        key = key_of(tensor)
        if key in self._roots:
            return self._roots[key].names(tensor) == name
        made = self._made.get(key or 0) or self._picked.get(key or 0)
        return made is not None and name in made.old

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
