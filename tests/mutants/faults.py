"""Ports with one fault each: what to call it, and at which tensor.

Sites of attention have no parameter of their own; queries and keys stand for them too.
"""

from functools import partial

from torch.optim import SGD, Adam, AdamW

from tests.mutants import spoil
from tests.mutants.correct import DEEP, package
from tests.mutants.models.common import BASE, Made
from tests.mutants.models.conv import convnext, resnet
from tests.mutants.models.converted import gpt as converted_gpt
from tests.mutants.models.converted import mlp as converted_mlp
from tests.mutants.models.converted import with_muon
from tests.mutants.models.depth import residual
from tests.mutants.models.gpt import gpt, muon, sgd
from tests.mutants.models.llama import llama
from tests.mutants.models.lora import lora
from tests.mutants.models.mlp import TABLE8, TABLE9, anonymous, table, width_mult
from tests.mutants.models.moe import moe
from tests.mutants.models.odd import (
    buffers,
    cut,
    fixed_inner,
    loss_over_width,
    mean_field,
    parametrized,
    with_gradient_hook,
    with_loss,
    xavier,
)
from tests.mutants.models.others import (
    autoencoder,
    clipping,
    encoder,
    normed,
    shared,
    small,
    towers,
)
from tests.mutants.models.own_muon import own_muon
from tests.mutants.models.rnn import elman, recurrent
from tests.mutants.models.seq2seq import seq2seq
from tests.mutants.models.unit import unit
from tests.mutants.models.vit import vit
from tests.mutants.rows import Row

many_heads = partial(gpt, heads="count")
tied = partial(gpt, heads="count", tied=True)

