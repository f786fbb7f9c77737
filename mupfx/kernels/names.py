"""Parameters by the names that they have in the model itself, whatever it is wrapped in.

A compiled block of a model under DistributedDataParallel has ``module.blocks.0._orig_mod.weight``,
and is ``blocks.0.weight``. Numbers are drawn by names, so a wrapper would change them.
"""

import sys
from collections.abc import Collection
from typing import Any

from torch import nn

from mupfx.errors import InitError

OWN = frozenset({"_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module"})
"""Names that torch alone gives: ``compile``, ``checkpoint_wrapper``, FSDP of the first kind."""
MODULE = (nn.DataParallel, nn.parallel.DistributedDataParallel)
"""Wrappers whose model is their ``module``, a name that anyone may give."""


def parameters_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters by name, tied ones once, as they lie when the model is not running.

    Raises:
        InitError: Parameters are flattened into others, or two have one name.

    >>> list(parameters_of(nn.DataParallel(nn.Linear(2, 2))))
    ['weight', 'bias']
    """
    _rest(model)
    wrappers = {
        name
        for name, module in model.named_modules(remove_duplicate=False)
        if isinstance(module, MODULE)
    }
    found: dict[str, nn.Parameter] = {}
    for name, parameter in model.named_parameters():
        if found.setdefault(canonical(name, wrappers), parameter) is not parameter:
            raise InitError("two parameters have one name", where=canonical(name, wrappers))
    return found


def canonical(name: str, wrappers: Collection[str]) -> str:
    """A name without those that wrappers add.

    >>> canonical("module.blocks.0._orig_mod.weight", {""})
    'blocks.0.weight'
    """
    words = name.split(".")
    kept = (
        word
        for at, word in enumerate(words)
        if word not in OWN and not (word == "module" and ".".join(words[:at]) in wrappers)
    )
    return ".".join(kept)


def _rest(model: nn.Module) -> None:
    """Have FSDP give back what it gathered for a forward pass: what is written there is lost."""
    fsdp: Any = sys.modules.get("torch.distributed.fsdp")
    for name, module in model.named_modules() if fsdp is not None else ():
        if isinstance(module, fsdp.FullyShardedDataParallel):
            raise InitError(
                "FullyShardedDataParallel has flattened parameters into one",
                where=name or "the model",
                hint="initialise before wrapping, or shard by torch.distributed.fsdp.fully_shard",
            )
        if isinstance(module, fsdp.FSDPModule):
            module.reshard()
