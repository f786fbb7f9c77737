"""Ports of muP that are right, and hard to tell from wrong ones: no finding, and a pass."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch.optim import SGD, AdamW

from tests.mutants import spoil
from tests.mutants.models.common import Factory, Made
from tests.mutants.models.conv import convnext, resnet
from tests.mutants.models.converted import gpt as converted_gpt
from tests.mutants.models.converted import mlp as converted_mlp
from tests.mutants.models.converted import with_muon
from tests.mutants.models.depth import residual
from tests.mutants.models.gpt import gpt, muon, sgd
from tests.mutants.models.llama import llama
from tests.mutants.models.lora import lora
from tests.mutants.models.mlp import TABLE3, TABLE8, TABLE9, anonymous, table, width_mult
from tests.mutants.models.moe import moe
from tests.mutants.models.odd import (
    buffers,
    fixed_inner,
    mean_field,
    own_step,
    parametrized,
    xavier,
)
from tests.mutants.models.others import autoencoder, encoder, normed, shared, small, towers
from tests.mutants.models.own_muon import own_muon
from tests.mutants.models.rnn import elman, recurrent
from tests.mutants.models.seq2seq import seq2seq
from tests.mutants.models.unit import unit
from tests.mutants.models.vit import vit
from tests.mutants.rows import Row

DEPTHS = (2, 4, 8, 16)


def package(name: str) -> Factory:
    """A target of a package that may not be there: it is imported when it is called."""

    def target(width: int, seed: int = 0) -> Made:
        from tests.mutants.models import packages  # noqa: PLC0415

        return PACKAGED[name](packages)(width, seed)

    return target


PACKAGED: Mapping[str, Callable[[Any], Factory]] = {
    "MuSGD": lambda m: partial(m.perceptron, momentum=0.9),
    "MuAdam": lambda m: partial(m.perceptron, optimizer="MuAdam", lr=0.01),
    "zero readout": lambda m: partial(m.perceptron, zero=True, weight_decay=1e-3),
    "transformer": lambda m: m.transformer,
    "tied transformer": lambda m: partial(m.transformer, tied=True, impl="MuAdam"),
    "tied, not drawn again": lambda m: partial(m.transformer, tied=True, redrawn=False),
    "not rescaled": lambda m: partial(m.perceptron, rescale=False),
    "own shapes": lambda m: partial(m.perceptron, set_shapes=False),
    "plain Adam": lambda m: _with_plain_adam(m.perceptron),
    "attention": lambda m: partial(m.transformer, power=-0.5),
}


def _with_plain_adam(perceptron: Factory) -> Factory:
    def target(width: int, seed: int = 0) -> Made:
        model, _, batch, loss = perceptron(width, seed)
        return model, torch.optim.Adam(model.parameters(), lr=0.01), batch, loss

    return target


DEEP = {"depths": DEPTHS, "parametrization": "completep"}

CORRECT = (
    Row("Table 3, SGD", partial(table, form=TABLE3)),
    Row("Table 8, SGD", partial(table, form=TABLE8)),
    Row("Table 9, SGD", partial(table, form=TABLE9)),
    Row("Table 3, Adam", partial(table, form=TABLE3, optimizer="adam")),
    Row("Table 8, AdamW", partial(table, form=TABLE8, optimizer="adamw")),
    Row("Table 9, Adam", partial(table, form=TABLE9, optimizer="adam")),
    Row("no names, torch's biases", anonymous),
    Row("width_mult in forward", width_mult),
    Row("model and optimizer alone", spoil.only(anonymous, 2), check={"inputs": "float32[8,16]"}),
    Row("GPT, wider heads", gpt),
    Row("GPT, more heads, tied", partial(gpt, heads="count", tied=True)),
    Row("GPT, factor before the readout", partial(gpt, side="before")),
    Row("GPT, SGD, tied", partial(gpt, heads="count", tied=True, optimizer=sgd)),
    Row("GPT, SGD", partial(gpt, heads="count", optimizer=sgd)),
    Row("GPT, Muon", partial(gpt, heads="count", tied=True, optimizer=muon)),
    Row("GPT, Muon written anew", partial(gpt, heads="count", optimizer=own_muon)),
    Row(
        "GPT, Muon's own adjustment",
        partial(gpt, heads="count", optimizer=partial(muon, adjust="original", power=0.0)),
    ),
    Row("GPT, rates by a schedule", spoil.scheduled(gpt, spoil.warm_up_each)),
    Row("GPT, OneCycleLR with a peak a group", spoil.scheduled(gpt, spoil.one_cycle_each)),
    Row("GPT, constant factor", spoil.scheduled(gpt, spoil.constant_each)),
    Row("GPT, readout from zero", spoil.zeroed(gpt, "lm_head.weight")),
    Row("Llama, grouped queries", llama),
    Row("Llama, wider heads, normed queries", partial(llama, heads="dim", normed=True)),
    Row("Llama, wider heads", partial(llama, heads="dim")),
    Row("Llama, SGD", partial(llama, optimizer="sgd")),
    Row("ViT", vit),
    Row("ViT, norms after sums, mean pooling", partial(vit, post=True, pool="mean")),
    Row("ViT, head and queries from zero", partial(vit, zero_head=True, zero_query=True)),
    Row("ResNet, SGD", resnet),
    Row("ConvNeXt", convnext),
    Row("MoE, SGD", moe),
    Row("MoE, Adam", partial(moe, optimizer="adam")),
    Row("MoE, experts as the root of the width, Adam", partial(moe, growth="root", optimizer="adam")),
    Row("MoE, experts as the root of the width, SGD", partial(moe, growth="root")),
    Row("encoder and decoder, tied", seq2seq),
    Row("LSTM", recurrent),
    Row("GRU", partial(recurrent, kind="gru")),
    Row("RNN by hand, SGD", elman),
    Row("adapters", lora),
    Row("torch's encoder layers, dropout", encoder),
    Row("a bottleneck, RMSprop", autoencoder),
    Row("weight_norm", normed),
    Row("one block used three times, in parallel, AdamW as it comes", shared),
    Row("two towers", towers),
    Row("a mean over the width", mean_field),
    Row("factors in a buffer, a hook and a shape", buffers),
    Row("factors in parametrizations of weights", parametrized),
    Row("a stream that grows around layers that do not", fixed_inner),
    Row("Xavier's law between widths", partial(xavier, which="none")),
    Row("an optimizer of one's own that divides in its step", own_step),
    Row("GPT, cosine to zero", spoil.scheduled(gpt, spoil.cosine)),
    Row("two towers, cosine", partial(towers, cosine=True)),
    Row("Adagrad", small),
    Row("amsgrad, orthogonal", partial(small, optimizer="adam, amsgrad", normal=False)),
    Row("ViT, attention's factor in the queries", spoil.rate(spoil.init(partial(vit, power=-0.5), "*query*", -0.5), "*query*", -0.5)),
    Row("Llama, table times the root of the width", spoil.decay(spoil.rate(spoil.init(partial(llama, table=0.5), "p.weight", -0.5), "p.weight", -0.5), "p.weight", 0.5)),
    Row("u-muP by hand", unit, check={"parametrization": "u_mup"}),
    Row("CompleteP in depth, AdamW", residual, check=DEEP),
    Row("CompleteP in depth, SGD", partial(residual, optimizer="sgd"), check=DEEP),
    Row(
        "depth-muP in depth",
        partial(residual, branch=-0.5, inside=-0.5),
        check={"depths": DEPTHS, "parametrization": "depth_mup"},
    ),
    Row("mup: MuSGD", package("MuSGD"), needs="mup"),
    Row("mup: MuAdam", package("MuAdam"), needs="mup"),
    Row("mup: MuSGD, zero readout, decay", package("zero readout"), needs="mup"),
    Row("mup: transformer", package("transformer"), needs="mup"),
    Row("mup: tied transformer", package("tied transformer"), needs="mup"),
    Row("converted", converted_mlp),
    Row("converted, gauge mup", partial(converted_mlp, gauge="mup")),
    Row("converted, gauge unit", partial(converted_mlp, gauge="unit", optimizer=AdamW, lr=0.01)),
    Row("converted, graph", partial(converted_mlp, lowering="graph", gauge="unit")),
    Row("converted GPT", converted_gpt),
    Row("converted GPT, tied, gauge mup", partial(converted_gpt, tied=True, gauge="mup")),
    Row("converted GPT, SGD", partial(converted_gpt, heads="count", optimizer=SGD, lr=0.1)),
    Row("converted GPT, Muon", with_muon),
)  # fmt: skip