MATRICES = (
    Row("MLP: hidden std falls as fan_in^-1", spoil.init(table, "second", -0.5), "MUP001", "second"),
    Row("MLP: hidden std constant", spoil.init(table, "third", 0.5), "MUP001", "third"),
    Row("MLP, SGD: hidden rate falls", spoil.rate(table, "second", -1), "MUP002", "second"),
    Row("MLP, SGD: hidden rate grows", spoil.rate(table, "third", 1), "MUP002", "third"),
    Row("MLP, Adam: a rate forgotten", spoil.rate(anonymous, "2.weight", 1), "MUP002", "2.weight"),
    Row("MLP, Adam: a rate divided twice", spoil.rate(anonymous, "4.weight", -1), "MUP002 MUP011", "4.weight"),
    Row("MLP: Table 9, hidden rate", spoil.rate(partial(table, form=TABLE9, optimizer="adam"), "second", 0.5), "MUP002", "second"),
    Row("GPT: one matrix forgotten", spoil.rate(gpt, "h.1.c_fc.weight", 1), "MUP002", "h.1.c_fc.weight"),
    Row("GPT: one rate multiplied, not divided", spoil.rate(gpt, "h.0.attn.c_attn.weight", 2), "MUP002", "h.0.attn.c_attn.weight"),
    Row("GPT: one projection's init", spoil.init(gpt, "h.0.attn.c_proj.weight", 0.5), "MUP001", "h.0.attn.c_proj.weight"),
    Row("GPT: down projection's init 1/width", spoil.init(many_heads, "h.1.c_proj.weight", -0.5), "MUP001", "h.1.c_proj.weight"),
    Row("GPT, SGD: rate of one matrix grows", spoil.rate(partial(many_heads, optimizer=sgd), "h.1.c_fc.weight", 1), "MUP002", "h.1.c_fc.weight"),
    Row("GPT, Muon: Adam's rule for Muon", partial(many_heads, optimizer=partial(muon, adjust="original", power=-1.0)), "MUP002 MUP011", "h.*.weight"),
    Row("GPT, Muon: scaled twice", partial(many_heads, optimizer=partial(muon, power=-1.0)), "MUP002 MUP011", "h.*.weight"),
    Row("GPT, Muon: adjustment not undone", partial(many_heads, optimizer=partial(muon, power=0.0)), "MUP002 MUP012", "h.*.weight"),
    Row("GPT, Muon written anew: Adam's rule for it", partial(many_heads, optimizer=partial(own_muon, power=-1.0)), "MUP017", "h.*.weight"),
    Row("Llama: keys' rate", spoil.rate(llama, "q.1.c.v.weight", 1), "MUP002", "q.1.c.v.weight"),
    Row("Llama: gate's rate", spoil.rate(llama, "q.0.d.weight", 0.5), "MUP002", "q.0.d.weight"),
    Row("Llama: down projection's std", spoil.init(llama, "q.1.f.weight", 0.5), "MUP001", "q.1.f.weight"),
    Row("ViT: values' rate", spoil.rate(vit, "blocks.0.attention.value.weight", 1), "MUP002", "blocks.0.attention.value.weight"),
    Row("ViT: values' std", spoil.init(vit, "blocks.1.attention.value.weight", 0.5), "MUP001", "blocks.1.attention.value.weight"),
    Row("ResNet: a convolution's rate", spoil.rate(resnet, "layer2.conv2.weight", -1), "MUP002", "layer2.conv2.weight"),
    Row("ResNet: shortcut's rate", spoil.rate(resnet, "layer2.shortcut.0.weight", 1), "MUP002", "layer2.shortcut.0.weight"),
    Row("ConvNeXt: pointwise rate", spoil.rate(convnext, "stages.1.up.weight", 1), "MUP002", "stages.1.up.weight"),
    Row("ConvNeXt: pointwise std", spoil.init(convnext, "stages.0.down.weight", 0.5), "MUP001", "stages.0.down.weight"),
    Row("ConvNeXt: depthwise as hidden", partial(convnext, depthwise=-1.0), "MUP002 MUP005 MUP006", "stages.?.depthwise.weight"),
    Row("MoE, SGD: experts as vectors", partial(moe, experts=1.0), "MUP002", "mixtures.*.w?"),
    Row("MoE, SGD: up by fan_out", spoil.rate(partial(moe, growth="root"), "mixtures.0.w1", 1), "MUP002", "mixtures.0.w1"),
    Row("MoE, Adam: down by fan_out", spoil.rate(partial(moe, growth="root", optimizer="adam"), "mixtures.1.w2", -0.5), "MUP002", "mixtures.1.w2"),
    Row("MoE, Adam: one block's experts", spoil.rate(partial(moe, optimizer="adam"), "mixtures.1.w1", 1), "MUP002", "mixtures.1.w1"),
    Row("MoE: experts' std", spoil.init(moe, "mixtures.0.w2", 0.5), "MUP001", "mixtures.0.w2"),
    Row("cross-attention: values' rate", spoil.rate(seq2seq, "cross.v.weight", 1), "MUP002", "cross.v.weight"),
    Row("cross-attention: keys' rate", spoil.rate(seq2seq, "cross.k.weight", 1), "MUP002", "cross.k.weight"),
    Row("encoder and decoder: feed-forward's std", spoil.init(seq2seq, "enc_ff.wo.weight", 0.5), "MUP001", "enc_ff.wo.weight"),
    Row("LSTM: recurrent rate", spoil.rate(recurrent, "cells.weight_hh_l0", 1), "MUP002", "cells.weight_hh_l0"),
    Row("LSTM: second layer's std", spoil.init(recurrent, "cells.weight_ih_l1", 0.5), "MUP001", "cells.weight_ih_l1"),
    Row("GRU: recurrent rate", spoil.rate(partial(recurrent, kind="gru"), "cells.weight_hh_l1", 1), "MUP002", "cells.weight_hh_l1"),
    Row("RNN, SGD: recurrent rate", spoil.rate(elman, "h2h.weight", 1), "MUP002", "h2h.weight"),
    Row("RNN: recurrent std", spoil.init(elman, "h2h.weight", 0.5), "MUP001", "h2h.weight"),
    Row("torch's encoder: fused projections' rate", spoil.rate(encoder, "layers.layers.0.self_attn.in_proj_weight", 1), "MUP002", "layers.layers.0.self_attn.in_proj_weight"),
    Row("torch's encoder: std of linear2", spoil.init(encoder, "layers.layers.1.linear2.weight", 0.5), "MUP001", "layers.layers.1.linear2.weight"),
    Row("weight_norm: a direction's rate", spoil.rate(normed, "layers.0.*original1", 1), "MUP002", "layers.0.*original1"),
    Row("one block used three times: its rate", spoil.rate(shared, "two.weight", 1), "MUP002", "two.weight"),
    Row("one block used three times: branches by width^-1/2", partial(shared, branch=-0.5), "MUP001 MUP002 MUP010 MUP012", "two.weight branch* *add*"),
    Row("Adagrad: hidden rate constant", spoil.rate(small, "2.weight", 1), "MUP002", "2.weight"),
    Row("u-muP: hidden rate 1/fan_in", partial(unit, hidden=-1.0), "MUP002", "blocks.* branch*", {"parametrization": "u_mup"}),
)  # fmt: skip

