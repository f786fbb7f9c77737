"""Every form a base can take, brought to one of four."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from mupfx.core.drawn import Drawn
from mupfx.errors import BaseError
from mupfx.integrations.microsoft_mup import read_bsh
from mupfx.passes.laws import NoModuleError, record, record_shapes

Base = int | Mapping[str, int] | nn.Module | Callable[[], nn.Module] | str | Path
Shapes = Mapping[str, Sequence[int | None]]

FORMS = "an int, a dict of class sizes, a module, a factory, a base file or a .bsh file"


@dataclass(frozen=True, slots=True)
class Given:
    """A base, read; exactly one of the first four fields is set."""

    width: int | None = None
    sizes: Mapping[str, int] | None = None
    model: nn.Module | None = None
    shapes: Shapes | None = None
    note: str = ""
    """How it was read, where that is not as it was given."""
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    """Of a factory: the laws that it asked for, by every name of a parameter."""

    @property
    def form(self) -> str:
        """Which form it has, for the plan."""
        forms = {"width": self.width, "sizes": self.sizes, "shapes": self.shapes}
        return next((name for name, value in forms.items() if value is not None), "model")


def read_base(base: object, *, shapes: bool = False) -> Given:
    """Read any form.

    Args:
        base: As for ``mupfx.convert``.
        shapes: Whether a factory's model needs no values.

    Raises:
        BaseError: It is none of them, or its file cannot be read.
    """
    if isinstance(base, nn.Module):
        return Given(model=base)
    if isinstance(base, bool) or base is None:
        raise _no_base(base)
    if isinstance(base, int):
        return Given(width=base)
    if isinstance(base, Mapping):
        return Given(sizes=_sizes(base))
    if isinstance(base, str | Path):
        return Given(shapes=_read_file(Path(base)))
    if callable(base):
        return _built(base, shapes=shapes)
    raise _no_base(base)


Model = TypeVar("Model", bound=nn.Module)


def made_by(model: Model | Callable[[], Model]) -> tuple[Model, Mapping[str, Drawn]]:
    """A model as it is; or what a factory makes, and the laws that it asked for.

    Raises:
        InitError: It is neither.
    """
    if isinstance(model, nn.Module):
        return cast("Model", model), {}
    made = record(model)
    return cast("Model", made.model), made.laws


def _no_base(base: object) -> BaseError:
    return BaseError(
        "a base is needed: the model this one was widened from",
        expected=FORMS,
        found=type(base).__name__ if base is not None else "None",
        hint="base=256: the residual stream's width in the model you tuned",
    )


def _sizes(base: Mapping[object, object]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, size in base.items():
        if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool):
            raise BaseError(f"base size {name!r}: {size!r}", expected="class name: int")
        sizes[name] = size
    if not sizes:
        raise BaseError("an empty dict is no base", expected="at least one class name and size")
    return sizes


def _built(base: Callable[[], object], *, shapes: bool = False) -> Given:
    """The model of a factory, and the laws of its parameters."""
    try:
        if shapes:
            made = record_shapes(base)
        else:
            with torch.random.fork_rng():
                made = record(base)
    except TypeError as error:
        raise BaseError(
            "the base factory must need no arguments",
            found=str(error),
            hint="base=lambda: Model(width=64)",
        ) from error
    except NoModuleError as error:
        raise BaseError(
            "the base factory returned no module", expected=error.expected, found=error.found
        ) from error
    return Given(model=made.model, drawn=made.laws)


def _read_file(path: Path) -> Shapes:
    if not path.is_file():
        raise BaseError(f"there is no base file {str(path)!r}", expected=FORMS)
    if path.suffix == ".bsh":
        return read_bsh(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if "parametrization" in data:
            return _shapes_of_plan(path, data["parameters"])
        return {str(name): list(shape) for name, shape in data["shapes"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaseError(
            f"{path.name} is no base file",
            expected="what mupfx.save_base wrote: parameter shapes of the base",
            found=f"{type(error).__name__}: {error}",
        ) from error


def _shapes_of_plan(path: Path, parameters: Mapping[str, Any]) -> Shapes:
    """The plan of a base converted at its own size; another's base shapes are not in it."""
    if all(set(p["ratios"]) == {"1"} for p in parameters.values()):
        return {str(name): list(p["shape"]) for name, p in parameters.items()}
    raise BaseError(
        f"{path.name} is the plan of a wider model, and the shapes of its base are not in it",
        expected="what mupfx.save_base wrote, or the plan of the base itself",
        hint="mupfx.save_base(base_model, 'base.json'), then base='base.json'",
    )


def write_base(shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Write parameter shapes as a base file."""
    data = {"schema": 1, "shapes": {name: list(shape) for name, shape in shapes.items()}}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
