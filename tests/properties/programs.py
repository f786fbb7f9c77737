"""Programs: small networks as lists of steps, with what each parameter is known by construction.

A step is a function of a scope and a tensor. It asks the scope for its weights, whose shapes follow
from the tensor's, and says which dimensions are contracted. What is width is what grows with the
scale. Names, the order of registration and every size are chosen from outside::

    Program("tokens", (("attention", "einsum"), ("mlp", "linear")), "tied", Sizes())
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mupfx.core.vocabulary import Role
from tests.properties.spellings import LINEARS


@dataclass(frozen=True, slots=True)
class Sizes:
    """Every number in a program; those of the first row grow with the scale."""

    heads: int = 3
    inner: int = 14

    head: int = 4
    batch: int = 2
    windows: int = 2
    window: int = 3
    vocabulary: int = 11
    classes: int = 7
    features: int = 5
    rank: int = 2
    state: int = 2
    experts: int = 3
    kernel: int = 3
    side: int = 4

    @property
    def length(self) -> int:
        """Positions of a sequence."""
        return self.windows * self.window

    def at(self, scale: int) -> "Sizes":
        """The sizes of a wider program."""
        return replace(self, heads=self.heads * scale, inner=self.inner * scale)


@dataclass(frozen=True, slots=True)
class Known:
    """What the code that made a parameter knows of it."""

    shape: tuple[int, ...]
    contracts: tuple[int, ...]
    cuts: Mapping[int, tuple[int, ...]]
    """Lengths of the parts of a dimension that the code takes apart."""


@dataclass(frozen=True)
class Program:
    """A network at any scale."""

    source: str
    steps: tuple[tuple[str, str], ...]
    """Steps of the menu, each with a way of spelling its products."""
    readout: str
    sizes: Sizes = field(default_factory=Sizes)

    def build(
        self, scale: int = 1, *, names: Callable[[str], str] = str, order: int | None = None
    ) -> "Net":
        """The network, ``scale`` times as wide; ``order`` shuffles how weights are registered."""
        return Net(self, scale, names, order)

    def inputs(self) -> Tensor:
        """Inputs that fit every scale."""
        sizes = self.sizes
        if self.source == "tokens":
            return torch.arange(sizes.batch * sizes.length).view(sizes.batch, -1) % sizes.vocabulary
        if self.source == "features":
            return torch.ones(sizes.batch, sizes.length, sizes.features)
        return torch.ones(sizes.batch, sizes.features, sizes.side, sizes.side)


class Net(nn.Module):
    """A program as a module whose weights are where the names say."""

    def __init__(
        self, program: Program, scale: int, names: Callable[[str], str], order: int | None
    ) -> None:
        super().__init__()
        self.program = program
        self.sizes = program.sizes.at(scale)
        self.known: dict[str, Known] = {}
        self.names: dict[str, str] = {}
        self.finished = False
        with torch.no_grad():
            self(program.inputs())
        keys = list(self.known)
        if order is not None:
            random.Random(order).shuffle(keys)
        for key in keys:
            self.names[key] = names(key)
            self._register(self.names[key], self.known[key].shape)
        self.finished = True

    def _register(self, name: str, shape: Sequence[int]) -> None:
        *path, last = name.split(".")
        module: nn.Module = self
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        module.register_parameter(last, nn.Parameter(torch.full(tuple(shape), 0.01)))

    def weight(self, key: str, known: Known) -> Tensor:
        """The weight of a key; until all are known, one to find out what is asked for."""
        if self.finished:
            return self.get_parameter(self.names[key])
        self.known.setdefault(key, known)
        return torch.full(known.shape, 0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Stem, steps, readout."""
        from tests.properties.menu import READOUTS, STEMS, STEPS  # noqa: PLC0415 - they import us

        x = STEMS[self.program.source](Scope(self, "stem"), x)
        for i, (name, spelling) in enumerate(self.program.steps):
            x = STEPS[name](Scope(self, f"steps.{i}", spelling), x)
        return READOUTS[self.program.readout](Scope(self, "readout"), x)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a step's weights are."""

    net: Net
    prefix: str
    spelling: str = "linear"

    @property
    def sizes(self) -> Sizes:
        """Sizes at this scale."""
        return self.net.sizes

    def weight(
        self,
        key: str,
        *shape: int,
        contracts: tuple[int, ...] = (),
        cuts: Mapping[int, tuple[int, ...]] | None = None,
    ) -> Tensor:
        """A weight of this scope; ``cuts`` are the lengths of the parts of a dimension."""
        name = key if key.startswith("stem.") else f"{self.prefix}.{key}"
        return self.net.weight(name, Known(shape, contracts, cuts or {}))

    def linear(self, key: str, x: Tensor, out: int, *, cuts: Sequence[int] = ()) -> Tensor:
        """``x @ w.T + b`` in this scope's spelling; ``cuts`` are the parts of the result."""
        where = {0: tuple(cuts)} if cuts else {}
        w = self.weight(f"{key}.weight", out, x.shape[-1], contracts=(1,), cuts=where)
        y: Tensor = LINEARS[self.spelling](x, w) + self.weight(f"{key}.bias", out, cuts=where)
        return y


Step = Callable[[Scope, Tensor], Tensor]

ROLES = {
    (True, True): Role.HIDDEN, (True, False): Role.OUTPUT,
    (False, True): Role.INPUT, (False, False): Role.SCALAR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Truth:
    """What an analysis must say of a parameter."""

    role: Role
    width: tuple[int, ...]
    fan_in: tuple[int, ...]


def truths(program: Program, names: Callable[[str], str] = str) -> dict[str, Truth]:
    """The truth of every parameter, from what grows and what is contracted."""
    narrow, wide = program.build(1).known, program.build(2).known
    found = {}
    for key, known in wide.items():
        pairs = enumerate(zip(known.shape, narrow[key].shape, strict=True))
        width = tuple(d for d, (here, there) in pairs if here != there)
        into = any(d in known.contracts for d in width)
        out = any(d not in known.contracts for d in width)
        role = ROLES[into, out]
        if not known.contracts:
            role = Role.VECTOR if width else Role.SCALAR
        found[names(key)] = Truth(role, width, known.contracts)
    return found