ENDS = (
    Row("MLP: readout std fan_in^-1/2", spoil.init(table, "last", 0.5), "MUP003", "last"),
    Row("MLP, SGD: readout rate constant", spoil.rate(table, "last", 1), "MUP003", "last"),
    Row("MLP, Table 8: readout rate constant", spoil.rate(partial(table, form=TABLE8), "last", -1), "MUP003", "last"),
    Row("MLP, Table 9: readout's rate", spoil.rate(partial(table, form=TABLE9, optimizer="adam"), "last", 0.5), "MUP003", "last"),
    Row("MLP, SGD: input rate constant", spoil.rate(table, "first", -1), "MUP005", "first"),
    Row("MLP: input std falls", spoil.init(partial(table, form=TABLE8), "first", -0.5), "MUP005", "first"),
    Row("MLP: readout as torch draws it", partial(anonymous, readout=-0.5), "MUP003 MUP012", "6.weight"),
    Row("MLP: readout counted twice", partial(anonymous, logits=-1.0), "MUP003 MUP011", "6.weight 6.bias"),
    Row("MLP: width_mult twice", partial(width_mult, twice=True), "MUP003 MUP011", "readout.weight"),
    Row("MLP: factor before the norm", partial(width_mult, before_norm=True), "MUP003 MUP012", "readout.weight"),
    Row("MLP: embedding rate falls", spoil.rate(width_mult, "embed.weight", -1), "MUP005", "embed.weight"),
    Row("GPT: logits never multiplied", partial(gpt, logits=0.0), "MUP003 MUP012", "lm_head.weight"),
    Row("GPT: logits times width^-1/2", partial(gpt, logits=-0.5), "MUP003", "lm_head.weight"),
    Row("GPT: logits factor before the norm", partial(gpt, side="before norm"), "MUP003 MUP012", "lm_head.weight"),
    Row("GPT: readout's rate falls as well", spoil.rate(gpt, "lm_head.weight", -1), "MUP003 MUP011", "lm_head.weight"),
    Row("GPT: double-counted readout", spoil.rate(spoil.init(gpt, "lm_head.weight", -1), "lm_head.weight", -1), "MUP011", "lm_head.weight"),
    Row("GPT: embedding std width^-1/2", spoil.init(gpt, "wte.weight", -0.5), "MUP005", "wte.weight"),
    Row("GPT: embedding std grows", spoil.init(many_heads, "wte.weight", 0.5), "MUP005", "wte.weight"),
    Row("GPT: positions as hidden", spoil.rate(gpt, "wpe.weight", -1), "MUP005", "wpe.weight"),
    Row("GPT, SGD: table's rate constant", spoil.rate(partial(many_heads, optimizer=sgd), "wte.weight", -1), "MUP005", "wte.weight"),
    Row("GPT: tied readout not multiplied", partial(tied, logits=0.0), "MUP007 MUP012", "wte.weight"),
    Row("GPT: tied table drawn smaller", spoil.init(tied, "wte.weight", -1), "MUP007", "wte.weight"),
    Row("GPT: tied table's rate falls", spoil.rate(tied, "wte.weight", -1), "MUP007", "wte.weight"),
    Row("GPT, SGD: tied table's rate constant", spoil.rate(partial(tied, optimizer=sgd), "wte.weight", -1), "MUP007", "wte.weight"),
    Row("Llama: output never multiplied", partial(llama, output=0.0), "MUP003 MUP012", "s.weight"),
    Row("Llama: table's rate falls", spoil.rate(llama, "p.weight", -1), "MUP005", "p.weight"),
    Row("ViT: head drawn with fan_in^-1/2", spoil.init(vit, "head.weight", 0.5), "MUP003", "head.weight"),
    Row("ViT: head's rate constant", spoil.rate(vit, "head.weight", 1), "MUP003", "head.weight"),
    Row("ViT: patches as hidden", spoil.rate(vit, "patch_embed.weight", -1), "MUP005", "patch_embed.weight"),
    Row("ViT: positions as hidden", spoil.rate(vit, "pos_embed", -1), "MUP005 MUP006", "pos_embed"),
    Row("ViT: class token as hidden", spoil.rate(vit, "cls_token", -1), "MUP005 MUP006", "cls_token"),
    Row("ResNet: stem by fan_out", partial(resnet, stem="fan_out"), "MUP005", "conv1.weight"),
    Row("ResNet: readout twice", partial(resnet, logits=-1.0), "MUP003 MUP011", "fc.weight fc.bias"),
    Row("ResNet: stem's rate constant", spoil.rate(resnet, "conv1.weight", -1), "MUP005", "conv1.weight"),
    Row("MoE, SGD: router's rate", partial(moe, gate=1.0), "MUP003", "mixtures.*.gate.weight"),
    Row("MoE, Adam: one router's rate", spoil.rate(partial(moe, optimizer="adam"), "mixtures.0.gate.weight", 1), "MUP003", "mixtures.0.gate.weight"),
    Row("MoE: one router's std", spoil.init(moe, "mixtures.1.gate.weight", 0.5), "MUP003", "mixtures.1.gate.weight"),
    Row("encoder and decoder: tied readout not multiplied", partial(seq2seq, logits=0.0), "MUP007 MUP012", "shared.weight"),
    Row("encoder and decoder: tied readout twice", partial(seq2seq, logits=-2.0), "MUP007 MUP011", "shared.weight"),
    Row("encoder and decoder: relative positions as hidden", spoil.rate(seq2seq, "enc_self.relative.weight", -1), "MUP005", "enc_self.relative.weight"),
    Row("LSTM: what reads the table shrinks", spoil.init(recurrent, "cells.weight_ih_l0", -0.5), "MUP005", "cells.weight_ih_l0"),
    Row("LSTM: readout's std", spoil.init(recurrent, "out.weight", 0.5), "MUP003", "out.weight"),
    Row("RNN: readout's rate", spoil.rate(elman, "out.weight", 1), "MUP003", "out.weight"),
    Row("adapters: down at the rate of up", partial(lora, down=0.0), "MUP003", "layers.?.down"),
    Row("adapters: up as hidden", spoil.rate(lora, "layers.1.up", -1), "MUP005", "layers.1.up"),
    Row("bottleneck: rate of the code", partial(autoencoder, code=0.0), "MUP003", "net.2.weight"),
    Row("bottleneck: std of the code", spoil.init(autoencoder, "net.2.weight", 0.5), "MUP003", "net.2.weight"),
    Row("bottleneck: what comes after it as hidden", spoil.rate(autoencoder, "net.4.weight", -1), "MUP005", "net.4.weight"),
    Row("torch's encoder: readout's rate", spoil.rate(encoder, "out.weight", 1), "MUP003", "out.weight"),
    Row("Llama: table times sqrt(width), rate kept", spoil.decay(spoil.init(partial(llama, table=0.5), "p.weight", -0.5), "p.weight", 0.5), "MUP005", "p.weight"),
    Row("Llama: table times sqrt(width)", partial(llama, table=0.5), "MUP005 MUP011 MUP012", "p.weight"),
    Row("a sum over the width by width^-1/2", partial(mean_field, mean=False), "MUP003", "a"),
    Row("a hook that was never registered", partial(buffers, hooked=False), "MUP003 MUP012", "three.weight"),
    Row("readout's parametrization by fan_in^-1/2", partial(parametrized, last=-0.5), "MUP003", "4.*"),
    Row("inner layers that do not grow, as hidden", partial(fixed_inner, as_hidden=True), "MUP005", "down.weight"),
    Row("input by Xavier's law", xavier, "MUP005", "0.weight"),
    Row("readout by Xavier's law", partial(xavier, which="last"), "MUP003", "4.weight"),
    Row("u-muP: readout fan_in^-1/2", partial(unit, readout=-0.5), "MUP003", "readout.weight", {"parametrization": "u_mup"}),
)  # fmt: skip

