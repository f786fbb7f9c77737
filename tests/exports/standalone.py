"""A table of every law, the file that is written of it, and the same values by the library."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from subprocess import run
from sys import executable
from types import ModuleType

import torch
from torch import Tensor

from mupfx.exports.init_kernels import Row, init_kernels
from mupfx.kernels.draw import constant, normal, truncated, uniform
from mupfx.kernels.start import Start, start_

PADDING = (((10, 1, 1), (0, 6, 1)), constant(0.0))
ODD = (((1, 5, 2), (0, 2, 3)), uniform(2.0, 3.0))
ROWS = {
    "embed.weight": Row(
        Start((11, 6), normal(0.5), (PADDING,)), "float32", "input: normal(0, 0.5)"
    ),
    "up.weight": Row(Start((12, 6), truncated(0.3, 0.1, -0.4, 0.4)), "bfloat16"),
    "up.bias": Row(Start((7,), uniform(-0.1, 0.1)), "float32"),
    "gain": Row(Start((3, 5, 2), truncated(1.0, 0.0, 0.0, float("inf"))), "float16"),
    "down.weight": Row(Start((12, 7), normal(0.4, 2.0), (ODD, PADDING)), "float64"),
    "norm.weight": Row(Start((6,), constant(1.0)), "float8_e4m3fn"),
    "twin": Row(Start((11, 6), normal(0.5), like="embed.weight"), "float32"),
    "scale": Row(Start((), normal(1.0)), "float32"),
}
TIED = {"head.weight": "embed.weight"}
SEED = 2**63 + 5
RUN = "import sys, runpy; sys.modules['mupfx'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"


def written(folder: Path) -> Path:
    path = folder / "init_kernels.py"
    path.write_text(init_kernels("a net", ROWS, TIED), encoding="utf-8")
    return path


def imported(path: Path) -> ModuleType:
    spec = spec_from_file_location("written_init_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed(path: Path, *words: str, **environment: str) -> dict[str, Tensor]:
    """What it writes in a process that has no mupfx."""
    code = f"import sys; sys.argv = {[str(path), *words]!r}; {RUN}"
    run([executable, "-c", code], cwd=path.parent, check=True, env=environment or None)
    found: dict[str, Tensor] = torch.load(
        words[0] if Path(words[0]).is_absolute() else path.parent / words[0]
    )
    return found


def wanted(dtype: str | None = None, *, nested: bool = False) -> dict[str, Tensor]:
    made = {
        n: torch.zeros(r.start.shape, dtype=getattr(torch, dtype or r.dtype))
        for n, r in ROWS.items()
    }
    start_(made, {n: r.start for n, r in ROWS.items()}, seed=SEED, nested=nested, path="eager")
    return {**made, **{other: made[name] for other, name in TIED.items()}}


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Names, dtypes and bits."""
    return list(found) == list(expected) and all(
        tensor.dtype == found[name].dtype and torch.equal(bits(found[name]), bits(tensor))
        for name, tensor in expected.items()
    )


def bits(tensor: Tensor) -> Tensor:
    sizes = (torch.int8, torch.int16, torch.int32, torch.int64)
    kind = next(d for d in sizes if d.itemsize == tensor.dtype.itemsize)
    return tensor.detach().contiguous().flatten().view(kind)
