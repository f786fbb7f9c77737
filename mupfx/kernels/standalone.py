"""One model's starting values, from a table of its laws: the end of a file that ``emit`` writes.

``TABLE`` is that model's; see there for what a row is.
"""

import argparse
from collections.abc import Container, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.errors import InitError
from mupfx.kernels.draw import Draw, Kind
from mupfx.kernels.names import parameters_of
from mupfx.kernels.start import Start, start_

TABLE: Mapping[str, Any] = {}
TIED: Mapping[str, str] = {}
HASH = ""


def init_(model: nn.Module | Mapping[str, Tensor], *, seed: int, nested: bool = False) -> None:
    """Fill a model, or its parameters by name, in place; no generator of torch's is asked.

    Args:
        model: On any device, in any dtype, spread over processes as DTensors or whole.
        seed: Of 64 bits.
        nested: Draw a matrix so that it is the corner of every wider one of its name.

    Raises:
        InitError: Names or shapes are not those of the table.
    """
    require_table()
    tensors = parameters_of(model) if isinstance(model, nn.Module) else model
    start_(tensors, starts(tensors), seed=seed, nested=nested)


def starts(names: Container[str]) -> dict[str, Start]:
    """The table, as it is read; with other names of tied parameters where they are asked for."""
    found = {name: start(*row) for name, row in TABLE.items()}
    tied = {other: name for other, name in TIED.items() if other in names}
    again = {other: replace(found[n], like=found[n].like or n) for other, n in tied.items()}
    return {**found, **again}


def start(shape: Any, _dtype: str, law: Any, parts: Any = (), like: str = "") -> Start:
    """One row of it."""
    return Start(shape, draw(*law), tuple((box, draw(*other)) for box, other in parts), like)


def draw(kind: str, *numbers: float) -> Draw:
    """A law, by name and its numbers as float32."""
    return Draw(Kind[kind.upper()], *numbers)


def require_table() -> None:
    """Refuse a table that is not what was written.

    Raises:
        InitError: It was changed.
    """
    found = sha256(repr((TABLE, TIED)).encode()).hexdigest()
    if found != HASH:
        raise InitError(
            "the table was changed after it was written",
            expected=HASH,
            found=found,
            hint="write the file again; or set HASH, if the change is meant",
        )


def state_dict(
    *, seed: int, dtype: str | None = None, device: str = "cpu", nested: bool = False
) -> dict[str, Tensor]:
    """Parameters by name, tied ones under every name; without buffers."""
    tensors = {
        name: torch.empty(row[0], dtype=getattr(torch, dtype or row[1]), device=device)
        for name, row in TABLE.items()
    }
    init_(tensors, seed=seed, nested=nested)
    return {**tensors, **{other: tensors[name] for other, name in TIED.items()}}


def main() -> None:
    """Write a state dict."""
    parser = argparse.ArgumentParser(description="Write the starting values of a model.")
    parser.add_argument("out", help="file for torch.save")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", help="of all parameters, as bfloat16; else each its own")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--nested", action="store_true", help="corners of wider models' matrices")
    given = parser.parse_args()
    values = state_dict(
        seed=given.seed, dtype=given.dtype, device=given.device, nested=given.nested
    )
    torch.save(values, given.out)


if __name__ == "__main__":
    main()