SITES = (
    Row("GPT: attention 1/sqrt(d), wider heads", partial(gpt, attention=-0.5), "MUP004", "*attn* attention*"),
    Row("GPT: attention 1/d^2, wider heads", partial(gpt, attention=-2.0), "MUP004 MUP011", "*attn* attention*"),
    Row("Llama: attention 1/sqrt(d) in the kernel", partial(llama, heads="dim", power=-0.5), "MUP004", "*.c.u.* *.c.v.* attention*"),
    Row("Llama, normed queries: attention 1/sqrt(d)", partial(llama, heads="dim", normed=True, power=-0.5), "MUP004", "*.c.* attention*"),
    Row("ViT: queries by 1/sqrt(d)", partial(vit, power=-0.5), "MUP004", "*query* *key* attention*"),
    Row("ViT: one query's std", spoil.init(vit, "blocks.0.attention.query.weight", 0.5), "MUP001 MUP004", "blocks.0.attention.query.weight attention*"),
    Row("mup: attention 1/sqrt(d)", package("attention"), "MUP004", "qkv.weight attention*", needs="mup"),
    Row("two towers: product by width^-1/2", partial(towers, power=-0.5), "MUP004 MUP003", "left* right* attention* *"),
    Row("depth: branches without a factor", partial(residual, branch=0.0), "MUP010 MUP012", "*", DEEP),
    Row("depth: branches by depth^-1/2", partial(residual, branch=-0.5), "MUP010", "*", DEEP),
    Row("depth: rates in branches fall", partial(residual, inside=-0.5), "MUP010 MUP002 MUP006", "*", DEEP),
    Row("depth, SGD: rates without a factor", partial(residual, optimizer="sgd", inside=-1.0), "MUP010 MUP002 MUP006", "*", DEEP),
)  # fmt: skip

