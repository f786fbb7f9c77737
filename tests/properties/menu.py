"""The menu: stems, steps and readouts by name, and the strategy that draws programs from it."""

from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.properties import image_steps, sequence_steps
from tests.properties.programs import Program, Scope, Sizes, Step
from tests.properties.spellings import LINEARS


def _width(scope: Scope) -> int:
    return scope.sizes.heads * scope.sizes.head


def tokens(scope: Scope, x: Tensor) -> Tensor:
    table = scope.weight("stem.table", scope.sizes.vocabulary, _width(scope), contracts=(0,))
    return functional.embedding(x, table)


def features(scope: Scope, x: Tensor) -> Tensor:
    return scope.linear("only", x, _width(scope))


def image(scope: Scope, x: Tensor) -> Tensor:
    return image_steps.conv(scope, "only", x, _width(scope))


def each(scope: Scope, x: Tensor) -> Tensor:
    """A score for every class at every position."""
    return scope.linear("only", x, scope.sizes.classes)


def tied(scope: Scope, x: Tensor) -> Tensor:
    """The embedding once more."""
    table = scope.weight("stem.table", scope.sizes.vocabulary, _width(scope), contracts=(0,))
    return LINEARS[scope.spelling](x, table)


def mean(scope: Scope, x: Tensor) -> Tensor:
    return each(scope, x.mean(1))


def last(scope: Scope, x: Tensor) -> Tensor:
    return each(scope, x[:, -1])


def flat(scope: Scope, x: Tensor) -> Tensor:
    return each(scope, x.flatten(1))


def space(scope: Scope, x: Tensor) -> Tensor:
    return each(scope, x.mean((2, 3)))


def learned_query(scope: Scope, x: Tensor) -> Tensor:
    """Positions pooled by how they fit a query."""
    query = scope.weight("query", x.shape[-1], contracts=(0,))
    return each(scope, ((x @ query).softmax(-1)[..., None] * x).sum(1))


STEMS: dict[str, Step] = {"tokens": tokens, "features": features, "image": image}
STEPS: dict[str, Step] = {**sequence_steps.STEPS, **image_steps.STEPS}
SEQUENCE_READOUTS: dict[str, Step] = {
    "each": each, "mean": mean, "last": last, "flat": flat, "learned query": learned_query,
}  # fmt: skip
IMAGE_READOUTS: dict[str, Step] = {"space": space, "flat": flat}
READOUTS: dict[str, Step] = {**SEQUENCE_READOUTS, **IMAGE_READOUTS, "tied": tied}


@st.composite
def programs(
    draw: st.DrawFn, *, max_steps: int = 4, sizes: Sizes | None = None, source: str | None = None
) -> Program:
    """Programs of a few steps over sequences or images."""
    source = source or draw(st.sampled_from(["tokens", "features", "image"]))
    menu = image_steps.STEPS if source == "image" else sequence_steps.STEPS
    step = st.tuples(st.sampled_from(sorted(menu)), st.sampled_from(sorted(LINEARS)))
    ends = sorted(IMAGE_READOUTS if source == "image" else SEQUENCE_READOUTS)
    return Program(
        source=source,
        steps=tuple(draw(st.lists(step, min_size=1, max_size=max_steps))),
        readout=draw(st.sampled_from([*ends, "tied"] if source == "tokens" else ends)),
        sizes=sizes or Sizes(),
    )


def single(name: str, spelling: str = "linear") -> Program:
    """The program of one step."""
    images = name in image_steps.STEPS
    return Program(
        "image" if images else "tokens", ((name, spelling),), "space" if images else "each"
    )
