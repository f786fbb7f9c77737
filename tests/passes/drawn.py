"""Tensors drawn from a law, parameters with sizes by hand, stock models as rows of a plan."""

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor, nn

from mupfx.core.axes import Axis, ParameterRole
from mupfx.core.init_law import Distribution, Fans
from mupfx.core.plan import InitPlan, ParameterPlan
from mupfx.core.power import Power
from mupfx.core.vocabulary import Role, Status
from mupfx.passes.initialize import fans_of
from mupfx.tables.init_laws import SHAPES

POWERS = {Role.HIDDEN: Power.of(fan_in="-1/2"), Role.OUTPUT: Power.of(fan_in=-1)}
Shape = tuple[int, ...]


def draw(distribution: Distribution, std: float, shape: Shape, seed: int = 0) -> Tensor:
    """Values of this std and shape."""
    torch.manual_seed(seed)
    raw, nominal = torch.empty(shape), std / SHAPES[distribution].nominal
    if distribution is Distribution.UNIFORM:
        return raw.uniform_(-nominal, nominal)
    if distribution is Distribution.NORMAL:
        return raw.normal_(0, nominal)
    cut = 2.0 if distribution is Distribution.TRUNCATED else 3.0
    return nn.init.trunc_normal_(raw, a=-cut, b=cut) * nominal


def role_of(  # noqa: PLR0913, PLR0917 - a row of a table
    name: str,
    shape: Shape,
    base: Shape,
    fan_in: Shape = (1,),
    fan_out: Shape = (0,),
    companion: str | None = None,
) -> ParameterRole:
    """A role from which dimensions grew."""
    into, out = ratio(shape, base, fan_in) != 1, ratio(shape, base, fan_out) != 1
    contracted = {
        (True, True): Role.HIDDEN,
        (True, False): Role.OUTPUT,
        (False, True): Role.INPUT,
        (False, False): Role.SCALAR,
    }[into, out]
    plain = Role.VECTOR if out else Role.SCALAR
    axes: tuple[Axis, ...] = tuple(() for _ in shape)
    return ParameterRole(
        name,
        shape,
        axes,
        contracted if fan_in else plain,
        fan_in,
        fan_out,
        Status.CERTAIN,
        (),
        (),
        "",
        companion=companion,
    )


def ratio(shape: Shape, base: Shape, dims: Shape) -> Fraction:
    """How much the dimensions grew together."""
    return math.prod((Fraction(shape[d], base[d]) for d in dims), start=Fraction(1))


def row(role: ParameterRole, base: Shape) -> ParameterPlan:
    """A row of the plan as ``assign`` makes it, in muP."""
    return ParameterPlan(
        name=role.name,
        shape=role.shape,
        role=role.role,
        fan_in_ratio=ratio(role.shape, base, role.fan_in),
        fan_out_ratio=ratio(role.shape, base, role.fan_out),
        depth_ratio=Fraction(1),
        init=InitPlan(None, None, None, 1.0, POWERS.get(role.role, Power())),
        multiplier=1.0,
        optimizers={},
        branch=None,
        tied_to=(),
        source="",
        evidence=(),
    )


def matrix_fans(
    shape: Shape, base: Shape, fan_in: Shape = (1,), fan_out: Shape = (0,), name: str = "w"
) -> Fans:
    """Sizes of one weight."""
    role = role_of(name, shape, base, fan_in, fan_out)
    return fans_of(role, {name: role}, {name: base})


Rows = tuple[dict[str, ParameterPlan], dict[str, Fans]]


def rows_of(model: nn.Module, base: nn.Module, heads: Mapping[str, int] | None = None) -> Rows:
    """Rows and sizes of every parameter of a stock model, from module types alone.

    Args:
        model: The model.
        base: The same, narrower.
        heads: Size of a head, by the end of a query's name.
    """
    shapes = {name: tuple(p.shape) for name, p in base.named_parameters()}
    roles: dict[str, ParameterRole] = {}
    for path, module in model.named_modules():
        for name, values in module.named_parameters(recurse=False):
            full = f"{path}.{name}" if path else name
            if full in shapes:
                roles[full] = _role(module, full, tuple(values.shape), shapes)
    classes = {}
    for ending, size in (heads or {}).items():
        classes[ending] = (size, Fraction(size))
        for name in [name for name in roles if name.endswith(ending)]:
            roles[name] = replace(roles[name], axes=(("heads", ending), ("width",)))
    fans = {name: fans_of(role, roles, shapes, classes) for name, role in roles.items()}
    return {name: row(role, shapes[name]) for name, role in roles.items()}, fans


def _role(module: nn.Module, name: str, shape: Shape, bases: Mapping[str, Shape]) -> ParameterRole:
    dims = _dims(module, name, shape)
    if dims is None:
        beside = name.replace("bias", "weight")
        matrix = beside != name and len(bases.get(beside, ())) > 1
        return role_of(
            name, shape, bases[name], (), tuple(range(len(shape))), beside if matrix else None
        )
    return role_of(name, shape, bases[name], *dims)


def _dims(module: nn.Module, name: str, shape: Shape) -> tuple[Shape, Shape] | None:
    """Contracted and remaining dimensions; None where nothing is contracted."""
    last = name.rsplit(".", 1)[-1]
    if len(shape) < 2 or last in {"A_log", "cls_token", "position_embeddings"}:
        return None
    places = tuple(range(2, len(shape)))
    if type(module).__name__ == "Conv1D" or isinstance(module, nn.Embedding):
        return (0,), (1,)
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d):
        return (0, *places), (1,)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Bilinear):
        return (1, *places), (0,)
    return ((2,), (1,)) if len(shape) == 3 else ((1,), (0,))
