"""The axes called width are those that grow when the same program is built wider."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import mupfx
from mupfx.testing import ModelSpec, models

ONE_SIZE = {
    "linear", "layer_norm", "rms_norm", "gain", "convolution", "residual_convolution",
    "depthwise", "pointwise",
}  # fmt: skip
"""Steps whose axes of width are all as long as the stream."""
ONE_STREAM = {
    "mlp", "attention", "fused_attention", "residual_convolution", "layer_norm", "rms_norm",
    "gain", "depthwise",
}  # fmt: skip
"""Steps that leave the stream what it was."""
EXPENSIVE = settings(max_examples=max(1, settings().max_examples // 2))


def width_dims(found: dict[str, Any]) -> dict[str, list[int]]:
    kinds = {name: c["kind"] for name, c in found["classes"].items()}
    return {
        name: [d for d, axis in enumerate(p["axes"]) if any(kinds[c] == "width" for c in axis)]
        for name, p in found["parameters"].items()
    }


def grown_dims(spec: ModelSpec) -> dict[str, list[int]]:
    """Dimensions that differ between one scale and the next."""
    wide = dict(spec.build(2)[0].named_parameters())
    narrow = dict(spec.build()[0].named_parameters())
    return {
        name: [d for d in range(p.ndim) if p.shape[d] != narrow[name].shape[d]]
        for name, p in wide.items()
    }


@EXPENSIVE
@given(models())
def test_width_is_what_grows(spec: ModelSpec) -> None:
    model, inputs = spec.build(2)
    found = mupfx.analyze(model, inputs, base=spec.build()[0]).to_dict()
    assert width_dims(found) == grown_dims(spec)


@EXPENSIVE
@given(models())
def test_width_of_one_instance_is_what_grows(spec: ModelSpec) -> None:
    """Whatever is called certain: something is where there is one size, or one stream."""
    model, inputs = spec.build(2)
    found = mupfx.analyze(model, inputs).to_dict()
    certain = {name for name, p in found["parameters"].items() if p["status"] == "certain"}
    expected, answers = grown_dims(spec), width_dims(found)
    assert {name: answers[name] for name in certain} == {name: expected[name] for name in certain}
    steps = set(spec.steps)
    if steps and (steps <= ONE_SIZE or steps <= ONE_STREAM):
        assert certain


@EXPENSIVE
@given(models(), st.integers(2, 4))
def test_ratios_are_those_of_the_sizes(spec: ModelSpec, scale: int) -> None:
    """Fan-in and fan-out ratios are one or the scale, and no role is left without its ratio."""
    model, inputs = spec.build(scale)
    found = mupfx.analyze(model, inputs, base=spec.build()[0])
    plan = mupfx.plan(mupfx.convert(model, inputs, base=spec.build()[0], strict=False))
    expected = {"input": (1, scale), "hidden": (scale, scale), "output": (scale, 1)}
    for name, row in plan.parameters.items():
        assert row.role == found.roles[name].role
        if row.role in expected:
            ratios = (int(row.fan_in_ratio), int(row.fan_out_ratio))
            assert ratios == expected[row.role], name
        assert {row.fan_in_ratio, row.fan_out_ratio} <= {1, scale}
