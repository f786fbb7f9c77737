"""Roles, width axes, fans, factors, branches and depths of real architectures."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

import mupfx
from tests.zoo.models import encoder, gpt, small
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built
from tests.zoo.truth import CASES, Case, Expected

Found = Mapping[str, Any]

GROWING = {"heads", "kv_heads"}
SHARED_BY_GROWTH = {"group"}
"""Which of kv_heads and group grows is the user's choice: one instance cannot tell."""


@functools.cache
def inspected(name: str, *, based: bool) -> Found:
    """The analysis of a case at scale 2, alone or beside its module at scale 1."""
    build = CASES[name].build
    model, args, kwargs = build(2)
    base = build(1)[0] if based else None
    return mupfx.analyze(model, args, kwargs, base=base).to_dict()


@functools.cache
def names(name: str) -> tuple[str, ...]:
    return tuple(p for p, _ in CASES[name].build(1)[0].named_parameters())


def truth_of(case: Case, parameter: str) -> Expected:
    """The first pattern that fits."""
    return next(e for pattern, e in case.parameters.items() if fnmatch(parameter, pattern))


def is_width(found: Found, axis: list[str]) -> bool:
    return any(found["classes"][c]["kind"] == "width" for c in axis)


def differences(name: str, *, based: bool) -> Iterator[tuple[object, ...]]:
    """(parameter, what, found, expected) for everything that is not as it should be."""
    case, found = CASES[name], inspected(name, based=based)
    for parameter in names(name):
        got, want = found["parameters"][parameter], truth_of(case, parameter)
        if want.free and not based:
            continue
        for what, is_so, should_be in compared(found, got, want):
            if is_so != should_be:
                yield parameter, what, is_so, should_be


def compared(
    found: Found, got: Mapping[str, Any], want: Expected
) -> Iterator[tuple[str, object, object]]:
    """Every aspect of one parameter as (what, found, expected)."""
    width = [dim for dim, axis in enumerate(got["axes"]) if is_width(found, axis)]
    yield "width axes", width, want.width
    yield "role", got["role"], want.role
    if want.role in {"input", "hidden", "output"}:
        yield "fan-in", [d for d in got["fan_in"] if d in width], list(want.fan_in)
        yield "fan-out", [d for d in got["fan_out"] if d in width], list(want.fan_out)
    if want.branch is not None:
        yield "in a branch", got["branch"] is not None, want.branch
        yield "in a block", got["block"] is not None, want.branch


def factor_differences(name: str, *, based: bool) -> Iterator[tuple[object, ...]]:
    """The same for the factors of axes that the truth spells out."""
    case, found = CASES[name], inspected(name, based=based)
    for parameter in names(name):
        for dim, spelled in truth_of(case, parameter).factors.items():
            axis = found["parameters"][parameter]["axes"][dim]
            sizes = [found["classes"][c]["size"] for c in axis]
            if sizes != [case.sizes[factor] for factor in spelled.split()]:
                yield parameter, dim, sizes, spelled
                continue
            yield from kind_differences(found, parameter, axis, spelled, based=based)


def kind_differences(
    found: Found, parameter: str, axis: list[str], spelled: str, *, based: bool
) -> Iterator[tuple[object, ...]]:
    for factor, name in zip(spelled.split(), axis, strict=True):
        if factor in SHARED_BY_GROWTH and not based:
            continue
        kind = found["classes"][name]["kind"]
        if (kind == "width") != (factor in GROWING):
            yield parameter, factor, kind


@pytest.mark.parametrize("name", CASES)
def test_truth_speaks_of_every_parameter(name: str) -> None:
    case = CASES[name]
    used = {
        next((pattern for pattern in case.parameters if fnmatch(p, pattern)), f"nothing for {p}")
        for p in names(name)
    }
    assert used == set(case.parameters)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.record])
