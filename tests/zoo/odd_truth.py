"""What is true of unusual models, worked out by hand from their code.

``"W": output(0)``: dimension 0 is summed over and grows, nothing else grows. ``free`` entries have
an axis that only a constant in the code keeps finite, or that grows only because this way of
growing was chosen: one instance cannot tell. ``several`` is a tensor that is used in two roles.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tests.zoo.models.common import Built
from tests.zoo.models.odd import (
    additive_model,
    capsules,
    crf_tagger,
    diffusion_unet,
    edge_transformer,
    energy_sampler,
    equilibrium,
    factorization_machine,
    fast_weights,
    fourier_operator,
    hashed_experts,
    hypernetwork,
    implicit_filters,
    mixture_of_depths,
    mixture_of_softmaxes,
    neural_ode,
    normalizing_flow,
    pair_stack,
    peephole_rnn,
    pointer_generator,
    prefix_adapters,
    product_keys,
    quaternions,
    recurrent_convolution,
    reservoir,
    set_transformer,
    slot_attention,
    soft_trees,
    spiking,
    spline_network,
    tensor_train,
    turing_machine,
    vector_neurons,
)
from tests.zoo.truth import Expected, given, hidden, output, scalar, vector


def several(*dims: int) -> Expected:
    """Used in more than one role; only its width axes are compared."""
    return Expected("several", (), dims)


@dataclass(frozen=True)
class OddCase:
    """A model, the way it grows, and its truth by the first pattern that fits."""

    build: Callable[[int], Built]
    parameters: Mapping[str, Expected]
    alone: bool = True
    """False where this way of growing is not the one an instance suggests."""


CONTROLLER = {
    "h0": vector(1),
    "c0": vector(1),
    "memory": scalar(free=True),
    "read0": scalar(free=True),
    "controller.weight_ih": given(0, free=True),
    "controller.weight_hh": hidden(1, 0),
    "controller.bias_?h": vector(),
    "reader.weight": output(1, free=True),
    "writer.weight": output(1, free=True),
    "*er.bias": scalar(free=True),
    "out.weight": output(1),
    "out.bias": scalar(),
}

CONTROLLER_AND_CELLS = CONTROLLER | {
    "memory": several(1),
    "read0": vector(1),
    "controller.weight_ih": hidden(1, 0),
    "reader.weight": hidden(1, 0),
    "writer.weight": hidden(1, 0),
    "*er.bias": vector(),
}

SETS = {
    "seed": vector(2),
    "enc.?.inducing": vector(2),
    "enc.0.mab0.fc_[kv].weight": given(0),
    "enc.0.mab1.fc_q.weight": given(0),
    "*.fc_?.weight": hidden(1, 0),
    "*.fc_?.bias": vector(),
    "*.ln?.*": vector(),
    "head.weight": output(1),
    "head.bias": scalar(),
}

VECTOR_NEURONS = {
    "lift.weight": given(0),
    "act?.direction.weight": hidden(1, 0),
    "mix.weight": hidden(1, 0),
    "frame.weight": output(1, free=True),
    "fc1.weight": hidden(1, 0),
    "fc1.bias": vector(),
    "fc2.weight": output(1),
    "fc2.bias": scalar(),
}

# The votes of all lower capsules are summed: W is a readout whose fan-in is their number.
CAPSULES = {
    "conv.weight": given(0),
    "primary.weight": hidden(1, 0),
    "*.bias": vector(),
    "W": output(0, free=True),
}

CAPSULE_POSES = {
    "conv.*": scalar(),
    "primary.weight": given(0),
    "primary.bias": vector(),
    "W": hidden(3, 2),
}

# A generated kernel is linear in the generator: channels of its rows are contracted as well.
HYPERNETWORK = {
    "codes": scalar(free=True),
    "stem.weight": given(0),
    "stem.bias": vector(),
    "generate.weight": hidden(0, 0, free=True),
    "generate.bias": hidden(0, 0),
    "norms.*": vector(),
    "head.weight": output(1),
    "head.bias": scalar(),
}

SLOTS = {
    "encode.0.weight": given(0),
    "encode.2.weight": hidden(1, 0),
    "place_*.weight": given(0),
    "attend.mu": vector(2),
    "attend.log_sigma": vector(2),
    "attend.to_*.weight": hidden(1, 0),
    "attend.gru.weight_*": hidden(1, 0),
    "attend.mlp.?.weight": hidden(1, 0),
    "attend.*": vector(),
    "decode.0.weight": hidden(0, 1),
    "decode.2.weight": output(1),
    "decode.2.bias": scalar(),
    "*.bias": vector(),
}

TREES = {
    "norm.*": scalar(),
    "choice": given(1),
    "threshold": vector(0),
    "log_temperature": vector(0),
    "response": output(0),
}

FLOW = {
    "steps.?.0.*": scalar(),
    "steps.?.1.net.0.weight": given(0),
    "steps.?.1.net.2.weight": hidden(1, 0),
    "steps.?.1.net.4.weight": output(1),
    "steps.?.1.net.4.bias": scalar(),
    "*.bias": vector(),
}

TENSOR_TRAIN = {
    "first.weight": given(0),
    "first.bias": vector(),
    "middle.core[12]": scalar(free=True),
    "middle.core3": hidden(1, 2, free=True),
    "middle.bias": vector(),
    "last.weight": output(1),
    "last.bias": scalar(),
}

PRODUCT_KEYS = {
    "embed.weight": given(1),
    "norms.*": vector(),
    "memories.?.query.weight": output(1, free=True),
    "memories.?.query.bias": scalar(free=True),
    "memories.?.keys": scalar(free=True),
    "memories.?.values.weight": given(1),
    "head.weight": output(1),
}

MIXTURE = {
    "encoder.weight": several(1),
    "rnn.weight_*": hidden(1, 0),
    "rnn.bias_*": vector(),
    "prior.weight": output(1, free=True),
    "latent.0.weight": hidden(1, 0),
    "latent.0.bias": vector(),
    "decoder.bias": scalar(),
}

FAST_WEIGHTS = {
    "embed.weight": given(1),
    "*norm.*": vector(),
    "layers.?.slow.weight": hidden(1, 0),
    "layers.?.out.weight": hidden(1, 0),
    "head.weight": output(1),
    "head.bias": scalar(),
}

PEEPHOLE = {
    "w_in": given(1),
    "w_rec": hidden(2, 1),
    "bias": vector(1),
    "peep": vector(1),
    "w_out": output(0),
}

LONG_FILTERS = {
    "embed.weight": given(1),
    "*norm.*": vector(),
    "layers.?.in_proj.weight": hidden(1, 0),
    "layers.?.short.weight": given(0),
    "layers.?.out_proj.weight": hidden(1, 0),
    "layers.?.skip": vector(),
    "layers.?.filter.net.*": scalar(free=True),
    "layers.?.filter.last.weight": given(0, free=True),
    "layers.?.*.bias": vector(),
    "head.weight": output(1),
}

QUATERNIONS = {
    "0.[rijk]": given(1),
    "[24].[rijk]": hidden(0, 1),
    "[024].bias": vector(),
    "6.weight": output(1),
    "6.bias": scalar(),
}

DEPTHS = {
    "place": vector(1),
    "token.weight": several(1),
    "layers.?.router.weight": output(1),
    "layers.?.block.norm?.weight": vector(),
    "layers.?.block.*.weight": hidden(1, 0),
    "layers.?.block.*.bias": vector(),
    "norm.weight": vector(),
}

EQUILIBRIUM = {
    "inject.weight": given(0),
    "cell.norm?.*": vector(),
    "cell.*.weight": hidden(1, 0),
    "read.weight": output(1),
    "read.bias": scalar(),
    "*.bias": vector(),
}

# The sinusoids of time are as many as there are channels, but the example only sees constants.
DENOISER = {
    "embed.0.weight": hidden(1, 0, free=True),
    "stem.weight": given(0),
    "final.weight": output(1),
    "final.bias": scalar(),
    "*norm*": vector(),
    "*.bias": vector(),
    "*.weight": hidden(1, 0),
}

SPIKING = {
    "fc1.weight": given(0),
    "fc1.bias": vector(),
    "recurrent.weight": hidden(1, 0),
    "leak": vector(),
    "threshold": vector(),
    "fc2.weight": output(1),
    "fc2.bias": scalar(),
    "leak_out": scalar(),
}

OPERATOR = {
    "lift.weight": given(0),
    "spectral.*": hidden(0, 1),
    "local.?.weight": hidden(1, 0),
    "project.0.weight": hidden(1, 0),
    "project.2.weight": output(1),
    "project.2.bias": scalar(),
    "*.bias": vector(),
}

CRF = {
    "embed.weight": given(1),
    "lstm.weight_*": hidden(1, 0),
    "lstm.bias_*": vector(),
    "emit.weight": output(1),
    "emit.bias": scalar(),
    "transitions": scalar(),
    "start": scalar(),
    "end": scalar(),
}

PAIRS = {
    "embed.weight": given(0),
    "left.weight": given(0),
    "right.weight": given(0),
    "relative.weight": given(1),
    "rows.bias.weight": hidden(1, 0, free=True),
    "*norm*": vector(),
    "outer.left.weight": output(1, free=True),
    "outer.right.weight": output(1, free=True),
    "outer.left.bias": scalar(free=True),
    "outer.right.bias": scalar(free=True),
    "outer.out.weight": given(0, free=True),
    "distances.weight": output(1),
    "distances.bias": scalar(),
    "*.bias": vector(),
    "*.weight": hidden(1, 0),
}

PAIRS_INSIDE = PAIRS | {
    "outer.left.weight": hidden(1, 0),
    "outer.right.weight": hidden(1, 0),
    "outer.left.bias": vector(),
    "outer.right.bias": vector(),
    "outer.out.weight": hidden(1, 0),
}

# Forward and backward passes use every weight both ways round.
ENERGY = {
    "enc1.weight": several(0),
    "enc2.weight": several(0, 1),
    "enc?.bias": vector(),
    "quadratic": several(1),
    "top": several(0),
    "step": scalar(),
}

ODE = {
    "field.l1.weight": hidden(1, 0, free=True),
    "field.l1.bias": vector(),
    "field.l2.weight": hidden(1, 0, free=True),
    "field.l2.bias": vector(free=True),
    "read.weight": output(1, free=True),
    "read.bias": scalar(),
}

SPLINES = {"0.*": given(0), "1.*": hidden(1, 0), "2.*": output(1)}

POINTER = {
    "v": output(0),
    "embed.weight": given(1),
    "generate.weight": output(1),
    "generate.bias": scalar(),
    "out.1.weight": output(1),
    "out.1.bias": scalar(),
    "*bias*": vector(),
    "*weight*": hidden(1, 0),
}

EDGES = {
    "lift.weight": given(0),
    "layers.?.e.weight": given(0),
    "layers.?.norm.*": vector(),
    "read.weight": output(1),
    "read.bias": scalar(),
    "*.bias": vector(),
    "*.weight": hidden(1, 0),
}

ADDITIVE = {
    "w1": several(1),
    "w2": hidden(1, 2),
    "w3": output(1),
    "b?": vector(1),
    "bias": scalar(),
}

FACTORS = {
    "first.weight": scalar(),
    "factors.weight": given(1),
    "deep.0.weight": hidden(1, 0),
    "deep.0.bias": vector(),
    "deep.1.*": vector(),
    "deep.3.weight": output(1),
    "deep.3.bias": scalar(),
}

ADAPTERS = {
    "embed.weight": given(1),
    "layers.?.prefix": vector(2),
    "layers.?.adapt?.down.weight": output(1, free=True),
    "layers.?.adapt?.down.bias": scalar(free=True),
    "layers.?.adapt?.up.weight": given(0, free=True),
    "layers.?.norm?.*": vector(),
    "layers.?.*.bias": vector(),
    "layers.?.?.weight": hidden(1, 0),
    "layers.?.up.weight": hidden(1, 0),
    "layers.?.down.weight": hidden(1, 0),
    "head.weight": output(1),
    "head.bias": scalar(),
}

RESERVOIR = {"readout.weight": output(1, free=True), "readout.bias": scalar()}

HASHED = {
    "embed.weight": given(1),
    "layers.?.w1": hidden(1, 2),
    "layers.?.b1": several(1),
    "layers.?.w2": hidden(1, 2),
    "layers.?.norm.*": vector(),
    "head.weight": output(1),
    "head.bias": scalar(),
}

CONV_LSTM = {
    "peep": vector(1),
    "gates.weight": hidden(1, 0),
    "gates.bias": vector(),
    "norm.*": vector(),
    "read.weight": output(1),
    "read.bias": scalar(),
}

CASES = {
    "neural_ode": OddCase(neural_ode.build, ODE),
    "spline_network": OddCase(spline_network.build, SPLINES),
    "pointer_generator": OddCase(pointer_generator.build, POINTER),
    "edge_transformer": OddCase(edge_transformer.build, EDGES),
    "edge_transformer_larger": OddCase(partial(edge_transformer.build, more_heads=False), EDGES),
    "additive_model": OddCase(additive_model.build, ADDITIVE),
    "factorization_machine": OddCase(factorization_machine.build, FACTORS),
    "prefix_adapters": OddCase(prefix_adapters.build, ADAPTERS),
    "reservoir": OddCase(reservoir.build, RESERVOIR),
    "hashed_experts": OddCase(hashed_experts.build, HASHED),
    "recurrent_convolution": OddCase(recurrent_convolution.build, CONV_LSTM),
    "turing_machine": OddCase(turing_machine.build, CONTROLLER),
    "turing_machine_cells": OddCase(
        lambda s: turing_machine.build(s, memory_scale=s), CONTROLLER_AND_CELLS, alone=False
    ),
    "set_transformer": OddCase(set_transformer.build, SETS),
    "set_transformer_heads": OddCase(partial(set_transformer.build, more_heads=True), SETS),
    "vector_neurons": OddCase(vector_neurons.build, VECTOR_NEURONS),
    "capsules": OddCase(capsules.build, CAPSULES),
    "capsules_pose": OddCase(lambda s: capsules.build(1, pose_scale=s), CAPSULE_POSES, alone=False),
    "hypernetwork": OddCase(hypernetwork.build, HYPERNETWORK),
    "slot_attention": OddCase(slot_attention.build, SLOTS),
    "soft_trees": OddCase(soft_trees.build, TREES),
    "normalizing_flow": OddCase(normalizing_flow.build, FLOW),
    "tensor_train": OddCase(tensor_train.build, TENSOR_TRAIN),
    "product_keys": OddCase(product_keys.build, PRODUCT_KEYS),
    "mixture_of_softmaxes": OddCase(mixture_of_softmaxes.build, MIXTURE),
    "fast_weights": OddCase(fast_weights.build, FAST_WEIGHTS),
    "fast_weights_larger": OddCase(partial(fast_weights.build, larger_heads=True), FAST_WEIGHTS),
    "peephole_rnn": OddCase(peephole_rnn.build, PEEPHOLE),
    "implicit_filters": OddCase(implicit_filters.build, LONG_FILTERS),
    "quaternions": OddCase(quaternions.build, QUATERNIONS),
    "mixture_of_depths": OddCase(mixture_of_depths.build, DEPTHS),
    "equilibrium": OddCase(equilibrium.build, EQUILIBRIUM),
    "diffusion_unet": OddCase(diffusion_unet.build, DENOISER),
    "spiking": OddCase(spiking.build, SPIKING),
    "fourier_operator": OddCase(fourier_operator.build, OPERATOR),
    "crf_tagger": OddCase(crf_tagger.build, CRF),
    "pair_stack": OddCase(pair_stack.build, PAIRS),
    "pair_stack_inside": OddCase(
        lambda s: pair_stack.build(s, inner_scale=s), PAIRS_INSIDE, alone=False
    ),
    "energy_sampler": OddCase(energy_sampler.build, ENERGY),
}
