"""What tools that follow autograd, modules or names stumble over, each with its truth by hand.

``"3 10* 7, 70*  hidden 1 -> 0"``: axes as factors, ``*`` on those that grow; then the role, the
dimensions contracted or looked up, and those kept. Layers are one line, and must all agree.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

import mupfx
from tests.zoo.models import hard
from tests.zoo.models import hugging_face as hf
from tests.zoo.models.common import Built

GQA = {
    "model.embed_tokens.weight": "97, 132*  input 0 -> 1",
    "model.layers.N.input_layernorm.weight": "132*  vector -> 0",
    "model.layers.N.self_attn.q_proj.weight": "6* 2 10, 132*  hidden 1 -> 0",
    "model.layers.N.self_attn.k_proj.weight": "6* 10, 132*  hidden 1 -> 0",
    "model.layers.N.self_attn.v_proj.weight": "6* 10, 132*  hidden 1 -> 0",
    "model.layers.N.self_attn.o_proj.weight": "132*, 6* 2 10  hidden 1 -> 0",
    "model.layers.N.post_attention_layernorm.weight": "132*  vector -> 0",
    "model.norm.weight": "132*  vector -> 0",
    "lm_head.weight": "97, 132*  output 1 -> 0",
}
LLAMA = GQA | {
    "model.layers.N.mlp.gate_proj.weight": "58*, 132*  hidden 1 -> 0",
    "model.layers.N.mlp.up_proj.weight": "58*, 132*  hidden 1 -> 0",
    "model.layers.N.mlp.down_proj.weight": "132*, 58*  hidden 1 -> 0",
}
MIXTRAL = {name: row.replace("132", "144") for name, row in GQA.items()} | {
    "model.layers.N.mlp.gate.weight": "7, 144*  output 1 -> 0",
    "model.layers.N.mlp.experts.gate_up_proj": "7, 2 56*, 144*  hidden 2 -> 1",
    "model.layers.N.mlp.experts.down_proj": "7, 144*, 56*  hidden 2 -> 1",
}
CONV1D = {
    "transformer.wte.weight": "97, 70*  input 0 -> 1, output 1 -> 0",
    "transformer.wpe.weight": "31, 70*  input 0 -> 1",
    "transformer.h.N.ln_1.weight": "70*  vector -> 0",
    "transformer.h.N.ln_1.bias": "70*  vector -> 0",
    "transformer.h.N.attn.c_attn.weight": "70*, 3 10* 7  hidden 0 -> 1",
    "transformer.h.N.attn.c_attn.bias": "3 10* 7  vector -> 0",
    "transformer.h.N.attn.c_proj.weight": "10* 7, 70*  hidden 0 -> 1",
    "transformer.h.N.attn.c_proj.bias": "70*  vector -> 0",
    "transformer.h.N.ln_2.weight": "70*  vector -> 0",
    "transformer.h.N.ln_2.bias": "70*  vector -> 0",
    "transformer.h.N.mlp.c_fc.weight": "70*, 114*  hidden 0 -> 1",
    "transformer.h.N.mlp.c_fc.bias": "114*  vector -> 0",
    "transformer.h.N.mlp.c_proj.weight": "114*, 70*  hidden 0 -> 1",
    "transformer.h.N.mlp.c_proj.bias": "70*  vector -> 0",
    "transformer.ln_f.weight": "70*  vector -> 0",
    "transformer.ln_f.bias": "70*  vector -> 0",
}
MAMBA = {
    "backbone.embeddings.weight": "97, 46*  input 0 -> 1, output 1 -> 0",
    "backbone.layers.N.norm.weight": "46*  vector -> 0",
    "backbone.layers.N.mixer.A_log": "92*, 5  vector -> 0 1",
    "backbone.layers.N.mixer.D": "92*  vector -> 0",
    "backbone.layers.N.mixer.conv1d.weight": "92*, 1, 4  input 2 -> 0 1",
    "backbone.layers.N.mixer.conv1d.bias": "92*  vector -> 0",
    "backbone.layers.N.mixer.in_proj.weight": "2 92*, 46*  hidden 1 -> 0",
    "backbone.layers.N.mixer.x_proj.weight": "13, 92*  output 1 -> 0",
    "backbone.layers.N.mixer.dt_proj.weight": "92*, 3  input 1 -> 0",
    "backbone.layers.N.mixer.dt_proj.bias": "92*  vector -> 0",
    "backbone.layers.N.mixer.out_proj.weight": "46*, 92*  hidden 1 -> 0",
    "backbone.norm_f.weight": "46*  vector -> 0",
}
PRODUCTS = {
    "table": "97, 46*  input 0 -> 1",
    "q": "46*, 6* 2, 7  hidden 0 -> 1 2",
    "kv": "2, 46*, 6*, 7  hidden 1 -> 0 2 3",
    "o": "6* 2, 7, 46*  hidden 0 1 -> 2",
    "up": "46*, 82*  hidden 0 -> 1",
    "down": "82*, 46*  hidden 0 -> 1",
    "left": "46*, 46*  hidden 1 -> 0",
    "gate": "46*  output 0 ->",
    "readout": "46*, 13  output 0 -> 1",
}
BARE = {
    "table": "97, 46*  input 0 -> 1",
    "gain": "46*  vector -> 0",
    "qkv": "3 12* 7, 46*  hidden 1 -> 0",
    "proj": "46*, 12* 7  hidden 1 -> 0",
    "up": "82*, 46*  hidden 1 -> 0",
    "shift": "82*  vector -> 0",
    "down": "46*, 82*  hidden 1 -> 0",
    "kernel": "46*, 46*, 3  hidden 1 2 -> 0",
    "readout": "13, 46*  output 1 -> 0",
    "offset": "13  scalar -> 0",
}
TIED = {
    "embed.weight": "97, 46*  input 0 -> 1, output 1 -> 0",
    "inner.weight": "46*, 46*  hidden 1 -> 0",
    "inner.bias": "46*  vector -> 0",
}
DETACHED = {
    "codes": "19, 46*  output 1 -> 0",  # chosen by the model, not by data: its lookup sums nothing
    "embed.weight": "97, 46*  input 0 -> 1",
    "side.weight": "82*, 46*  hidden 1 -> 0",
    "side.bias": "82*  vector -> 0",
    "back.weight": "46*, 82*  hidden 1 -> 0",
    "back.bias": "46*  vector -> 0",
    "frozen.weight": "62*, 46*  hidden 1 -> 0",
    "frozen.bias": "62*  vector -> 0",
    "mix.weight": "46*, 62*  hidden 1 -> 0",
    "mix.bias": "46*  vector -> 0",
    "round.weight": "46*, 46*  hidden 1 -> 0",
    "round.bias": "46*  vector -> 0",
    "head.weight": "13, 46*  output 1 -> 0",
    "head.bias": "13  scalar -> 0",
    "probe.weight": "5, 46*  output 1 -> 0",
    "probe.bias": "5  scalar -> 0",
}
DATA = {
    "embed.weight": "97, 46*  input 0 -> 1",
    "inner.weight": "46*, 46*  hidden 1 -> 0",
    "inner.bias": "46*  vector -> 0",
    "head.weight": "13, 46*  output 1 -> 0",
    "head.bias": "13  scalar -> 0",
}

CASES: Mapping[str, tuple[Callable[[int], Built], Mapping[str, str]]] = {
    "grouped queries": (hf.llama, LLAMA),
    "experts": (hf.mixtral, MIXTRAL),
    "weights stored (in, out)": (hf.gpt2, CONV1D),
    "a projection split into unequal parts": (hf.mamba, MAMBA),
    "einsum and products": (hard.products, PRODUCTS),
    "linear on bare parameters": (hard.bare, BARE),
    "tied by a module": (partial(hard.tied, spelling="module"), TIED),
    "tied by linear": (partial(hard.tied, spelling="linear"), TIED),
    "tied by a transpose": (partial(hard.tied, spelling="product"), TIED),
    "tied by einsum": (partial(hard.tied, spelling="einsum"), TIED),
    "detached branches": (hard.detached, DETACHED),
    "a branch cut by its data": (hard.data, DATA),
}


def rows(found: Mapping[str, Any]) -> dict[str, str]:
    """Every parameter in the notation above; layers under one name."""
    said: dict[str, set[str]] = {}
    for name, parameter in found["parameters"].items():
        said.setdefault(re.sub(r"\.\d+\.", ".N.", name), set()).add(row(found, parameter))
    return {name: " | ".join(sorted(each)) for name, each in said.items()}


def row(found: Mapping[str, Any], parameter: Mapping[str, Any]) -> str:
    axes = ", ".join(axis(found, names) for names in parameter["axes"])
    uses = parameter.get("uses") or [parameter]
    return f"{axes}  {', '.join(use(each) for each in uses)}"


def axis(found: Mapping[str, Any], names: list[str]) -> str:
    classes = [found["classes"][name] for name in names]
    return " ".join(f"{c['size']}{'*' if c['kind'] == 'width' else ''}" for c in classes) or "1"


def use(found: Mapping[str, Any]) -> str:
    return " ".join(map(str, [found["role"], *found["fan_in"], "->", *found["fan_out"]]))


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = found.keys() | wanted.keys()
    pairs = {name: (found.get(name, "missing"), wanted.get(name, "missing")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("based", [False, True], ids=["alone", "beside a base"])
@pytest.mark.parametrize("name", CASES)
def test_axes_and_roles(name: str, based: bool) -> None:  # noqa: FBT001 - pytest gives it
    build, wanted = CASES[name]
    model, args, kwargs = build(2)
    base = build(1)[0] if based else None
    found = mupfx.analyze(model, args, kwargs, base=base).to_dict()
    assert differences(rows(found), wanted) == {}
    assert found["unreached"] == []


def test_a_difference_is_told() -> None:
    """The comparison can fail: a role, a factor that does not grow, a parameter that is missing."""
    model, args, _ = hard.bare(2)
    found = rows(mupfx.analyze(model, args).to_dict())
    wrong = BARE | {"up": "82*, 46*  output 1 -> 0", "qkv": "3 12 7, 46*  hidden 1 -> 0", "b": ""}
    assert differences(found, wrong).keys() == {"up", "qkv", "b"}
