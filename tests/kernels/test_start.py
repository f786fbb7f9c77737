"""All parameters of a model at once, parts of them by other laws, and whose they are."""

import pytest
import torch
from torch.distributed.tensor import Shard

from mupfx.errors import InitError
from mupfx.kernels.draw import constant, normal, uniform
from mupfx.kernels.fill import Job, fill_
from mupfx.kernels.start import Start, start_
from tests.kernels.spread import here, process, spread

SHAPE = (6, 4)
PADDING = ((1, 1, 1), (0, 4, 1))
FORGET = ((2, 4, 1), (0, 4, 1))
CORNER = ((4, 2, 1), (1, 2, 2))
TABLE = {
    "plain": Start(SHAPE, normal(0.5)),
    "padded": Start(SHAPE, normal(0.5), ((PADDING, constant(0.0)),)),
    "parts": Start(SHAPE, normal(0.5), ((FORGET, constant(1.0)), (CORNER, uniform(5.0, 6.0)))),
    "twin": Start(SHAPE, normal(0.5), like="plain"),
}


def filled() -> dict[str, torch.Tensor]:
    tensors = {name: torch.zeros(SHAPE) for name in TABLE}
    start_(tensors, TABLE, seed=4)
    return tensors


def alone(name: str) -> torch.Tensor:
    out = torch.zeros(SHAPE)
    fill_([Job(out, normal(0.5), name)], seed=4)
    return out


def test_every_parameter_has_its_law() -> None:
    found = filled()
    assert torch.equal(found["plain"], alone("plain"))
    assert torch.equal(found["twin"], alone("plain"))
    padded = alone("padded")
    padded[1] = 0
    assert torch.equal(found["padded"], padded)


def test_a_later_part_is_over_an_earlier_one() -> None:
    found, whole = filled()["parts"], alone("parts")
    assert torch.equal(found[:2], whole[:2])
    assert (found[2:4] == 1).all()
    assert (found[4:, ::2] == 1).all()
    assert ((found[4:, 1::2] > 5) & (found[4:, 1::2] < 6)).all()


@pytest.mark.parametrize("dim", [0, 1])
def test_parts_of_what_is_spread(dim: int) -> None:
    whole = filled()
    for rank in range(4):
        with process(rank, (4,)) as mesh:
            mine = {n: spread(torch.zeros(SHAPE), mesh, [Shard(dim)]) for n in TABLE}
            start_(mine, TABLE, seed=4)
            wanted = {n: spread(whole[n], mesh, [Shard(dim)]) for n in TABLE}
            assert all(torch.equal(here(mine[n]), here(wanted[n])) for n in TABLE)


def test_another_model_is_refused() -> None:
    tensors = {name: torch.zeros(SHAPE) for name in TABLE}
    with pytest.raises(InitError, match="only here or only there: more, twin"):
        start_({"more" if n == "twin" else n: t for n, t in tensors.items()}, TABLE, seed=0)
    tensors["plain"] = torch.zeros(4, 6)
    with pytest.raises(InitError, match="where: plain\n  expected: \\(6, 4\\)"):
        start_(tensors, TABLE, seed=0)
    assert all(not tensor.any() for tensor in tensors.values())