VECTORS = (
    Row("MLP, SGD: a bias' rate as a matrix's", spoil.rate(table, "shift_2", -1), "MUP006", "shift_2"),
    Row("MLP, Adam: a bias' rate falls", spoil.rate(anonymous, "2.bias", -1), "MUP006", "2.bias"),
    Row("MLP: the readout's bias' rate falls", spoil.rate(anonymous, "6.bias", -1), "MUP006 MUP003", "6.bias"),
    Row("GPT: gains as matrices", spoil.rate(gpt, "h.0.ln_1.weight", -1), "MUP006", "h.0.ln_1.weight"),
    Row("GPT: the last norm's rate grows", spoil.rate(gpt, "ln_f.weight", 1), "MUP006", "ln_f.weight"),
    Row("GPT: biases as matrices", spoil.rate(gpt, "h.*.bias", -1), "MUP006", "h.*.bias"),
    Row("GPT, SGD: gains' rate constant", spoil.rate(partial(many_heads, optimizer=sgd), "h.1.ln_2.weight", -1), "MUP006", "h.1.ln_2.weight"),
    Row("GPT: a gain that grows", spoil.init(gpt, "h.1.ln_2.weight", 0.5), "MUP006 MUP001", "h.1.ln_2.weight h.1.c_fc.weight"),
    Row("Llama: a gain's rate", spoil.rate(llama, "q.0.a.weight", -1), "MUP006", "q.0.a.weight"),
    Row("ResNet: batch norm's rate constant", spoil.rate(resnet, "layer1.bn2.weight", -1), "MUP006", "layer1.bn2.weight"),
    Row("ConvNeXt: layer scale as hidden", spoil.rate(convnext, "stages.0.gamma", -1), "MUP006", "stages.0.gamma"),
    Row("MoE, SGD: experts' bias", spoil.rate(moe, "mixtures.0.b1", -1), "MUP006", "mixtures.0.b1"),
    Row("weight_norm: a gain's rate", spoil.rate(normed, "layers.1.*original0", -1), "MUP006", "layers.1.*original0"),
    Row("two towers: temperature's rate", spoil.rate(partial(towers, cosine=True), "temperature", -1), "MUP006", "temperature"),
    Row("LSTM: a bias' rate", spoil.rate(recurrent, "cells.bias_hh_l0", -1), "MUP006", "cells.bias_hh_l0"),
)  # fmt: skip