def test_truth_agrees_with_an_independent_record(name: str) -> None:
    """The record was taken by running the model and watching which axes products contract."""
    case = CASES[name]
    text = (Path(__file__).parent / "data" / f"{case.record}.json").read_text()
    record = json.loads(text)["parameters"]
    expected = {p: truth_of(case, p) for p in record}
    assert {p: e.width for p, e in expected.items()} == {p: r["width"] for p, r in record.items()}
    same = {"depthwise": "input", "input+output": "input"}
    assert {p: e.role for p, e in expected.items()} == {
        p: same.get(r["role"], r["role"]) for p, r in record.items()
    }
    one_way = {p: r for p, r in record.items() if r["role"] in {"input", "hidden", "output"}}
    assert {p: (list(expected[p].fan_in), list(expected[p].fan_out)) for p in one_way} == {
        p: (r["fan_in"], r["fan_out"]) for p, r in one_way.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_roles_beside_a_base(name: str) -> None:
    assert list(differences(name, based=True)) == []


@pytest.mark.parametrize("name", CASES)
def test_roles_of_one_instance(name: str) -> None:
    assert list(differences(name, based=False)) == []


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.sizes])
def test_factors_beside_a_base(name: str) -> None:
    assert list(factor_differences(name, based=True)) == []


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.sizes])
def test_factors_of_one_instance(name: str) -> None:
    assert list(factor_differences(name, based=False)) == []


@pytest.mark.parametrize("name", CASES)
def test_every_parameter_is_reached(name: str) -> None:
    found = inspected(name, based=False)
    assert found["unreached"] == []
    assert set(found["parameters"]) == set(names(name))


@pytest.mark.parametrize("name", CASES)
def test_tied_parameters_name_each_other(name: str) -> None:
    found = inspected(name, based=False)["parameters"]
    tied = {p: sorted(got["tied_to"]) for p, got in found.items() if got["tied_to"]}
    expected: dict[str, list[str]] = {}
    for first, other in CASES[name].tied:
        expected.setdefault(first, []).append(other)
    assert tied.keys() == expected.keys()
    for first, others in expected.items():
        assert set(others) <= set(tied[first])


@pytest.mark.parametrize("name", ["gpt", "gpt2", "t5", "bert", "mamba"])
def test_tied_readouts_list_both_uses(name: str) -> None:
    first = CASES[name].tied[0][0]
    uses = inspected(name, based=False)["parameters"][first]["uses"]
    assert sorted({use["role"] for use in uses}) == ["input", "output"]


TRANSFORMERS = [name for name, case in CASES.items() if case.depths and case.block_depths]


@pytest.mark.parametrize("name", [n for n in TRANSFORMERS if n != "resnet50"])
def test_depths(name: str) -> None:
    streams = sorted(
        (s["depth"], s["block_depth"]) for s in inspected(name, based=False)["streams"]
    )
    case = CASES[name]
    assert case.block_depths is not None
    assert streams == list(zip(case.depths, case.block_depths, strict=True))


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if not case.depths])
def test_no_stream_where_nothing_is_added_back(name: str) -> None:
    assert inspected(name, based=False)["streams"] == []


def test_depth_of_a_residual_net_whose_channels_change() -> None:
    """16 blocks of three convolutions, four of them with a projection for a shortcut."""
    streams = inspected("resnet50", based=False)["streams"]
    assert sum(s["depth"] for s in streams) == 16
    assert {s["block_depth"] for s in streams} == {3}


def test_depth_of_mamba() -> None:
    """Two mixers along the stream; the skip inside a mixer may count as a stream of its own."""
    found = inspected("mamba", based=False)
    stream = found["parameters"]["backbone.norm_f.weight"]["axes"][0]
    assert [s["depth"] for s in found["streams"] if [s["class"]] == stream] == [2]


@pytest.mark.parametrize("name", CASES)
def test_blocks_count_along_the_stream(name: str) -> None:
    """Blocks are numbered from zero without a gap."""
    found = inspected(name, based=False)
    blocks = {p["block"] for p in found["parameters"].values()} - {None}
    longest = max((s["depth"] for s in found["streams"]), default=0)
    assert blocks == set(range(len(blocks)))
    assert len(blocks) <= longest or name == "resnet50"


