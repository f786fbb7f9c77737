"""Where in the user's code an op comes from: the modules that run, and the lines that call.

Hooks on all modules at once keep the stack while a ``Places`` is open; they are gone afterwards::

    nn_module_stack  {"model.layers.0": ("model.layers.0", "my.net.Block")}
    stack_trace      File "net.py", line 12, in forward  h = self.q(x)
"""

import inspect
import linecache
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules import module as modules

Stack = dict[str, tuple[str, str]]

MOST_FRAMES = 3
"""Lines of user code kept for an op, innermost last."""


class Places:
    """Which modules are running."""

    def __init__(self, model: nn.Module, tell: Callable[[Stack], None] | None = None) -> None:
        self.tell = tell
        """Called with the new stack whenever it changes."""
        self.names = {id(m): f"model.{name}" for name, m in model.named_modules()}
        self.stacks: list[Stack] = [{}]

    @contextmanager
    def watched(self) -> Iterator["Places"]:
        """While open, the stack follows the modules that run."""
        handles = [
            modules.register_module_forward_pre_hook(self._enter),
            modules.register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def stack(self) -> Stack:
        """The modules that are running, outermost first."""
        return self.stacks[-1]

    def _enter(self, module: nn.Module, _: Any) -> None:
        name = self.names.get(id(module))
        inside = self.stacks[-1]
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        self._change([*self.stacks, inside if name is None else {**inside, name: (name, kind)}])

    def _leave(self, module: nn.Module, *_: Any) -> None:
        del module
        self._change(self.stacks[:-1] or [{}])

    def _change(self, stacks: list[Stack]) -> None:
        self.stacks = stacks
        if self.tell is not None:
            self.tell(self.stack())


def stack_trace() -> str:
    """Lines of user code that are running, as a traceback writes them."""
    found: list[str] = []
    frame = inspect.currentframe()
    while frame is not None and len(found) < MOST_FRAMES:
        path, line = frame.f_code.co_filename, frame.f_lineno
        if not is_ours(path):
            code = linecache.getline(path, line).strip()
            found.append(f'  File "{path}", line {line}, in {frame.f_code.co_name}\n    {code}\n')
        elif found and path.startswith(OURS):
            break  # below what we called stands who called us
        frame = frame.f_back
    return "".join(reversed(found))


OURS = str(Path(__file__).parents[2])
TORCH = str(Path(nn.__file__).parents[1])


def is_ours(path: str) -> bool:
    """Whether a file is torch's, this package's, or no file."""
    return path.startswith(("<", OURS, TORCH))