TRAINING = (
    Row("GPT: decay of matrices not scaled", spoil.decay(gpt, "h.*.weight", -1), "MUP008", "h.*.weight"),
    Row("GPT: one matrix' decay falls", spoil.decay(gpt, "h.1.c_fc.weight", -2), "MUP008", "h.1.c_fc.weight"),
    Row("GPT: the table's decay grows", spoil.decay(gpt, "wte.weight", 1), "MUP008", "wte.weight"),
    Row("ResNet, SGD: the readout's decay", spoil.decay(resnet, "fc.weight", -1), "MUP008", "fc.weight"),
    Row("GPT: eps not small", spoil.eps(gpt, "h.0.c_fc.weight", 0.0, at_base=1e-2), "MUP009", "h.0.c_fc.weight"),
    Row("ViT: eps grows", spoil.eps(vit, "blocks.1.up.weight", 1.0, at_base=1e-3), "MUP009", "blocks.1.up.weight"),
    Row("GPT: OneCycleLR with one peak", spoil.scheduled(gpt, spoil.one_cycle), "MUP013", "*"),
    Row("GPT: LambdaLR takes ratios out", spoil.scheduled(gpt, spoil.undone), "MUP013", "*"),
    Row("GPT: a warm-up at one rate", spoil.pinned_by_warm_up(gpt, 3e-3), "MUP013", "*"),
    Row("Llama, SGD: a warm-up at one rate", spoil.pinned_by_warm_up(partial(llama, optimizer="sgd"), 0.02), "MUP013", "*"),
    Row("MoE, SGD: gradients clipped by their norm", spoil.clipped_in_hook(moe, 1e-2), "MUP014", "*"),
    Row("MLP: gradients clipped by value", spoil.clipped_by_value(table, 1e-5), "MUP014", "*"),
    Row("SGD: a loss over the width", with_loss(table, loss_over_width), "MUP017", "*"),
    Row("SGD: gradients of one tensor scaled in a hook", with_gradient_hook(table, "second", 1.0), "MUP017", "second"),
    Row("a parameter behind detach", cut, "MUP015", "shift"),
    Row("GPT: cosine to one floor", spoil.scheduled(gpt, spoil.cosine_floor), "MUP013", "*"),
    Row("GPT: cosine to one floor, far away", spoil.scheduled(gpt, spoil.far_floor), "MUP013", "*"),
    Row("GPT: a constant number in eps' place, everywhere", spoil.eps(gpt, "*", 0.0, at_base=1e-2), "MUP009", "*"),
    Row("an optimizer that clips", clipping, "MUP014", "*"),
    Row("GPT: a matrix not in the optimizer", spoil.forgotten(gpt, "h.0.c_proj.weight"), "MUP015", "h.0.c_proj.weight"),
    Row("ViT: positions not in the optimizer", spoil.forgotten(vit, "pos_embed"), "MUP015", "pos_embed"),
    Row("MoE: an expert in two optimizers", spoil.twice(moe, "mixtures.1.w1", 0.1), "MUP015", "mixtures.1.w1"),
    Row("GPT: AdamW at one rate", spoil.one_rate(gpt), "MUP002 MUP016", "h.*.weight *"),
    Row("Llama: AdamW at one rate", spoil.one_rate(llama), "MUP002 MUP016", "q.* *"),
    Row("mup: shapes of its own", package("own shapes"), "MUP016", "*", needs="mup"),
    Row("mup: Adam of torch's", package("plain Adam"), "MUP002", "inner.[24].weight", needs="mup"),
    Row("mup: tied table rescaled as a readout", package("tied, not drawn again"), "MUP007", "wte.weight", needs="mup"),
    Row("mup: not rescaled", package("not rescaled"), "MUP003 MUP012 MUP001", "*", needs="mup"),
)  # fmt: skip


