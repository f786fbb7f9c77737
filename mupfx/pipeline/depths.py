"""How much deeper a model is than its base: by residual stream, or by the layers of a plain net."""

from collections.abc import Mapping
from fractions import Fraction

from mupfx.core.axes import Axes
from mupfx.core.program import Program
from mupfx.core.structure import Streams
from mupfx.errors import BaseError
from mupfx.passes.axes import infer_axes
from mupfx.passes.chain import find_chain
from mupfx.passes.streams import find_streams

LAYERS = "layers"
"""The name under which a plain net's depth stands."""

Told = int | Mapping[str, int] | None


def depths(
    counted: Mapping[str, int], base: Mapping[str, int] | None, told: Told, *, infer: bool
) -> dict[str, Fraction]:
    """Depth here over depth at the base, by stream.

    Args:
        counted: Depths here.
        base: Depths of the base model, where there is one.
        told: What the user says they are.
        infer: Take a base model's as they are; else what differs has to be told.

    Raises:
        BaseError: What was told fits neither, or the base has other streams.
    """
    if base is not None:
        return _of_model(counted, base, told, infer=infer)
    if told is None:
        return dict.fromkeys(counted, Fraction(1))
    return _told(counted, told)


def counts(program: Program, axes: Axes, streams: Streams, *, layers: bool) -> dict[str, int]:
    """The depth of every stream; of a plain net, where asked for, its number of layers.

    Raises:
        ParametrizationError: Layers are asked for, and the model has neither.
    """
    found = {s.name: s.depth for s in streams.streams}
    if found or not layers:
        return found
    return {LAYERS: len(find_chain(program, axes).layers)}


def counts_of_base(beside: Program | None, *, layers: bool) -> dict[str, int] | None:
    """The same of the base model's graph; None where there is none."""
    if beside is None:
        return None
    axes = infer_axes(beside)
    return counts(beside, axes, find_streams(beside, axes), layers=layers)


def _told(mine: Mapping[str, int], told: int | Mapping[str, int]) -> dict[str, Fraction]:
    if isinstance(told, int):
        if len(mine) != 1:
            raise BaseError(
                f"base_depth={told} fits a model with one residual stream",
                found=f"{len(mine)} streams: {dict(mine)}",
                hint=f"base_depth={dict(mine)!r}, with the depths at the base",
            )
        told = dict.fromkeys(mine, told)
    if set(told) - set(mine) or any(depth <= 0 for depth in told.values()):
        raise BaseError(
            "base_depth names a stream that is not there, or no positive depth",
            expected=f"some of {dict(mine)!r}",
            found=repr(dict(told)),
        )
    return {name: Fraction(depth, told.get(name, depth)) for name, depth in mine.items()}


def _of_model(
    mine: Mapping[str, int], theirs: Mapping[str, int], told: Told, *, infer: bool
) -> dict[str, Fraction]:
    if theirs.keys() != mine.keys():
        raise BaseError(
            "the base has another number of residual streams",
            expected=str(dict(mine)),
            found=str(dict(theirs)),
        )
    if theirs != mine and told is None and not infer:
        raise BaseError(
            "the base has another depth",
            expected=f"{', '.join(map(str, mine.values()))} residual adds, as here",
            found=", ".join(map(str, theirs.values())),
            hint=f"if that is meant: base_depth={_as_told(theirs)}",
        )
    stated = _told(mine, told) if told is not None else None
    found = {name: Fraction(depth, theirs[name]) for name, depth in mine.items()}
    if stated is not None and stated != found:
        raise BaseError(
            "base_depth is not the depth of the base that was given",
            expected=f"base_depth={_as_told(theirs)}",
            found=f"base_depth={told!r}",
        )
    return found


def _as_told(depths: Mapping[str, int]) -> str:
    """Depths as a user writes them: one number for one stream."""
    return str(next(iter(depths.values()))) if len(depths) == 1 else repr(dict(depths))
