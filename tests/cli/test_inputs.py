"""Example inputs from text."""

import pytest
import torch
from inline_snapshot import snapshot

from mupfx.errors import TargetError
from mupfx.pipeline.inputs import inputs


@pytest.mark.parametrize(
    ("spec", "dtype", "sizes"),
    [
        ("float32[2,3]", torch.float32, (2, 3)),
        ("float32[2, 3]", torch.float32, (2, 3)),
        ("bfloat16[4]", torch.bfloat16, (4,)),
        ("float64[]", torch.float64, ()),
        ("bool[2]", torch.bool, (2,)),
        ("int64[2,16]<100", torch.int64, (2, 16)),
        ("uint8[3]<256", torch.uint8, (3,)),
        ("complex64[2]", torch.complex64, (2,)),
    ],
)
def test_positional(spec: str, dtype: torch.dtype, sizes: tuple[int, ...]) -> None:
    (value,), kwargs = inputs([spec])
    assert (value.dtype, tuple(value.shape), kwargs) == (dtype, sizes, {})


def test_keyword_and_order() -> None:
    args, kwargs = inputs(["int64[2]<5", "mask=bool[3]", "float32[4]"])
    assert [tuple(value.shape) for value in args] == [(2,), (4,)]
    assert tuple(kwargs["mask"].shape) == (3,)


def test_bound_is_kept_and_reached() -> None:
    (value,), _ = inputs(["int64[1000]<3"])
    assert set(value.tolist()) == {0, 1, 2}


def test_always_the_same_and_the_global_generator_untouched() -> None:
    state = torch.get_rng_state()
    assert torch.equal(inputs(["float32[5]"])[0][0], inputs(["float32[5]"])[0][0])
    assert torch.equal(state, torch.get_rng_state())


ERRORS = snapshot(
    {
        "int64": """\
`int64` is no input
  expected: [name=]dtype[sizes], with <bound for integers
  hint: --input 'int64[2,16]<100', in quotes\
""",
        "float33[2]": """\
`float33` is no dtype
  where: float33[2]
  expected: bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128\
""",
        "int64[2,16]": """\
integers need the bound that they stay below
  where: int64[2,16]
  hint: int64[2,16]<100\
""",
        "int64[2]<0": """\
no integer is below 0 and at least 0
  where: int64[2]<0\
""",
        "float32[2]<5": """\
only integers have a bound
  where: float32[2]<5\
""",
        "int8[2]<300": """\
299 does not fit into torch.int8
  where: int8[2]<300\
""",
        "x=bool[2] x=bool[2]": """\
input `x` is given twice
  where: x=bool[2]\
""",
    }
)


@pytest.mark.parametrize(
    "specs",
    [
        ["int64"],
        ["float33[2]"],
        ["int64[2,16]"],
        ["int64[2]<0"],
        ["float32[2]<5"],
        ["int8[2]<300"],
        ["x=bool[2]", "x=bool[2]"],
    ],
)
def test_errors(specs: list[str]) -> None:
    with pytest.raises(TargetError) as error:
        inputs(specs)
    assert str(error.value) == ERRORS[" ".join(specs)]
