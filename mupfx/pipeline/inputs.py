"""Example inputs from text: ``int64[2,16]<100``, ``float32[2,3,32,32]``, ``mask=bool[2,16]``.

Integers are drawn below the bound, floats from a standard normal, booleans evenly; always the same.
"""

import re
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from mupfx.errors import TargetError

_SPEC = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<dtype>[a-z]\w*)\[(?P<sizes>[\d,\s]*)\](?:<(?P<bound>\d+))?"
)
_FORM = "[name=]dtype[sizes], with <bound for integers"
_DTYPES = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
    "complex64": torch.complex64,
    "complex128": torch.complex128,
}

_SHOWN = 6
"""Candidates that an error names."""

Inputs = tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]
"""Positional and keyword."""


def inputs(specs: Sequence[str]) -> Inputs:
    """Draw positional and keyword inputs.

    >>> args, kwargs = inputs(["int64[2,16]<100", "mask=bool[2,16]"])
    >>> args[0].shape, kwargs["mask"].dtype
    (torch.Size([2, 16]), torch.bool)
    """
    generator = torch.Generator().manual_seed(0)
    args: list[torch.Tensor] = []
    kwargs: dict[str, torch.Tensor] = {}
    for spec in specs:
        name, value = _read(spec, generator)
        if name is None:
            args.append(value)
        elif name in kwargs:
            raise TargetError(f"input `{name}` is given twice", where=spec)
        else:
            kwargs[name] = value
    return tuple(args), kwargs


def first_that_runs(target: str, model: nn.Module, candidates: Iterable[tuple[str, ...]]) -> Inputs:
    """Run the model on one candidate after another."""
    tried: list[str] = []
    for texts in candidates:
        args, kwargs = inputs(texts)
        problem = _problem(model, args, kwargs)
        if problem is None:
            return args, kwargs
        tried.append(f"{' '.join(texts)} ({problem})")
    more = [f"and {len(tried) - _SHOWN} more"] if len(tried) > _SHOWN else []
    raise TargetError(
        f"no example inputs were found that `{target}` runs on",
        found="; ".join([*tried[:_SHOWN], *more]) or "nothing known in its forward's arguments",
        hint="--input 'input_ids=int64[2,16]<100', one for each argument that it needs",
    )


def _read(spec: str, generator: torch.Generator) -> tuple[str | None, torch.Tensor]:
    found = _SPEC.fullmatch(spec.strip())
    if found is None:
        raise TargetError(
            f"`{spec}` is no input", expected=_FORM, hint="--input 'int64[2,16]<100', in quotes"
        )
    dtype = _DTYPES.get(found["dtype"])
    if dtype is None:
        raise TargetError(f"`{found['dtype']}` is no dtype", where=spec, expected=" ".join(_DTYPES))
    bound = None if found["bound"] is None else int(found["bound"])
    return found["name"], _draw(_sizes(found["sizes"]), dtype, bound, spec, generator)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size.strip())


def _draw(
    sizes: tuple[int, ...],
    dtype: torch.dtype,
    bound: int | None,
    spec: str,
    generator: torch.Generator,
) -> torch.Tensor:
    if dtype.is_floating_point or dtype.is_complex or dtype == torch.bool:
        if bound is not None:
            raise TargetError("only integers have a bound", where=spec)
        if dtype == torch.bool:
            return torch.randint(2, sizes, generator=generator).bool()
        return torch.randn(sizes, dtype=dtype, generator=generator)
    if bound is None:
        raise TargetError(
            "integers need the bound that they stay below", where=spec, hint=f"{spec}<100"
        )
    if bound == 0:
        raise TargetError("no integer is below 0 and at least 0", where=spec)
    if bound - 1 > torch.iinfo(dtype).max:
        raise TargetError(f"{bound - 1} does not fit into {dtype}", where=spec)
    return torch.randint(bound, sizes, dtype=dtype, generator=generator)


def _problem(
    model: nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]
) -> str | None:
    """Why the model does not run; None where it does, or stops only for want of values."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    moved = tuple(a.to(device) for a in args), {n: a.to(device) for n, a in kwargs.items()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=()):
            torch.func.functional_call(model, buffers, *moved)
    except NotImplementedError as error:
        return None if device.type == "meta" else _line(error)
    except Exception as error:  # noqa: BLE001 - whatever a model raises, these are not its inputs
        return _line(error)
    return None


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:80]}"
