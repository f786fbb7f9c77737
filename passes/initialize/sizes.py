"""The sizes that a law of initialisation may depend on, from a parameter's role and shape.

A transposed convolution stored as (in 64, out 32, 3, 3) has fan_in 576 for the graph, which
contracts 64 x 3 x 3, and 288 for ``torch.nn.init``, which reads the second dimension.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import prod

from mupfx.core.axes import ParameterRole
from mupfx.core.init_law import Fan, Fans, Sizes

ClassSizes = Mapping[str, tuple[int, Fraction]]
"""Size of a factor class here and at the base."""
Shape = Sequence[int | Fraction]
"""Sizes of dimensions; at a base known by ratios alone they need not be whole."""


def fans_of(
    role: ParameterRole,
    roles: Mapping[str, ParameterRole],
    base_shapes: Mapping[str, Shape],
    classes: ClassSizes | None = None,
) -> Fans:
    """Collect the sizes of one parameter here and at the base.

    Args:
        role: The parameter.
        roles: All parameters, to find the weight beside a bias.
        base_shapes: Shapes at the base; a parameter that it lacks kept its own.
        classes: Sizes of factor classes, for laws that depend on the size of a head.
    """
    companion = None if role.companion is None else roles.get(role.companion)
    head = _head(role, classes or {})
    pairs = []
    for at_base in (False, True):
        sizes = _sizes(role, base_shapes.get(role.name, role.shape) if at_base else role.shape)
        if companion is not None:
            shape = base_shapes.get(companion.name, companion.shape) if at_base else companion.shape
            sizes |= _beside(_sizes(companion, shape))
        if head is not None and Fan.FAN_IN in sizes:
            sizes[Fan.FAN_IN_HEAD] = sizes[Fan.FAN_IN] * head[at_base]
        pairs.append(sizes)
    return Fans(*pairs)


def _sizes(role: ParameterRole, given: Shape) -> dict[Fan, Fraction]:
    shape = [Fraction(size) for size in given]
    total = _product(shape)
    if not total:
        return {}
    if not role.fan_in:
        return {Fan.FAN_OUT: total, **_stored(shape)}
    fan_in = _product(shape[d] for d in role.fan_in)
    fan_out = _product(shape[d] for d in role.fan_out) * _kernel(role, shape)
    return {
        Fan.FAN_IN: fan_in,
        Fan.FAN_OUT: fan_out,
        Fan.MEAN: (fan_in + fan_out) / 2,
        Fan.SPECTRAL: fan_in**2 / min(fan_in, fan_out),
        **_stored(shape),
    }


def _kernel(role: ParameterRole, shape: Sequence[Fraction]) -> Fraction:
    """Places of a kernel: dimensions after the second that are contracted, all of them."""
    places = range(2, len(shape))
    return _product(shape[2:]) if set(places) <= set(role.fan_in) else Fraction(1)


def _stored(shape: Sequence[Fraction]) -> dict[Fan, Fraction]:
    """What ``torch.nn.init`` computes from the shape alone."""
    rows = {Fan.ROWS: shape[0]} if shape else {}
    if len(shape) < 2:
        return rows
    places = _product(shape[2:])
    fan_in, fan_out = shape[1] * places, shape[0] * places
    return {
        **rows,
        Fan.SECOND: shape[1],
        Fan.STORED_IN: fan_in,
        Fan.STORED_OUT: fan_out,
        Fan.STORED_MEAN: (fan_in + fan_out) / 2,
        Fan.LARGEST: max(shape[0], fan_in),
    }


def _product(sizes: Iterable[Fraction]) -> Fraction:
    return prod(sizes, start=Fraction(1))


def _beside(weight: Sizes) -> dict[Fan, Fraction]:
    names = {
        Fan.COMPANION: Fan.FAN_IN,
        Fan.STORED_COMPANION: Fan.STORED_IN,
        Fan.COMPANION_SECOND: Fan.SECOND,
    }
    return {mine: weight[its] for mine, its in names.items() if its in weight}


def _head(role: ParameterRole, classes: ClassSizes) -> tuple[Fraction, Fraction] | None:
    """Size of the innermost factor of the output dimension, here and at the base."""
    factors = [name for dim in role.fan_out for name in role.axes[dim]]
    if len(factors) < 2 or factors[-1] not in classes:
        return None
    here, base = classes[factors[-1]]
    return Fraction(here), Fraction(base)
