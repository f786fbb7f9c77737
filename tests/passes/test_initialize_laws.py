"""Recognising the law of one tensor from its values."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import init

from mupfx.core.axes import ParameterRole
from mupfx.core.init_law import Distribution, Fan, Fans, Law
from mupfx.core.vocabulary import Role, Status
from mupfx.passes.initialize import Context, Match, fans_of, recognise
from mupfx.passes.initialize.fit import fixed
from mupfx.tables.init_laws import MATRIX_LAWS, SHAPES
from tests.passes.drawn import draw, matrix_fans, role_of

WEIGHTS = [(512, 512), (2048, 512), (512, 2048), (300, 900), (128, 256)]
PLAIN = [law for law in MATRIX_LAWS if law.fan is not Fan.FAN_IN_HEAD]
CONSTANTS = (0.02, 0.01, 0.006)


def seen(values: Tensor, fans: Fans, base: Tensor | None = None) -> Match:
    return recognise("w", values, Context(fans), base)


def agrees(match: Match, growth: float) -> bool:
    """The right law, or a refusal that has it among its rivals."""
    fits = match.rivals if match.fit is None else (match.fit,)
    return any(math.isclose(fit.growth, growth, rel_tol=1e-9) for fit in fits)


@pytest.mark.parametrize("shape", WEIGHTS, ids=str)
@pytest.mark.parametrize("law", PLAIN, ids=lambda law: law.name)
def test_every_law_of_the_table(law: Law, shape: tuple[int, int]) -> None:
    base = shape[0] // 4, shape[1] // 4
    fans = matrix_fans(shape, base)
    std, growth = law.std(fans.target), law.growth(fans)
    assert std is not None
    assert growth is not None
    match = seen(draw(law.distribution, std, shape), fans)
    assert agrees(match, growth)
    assert match.status is not Status.CERTAIN or match.fit is not None


@pytest.mark.parametrize("grown", [(1, 1), (1, 4), (4, 1), (4, 4)], ids=str)
@pytest.mark.parametrize("law", PLAIN, ids=lambda law: law.name)
def test_axes_that_grow_apart(law: Law, grown: tuple[int, int]) -> None:
    """Laws of fan-in, fan-out and their mean are told apart where that matters."""
    shape = 640, 1280
    fans = matrix_fans(shape, (shape[0] // grown[0], shape[1] // grown[1]))
    std, growth = law.std(fans.target), law.growth(fans)
    assert std is not None
    assert growth is not None
    assert agrees(seen(draw(law.distribution, std, shape), fans), growth)


@pytest.mark.parametrize("distribution", SHAPES)
@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("width", [64, 256, 512, 768, 1024, 1600])
def test_usual_constants_are_no_fan_law(
    width: int, constant: float, distribution: Distribution
) -> None:
    fans = matrix_fans((width, width), (width // 4, width // 4))
    std = constant * SHAPES[distribution].nominal
    match = seen(draw(distribution, std, (width, width)), fans)
    assert match.fit is not None
    assert (match.fit.law.fan, match.fit.growth) == (Fan.ONE, 1.0)
    assert match.fit.std == pytest.approx(std, rel=1e-12)


@pytest.mark.parametrize(
    ("law", "width"),
    [("torch_linear", 100), ("lecun_normal", 400), ("lecun_normal", 2500), ("small_init", 1000)],
)
def test_collisions_are_ambiguous(law: str, width: int) -> None:
    """At these widths a law of the fan-in has a round std or bound."""
    found = next(known for known in MATRIX_LAWS if known.name == law)
    fans = matrix_fans((width, width), (width // 4, width // 4))
    std = found.std(fans.target)
    assert std is not None
    match = seen(draw(found.distribution, std, (width, width)), fans)
    assert match.fit is None
    assert {fit.growth for fit in match.rivals} == {1.0, 2.0}


@pytest.mark.parametrize("constant", [True, False])
def test_a_base_settles_a_collision(constant: bool) -> None:  # noqa: FBT001
    fans = matrix_fans((2500, 2500), (625, 625))
    base = draw(Distribution.NORMAL, 0.02 if constant else 0.04, (625, 625), seed=1)
    match = seen(draw(Distribution.NORMAL, 0.02, (2500, 2500)), fans, base)
    assert match.fit is not None
    assert match.fit.growth == (1.0 if constant else 2.0)


def test_what_the_module_documents_is_believed() -> None:
    fans = matrix_fans((100, 100), (25, 25))
    values = draw(Distribution.UNIFORM, 0.1 * SHAPES[Distribution.UNIFORM].nominal, (100, 100))
    assert seen(values, fans).fit is None
    match = recognise("w", values, Context(fans, documented=("torch_linear",)))
    assert match.fit is not None
    assert (match.fit.law.name, match.status) == ("torch_linear", Status.ASSUMED)


@pytest.mark.parametrize("std", [0.0173, 0.0337, 0.0036])
def test_a_std_that_nothing_explains(std: float) -> None:
    fans = matrix_fans((512, 512), (128, 128))
    match = seen(draw(Distribution.NORMAL, std, (512, 512)), fans)
    assert match.fit is None
    assert match.rivals == ()


@pytest.mark.parametrize(("ratio", "fan"), [(1.0, Fan.ONE), (2.0, Fan.FAN_IN)])
def test_the_base_shows_a_family(ratio: float, fan: Fan) -> None:
    """Any gain at all, where the std at the base is known too."""
    fans = matrix_fans((512, 1024), (512, 256))
    values = draw(Distribution.NORMAL, 0.0173, (512, 1024))
    base = draw(Distribution.NORMAL, 0.0173 * ratio, (512, 256), seed=1)
    match = seen(values, fans, base)
    assert match.fit is not None
    assert match.fit.law.fan is fan
    assert match.fit.growth == ratio


def test_a_base_of_another_law_explains_nothing() -> None:
    fans = matrix_fans((512, 512), (128, 128))
    base = draw(Distribution.NORMAL, 0.3, (128, 128), seed=1)
    assert seen(draw(Distribution.NORMAL, 0.02, (512, 512)), fans, base).fit is None


def test_trained_values() -> None:
    """Heavy tails are no initialisation."""
    values = draw(Distribution.NORMAL, 0.02, (512, 512))
    values *= 1 + 0.5 * draw(Distribution.NORMAL, 1.0, (512, 512), seed=1).abs()
    assert seen(values / values.std() * 0.02, matrix_fans((512, 512), (128, 128))).fit is None


@pytest.mark.parametrize("gain", [1.0, math.sqrt(2), 0.3])
@pytest.mark.parametrize("shape", [(256, 256), (1024, 256), (256, 1024)], ids=str)
def test_orthogonal_of_any_gain(shape: tuple[int, int], gain: float) -> None:
    base = shape[0] // 4, shape[1] // 4
    match = seen(init.orthogonal_(torch.empty(shape), gain), matrix_fans(shape, base))
    assert match.fit is not None
    assert (match.fit.law.name, match.fit.growth) == ("orthogonal", 2.0)
    assert match.fit.std == pytest.approx(gain / math.sqrt(max(shape)), rel=1e-4)


@pytest.mark.parametrize(
    "values", [torch.eye(64), init.dirac_(torch.empty(64, 64, 3)), torch.eye(64)[:, :32]]
)
def test_identities_are_orthogonal(values: Tensor) -> None:
    shape = tuple(values.shape)
    base = (shape[0] // 4, shape[1] // 4, *shape[2:])
    match = seen(values, matrix_fans(shape, base, tuple(range(1, len(shape)))))
    assert match.fit is not None
    assert (match.fit.law.name, match.fit.growth) == ("orthogonal", 2.0)


@pytest.mark.parametrize(("value", "law"), [(0.0, "zeros"), (1.0, "fill"), (1e-5, "fill")])
def test_one_value(value: float, law: str) -> None:
    match = seen(torch.full((8, 8), value), matrix_fans((8, 8), (2, 2)))
    assert match.fit is not None
    assert (match.fit.law.name, match.fit.std, match.fit.growth) == (law, 0.0, 1.0)
    assert match.status is Status.CERTAIN


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["torch_linear", "lecun_normal", "xavier_uniform"])
def test_low_precision(name: str, dtype: torch.dtype) -> None:
    law = next(law for law in MATRIX_LAWS if law.name == name)
    fans = matrix_fans((384, 512), (96, 128))
    std = law.std(fans.target)
    assert std is not None
    match = seen(draw(law.distribution, std, (384, 512)).to(dtype), fans)
    assert match.fit is not None
    assert match.fit.law.name == name


def test_padding_rows_and_sparse_values_do_not_count() -> None:
    values = draw(Distribution.NORMAL, 1.0, (100, 64))
    values[:10] = 0
    match = recognise("w", values, Context(matrix_fans((100, 64), (100, 16), (0,), (1,))))
    assert match.fit is not None
    assert match.fit.law.coefficient == 1.0


def test_nothing_on_the_meta_device() -> None:
    match = seen(torch.empty(8, 8, device="meta"), matrix_fans((8, 8), (2, 2)))
    assert (match.fit, match.sample, match.status) == (None, None, Status.UNKNOWN)


@pytest.mark.parametrize("values", [torch.full((8, 8), math.nan), torch.ones(8, 8).bool()])
def test_no_numbers_are_no_law(values: Tensor) -> None:
    assert seen(values, matrix_fans((8, 8), (2, 2))).fit is None


def test_values_are_only_read() -> None:
    values = nn.Parameter(draw(Distribution.NORMAL, 0.02, (64, 64)))
    before, version = values.detach().clone(), values._version
    seen(values, matrix_fans((64, 64), (16, 16)))
    assert torch.equal(values, before)
    assert values._version == version


def test_large_tensors_are_sampled_along_every_column() -> None:
    """A step that divides the row would see one column only."""
    values = draw(Distribution.NORMAL, 0.02, (4096, 1024))
    values[:, ::2] *= 3
    match = seen(values, matrix_fans((4096, 1024), (1024, 256)))
    assert match.sample is not None
    assert match.sample.std == pytest.approx(0.02 * math.sqrt(5), rel=0.02)


def test_transposed_convolutions_are_read_as_stored() -> None:
    """nn.ConvTranspose2d draws by 1/sqrt(out * k * k); kaiming_normal_ reads it so too."""
    layer, shape = nn.ConvTranspose2d(128, 80, 3), (128, 80, 3, 3)
    fans = matrix_fans(shape, (128, 20, 3, 3), (0, 2, 3), (1,))
    assert fans.target[Fan.FAN_IN] == 128 * 9
    assert fans.target[Fan.STORED_IN] == 80 * 9
    for values in (layer.weight, init.kaiming_normal_(torch.empty(shape))):
        match = seen(values, fans)
        assert match.fit is not None
        assert match.fit.law.fan is Fan.STORED_IN
        assert match.fit.growth == 2.0


def test_a_bias_goes_by_the_weight_beside_it() -> None:
    weight = role_of("l.weight", (128, 64, 3, 3), (128, 16, 3, 3), (0, 2, 3), (1,))
    bias = role_of("l.bias", (64,), (16,), (), (0,), "l.weight")
    roles = {"l.weight": weight, "l.bias": bias}
    fans = fans_of(bias, roles, {"l.weight": (128, 16, 3, 3), "l.bias": (16,)})
    assert fans.target[Fan.STORED_COMPANION] == 64 * 9
    torch.manual_seed(0)
    values = nn.ConvTranspose2d(128, 64, 3).bias
    assert values is not None
    match = recognise("l.bias", values, Context(fans, documented=("torch_linear", "torch_bias")))
    assert match.fit is not None
    assert (match.fit.law.name, match.fit.growth) == ("torch_bias", 2.0)


def test_kernels_count_in_both_fans() -> None:
    fans = matrix_fans((64, 32, 3, 3), (16, 8, 3, 3), (1, 2, 3), (0,))
    assert fans.target[Fan.FAN_IN] == 32 * 9
    assert fans.target[Fan.FAN_OUT] == 64 * 9
    stacked = matrix_fans((4, 32, 64), (4, 8, 16), (1,), (2,))
    assert stacked.target[Fan.FAN_IN] == 32
    assert stacked.target[Fan.FAN_OUT] == 64


def test_bases_need_not_be_whole() -> None:
    role = role_of("w", (6, 6), (4, 4))
    fans = fans_of(role, {"w": role}, {"w": (Fraction(5, 2), Fraction(5, 2))})
    assert fans.ratio(Fan.FAN_IN) == Fraction(12, 5)


def test_head_sizes() -> None:
    axes = (("heads", "head_dim"), ("width",))
    role = ParameterRole("q", (512, 256), axes, Role.HIDDEN, (1,), (0,), Status.CERTAIN, (), (), "")
    fans = fans_of(role, {"q": role}, {"q": (128, 64)}, {"head_dim": (64, Fraction(64))})
    match = recognise("q", draw(Distribution.NORMAL, (256 * 64) ** -0.5, (512, 256)), Context(fans))
    assert match.fit is not None
    assert (match.fit.law.name, match.fit.growth) == ("head_normal", 2.0)


@given(
    rows=st.integers(1, 400),
    columns=st.integers(1, 400),
    law=st.sampled_from(PLAIN),
    seed=st.integers(0, 1000),
)
def test_at_the_base_no_law_changes_anything(rows: int, columns: int, law: Law, seed: int) -> None:
    fans = matrix_fans((rows, columns), (rows, columns))
    std = law.std(fans.target)
    assert std is not None
    match = seen(draw(law.distribution, std, (rows, columns), seed), fans)
    assert match.rivals == ()
    assert match.fit is None or match.fit.growth == 1.0


@given(
    rows=st.integers(8, 300),
    columns=st.integers(8, 300),
    grown=st.sampled_from([(4, 4), (4, 1), (1, 4), (2, 3)]),
    law=st.sampled_from([law for law in MATRIX_LAWS if not law.surprise]),
    seed=st.integers(0, 10**6),
)
def test_any_weight_of_a_usual_law(
    rows: int, columns: int, grown: tuple[int, int], law: Law, seed: int
) -> None:
    """Never certain of a law that grows otherwise."""
    shape = rows * grown[0], columns * grown[1]
    fans = matrix_fans(shape, (rows, columns))
    std, growth = law.std(fans.target), law.growth(fans)
    assert std is not None
    assert growth is not None
    match = seen(draw(law.distribution, std, shape, seed), fans)
    assert match.status is not Status.CERTAIN or agrees(match, growth)


def test_fixed_fits_do_not_grow() -> None:
    assert fixed(Distribution.NORMAL, 0.02, 0.0).base_std == 0.02