def plain_rates(width: int, seed: int = 0) -> Made:
    """A converted model whose optimizer does not know it."""
    model, _, batch, loss = converted_gpt(width, seed)
    return model, AdamW(model.parameters(), lr=3e-3), batch, loss


def unscaled(width: int, seed: int = 0) -> Made:
    """The model as its author wrote it: nothing was converted."""
    model, _, batch, loss = converted_mlp(width, seed, base=lambda own: own)
    return model, Adam(model.parameters(), lr=0.01), batch, loss


def reset(width: int, seed: int = 0) -> Made:
    """Converted, and then drawn again by the layer's own law."""
    made = converted_mlp(width, seed, optimizer=Adam, lr=0.01)
    made[0][4].reset_parameters()
    return made


def without_hooks(width: int, seed: int = 0) -> Made:
    """A tied readout whose hook was lost on the way."""
    made = converted_gpt(width, seed, tied=True, heads="count")
    for module in made[0].modules():
        module._forward_pre_hooks.clear()
        module._forward_hooks.clear()
    return made


CONVERTED = (
    Row("converted to its own width", partial(converted_mlp, base=lambda own: own), "MUP016", "*"),
    Row("converted to half its width", partial(converted_mlp, base=lambda own: own // 2), "MUP016", "*"),
    Row("converted to sqrt of its width", partial(converted_mlp, base=lambda own: round((own * BASE) ** 0.5)), "MUP001 MUP002 MUP003 MUP005 MUP006", "*"),
    Row("converted, an optimizer of torch's", plain_rates, "MUP002 MUP016", "h.*.weight *"),
    Row("never converted", unscaled, "MUP016", "*"),
    Row("converted, readout drawn again", reset, "MUP003", "4.weight"),
    Row("converted, hooks lost", without_hooks, "MUP007 MUP012", "wte.weight lm_head*"),
    Row("converted by sp", partial(converted_mlp, parametrization="sp"), "MUP016", "*"),
    Row("converted, a rate set back", spoil.rate(partial(converted_mlp, lowering="graph", gauge="unit", optimizer=AdamW, lr=0.01), "*2*weight", 0.5), "MUP002", "*2*weight"),
    Row("converted, Muon scaled twice", spoil.optimizer_rate(with_muon, 0, -0.5), "MUP002 MUP011", "h.*.weight"),
    Row("converted, a warm-up at one rate", spoil.pinned_by_warm_up(partial(converted_mlp, optimizer=SGD), 0.1), "MUP013", "*"),
)  # fmt: skip

FAULTS = (*MATRICES, *ENDS, *SITES, *VECTORS, *TRAINING, *CONVERTED)
