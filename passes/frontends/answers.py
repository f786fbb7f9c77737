"""What a model's Python asks of tensors in one run, to be given again while tracing.

``if mask.any():`` at ``net.py:7`` is noted as ``{("__bool__", "net.py", 7): [True]}``.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

ASKING = frozenset(
    {
        torch.Tensor.__bool__, torch.Tensor.__int__, torch.Tensor.__float__,
        torch.Tensor.__index__, torch.Tensor.__contains__, torch.Tensor.item, torch.Tensor.tolist,
        torch.equal, torch.allclose, torch.is_nonzero,
    }
)  # fmt: skip
"""Functions that turn tensors into Python's own values."""


class Answers(TorchFunctionMode):
    """Notes answers while open; ``given`` them, answers with those."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: defaultdict[tuple[str, str, int], list[Any]] = defaultdict(list)
        self.waiting: dict[tuple[str, str, int], Iterator[Any]] | None = None

    @contextmanager
    def given(self) -> Iterator[None]:
        """While tracing: questions get the answers of the run."""
        self.waiting = {place: iter(answers) for place, answers in self.noted.items()}
        with self:
            yield

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer a question, or note what its answer is."""
        if func not in ASKING:
            return func(*args, **kwargs or {})
        caller = sys._getframe(1)
        place = (func.__name__, caller.f_code.co_filename, caller.f_lineno)
        for known in self.waiting.get(place, ()) if self.waiting is not None else ():
            return known
        answer = func(*args, **kwargs or {})
        if self.waiting is None:
            self.noted[place].append(answer)
        return answer