def test_layers_share_their_classes() -> None:
    """All layers read one stream, and rotary embeddings make their head sizes one."""
    parameters = inspected("llama", based=False)["parameters"]
    first, second = (parameters[f"model.layers.{i}.self_attn.q_proj.weight"] for i in (0, 1))
    assert first["axes"][1] == second["axes"][1]
    assert first["axes"][0][-1] == second["axes"][0][-1]
    assert parameters["model.layers.0.self_attn.k_proj.weight"]["axes"][0] == [
        first["axes"][0][0],
        first["axes"][0][2],
    ]


def test_llama_prints_its_factors() -> None:
    found = inspected("llama", based=False)
    axis = found["parameters"]["model.layers.0.self_attn.q_proj.weight"]["axes"][0]
    labels = [found["classes"][c]["label"] for c in axis]
    assert labels == ["kv_heads", "group", "head_dim"]


@pytest.mark.parametrize("name", CASES)
def test_finite_classes_have_a_reason(name: str) -> None:
    for found in (inspected(name, based=False), inspected(name, based=True)):
        for c in found["classes"].values():
            assert c["kind"] == "width" or c["reason"], c
            assert c["status"] in {"certain", "assumed", "unknown"}


@pytest.mark.parametrize("name", CASES)
def test_format(name: str) -> None:
    """The documented keys, in JSON, with axes that multiply up to the shape."""
    found = inspected(name, based=False)
    assert found["schema"] == 1
    assert json.loads(json.dumps(found)) == found
    assert {"schema", "capture", "classes", "parameters", "streams", "unreached"} <= set(found)
    wanted = {"shape", "axes", "role", "fan_in", "fan_out", "branch", "block", "tied_to", "status"}
    for parameter, got in found["parameters"].items():
        assert wanted <= set(got), parameter
        sizes = [[found["classes"][c]["size"] for c in axis] for axis in got["axes"]]
        assert [functools.reduce(int.__mul__, s, 1) for s in sizes] == got["shape"], parameter


GROWN_IN_SIZE: dict[str, tuple[Callable[..., Built], str, int | None]] = {
    "gpt": (gpt.gpt, "h.0.attn.c_attn.weight", 0),
    "gpt2": (hf.gpt2, "transformer.h.0.attn.c_attn.weight", 1),
    "encoder": (encoder.encoder, "encoder.layers.0.self_attn.in_proj_weight", 0),
    "einsum": (small.einsum_transformer, "wq", None),
}


def head_kinds(found: Found, parameter: str, dim: int | None) -> list[str]:
    """Kinds of (heads, head_dim)."""
    axes = found["parameters"][parameter]["axes"]
    axis = axes[dim][-2:] if dim is not None else [axes[1][0], axes[2][0]]
    return [found["classes"][c]["kind"] for c in axis]


@pytest.mark.parametrize("name", GROWN_IN_SIZE)
def test_heads_that_grow_in_size_because_the_base_says_so(name: str) -> None:
    build, parameter, dim = GROWN_IN_SIZE[name]
    model, args, kwargs = build(1, head_scale=2)
    found = mupfx.analyze(model, args, kwargs, base=build(1)[0]).to_dict()
    assert head_kinds(found, parameter, dim) == ["finite", "width"]
    case = CASES[name]
    roles = {p: got["role"] for p, got in found["parameters"].items()}
    assert roles == {p: truth_of(case, p).role for p in roles}


@pytest.mark.parametrize("name", GROWN_IN_SIZE)
def test_heads_that_grow_in_size_because_the_user_says_so(name: str) -> None:
    build, parameter, dim = GROWN_IN_SIZE[name]
    model, args, kwargs = build(1)
    found = mupfx.analyze(model, args, kwargs, grow="head_dim").to_dict()
    assert head_kinds(found, parameter, dim) == ["finite", "width"]


def test_depth_follows_the_number_of_layers() -> None:
    model, args, kwargs = hf.llama(1, layers=3)
    streams = mupfx.analyze(model, args, kwargs).to_dict()["streams"]
    assert [(s["depth"], s["block_depth"]) for s in streams] == [(6, 2)]
