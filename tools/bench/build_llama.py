"""Build a Llama of 70B's shape as one of eight processes would, and measure that process.

    python tools/bench/build_llama.py [LAYERS] [DEVICE]

The other processes are simulated by torch's fake process group: nothing is sent, and this one does
all that it would do. On ``meta`` values are left out; on ``cpu`` the process fills its share, which
takes as much memory (8 layers: 2.2 GiB). Prints seconds, the peak memory of the process, and what
it holds. Needs transformers.
"""

import resource
import sys
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore
from transformers import LlamaConfig, LlamaForCausalLM

import mupfx

GIB = 2**30
RANK, RANKS = 3, 8
IDS = torch.zeros(1, 16, dtype=torch.long)


def llama(width: int, layers: int) -> LlamaForCausalLM:
    """Llama 3 70B's shape at width 8192, in bfloat16."""
    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=width,
        intermediate_size=width * 28672 // 8192,
        num_hidden_layers=layers,
        num_attention_heads=width // 128,
        num_key_value_heads=width // 1024,
        rope_theta=500000.0,
        use_cache=False,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        return LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def spread(model: LlamaForCausalLM) -> None:
    """FSDP2, a layer at a time."""
    mesh = init_device_mesh("cpu", (RANKS,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def main(layers: int, device: str) -> None:
    """Build, and print one line."""
    dist.init_process_group("fake", rank=RANK, world_size=RANKS, store=FakeStore())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    start = time.perf_counter()
    model: nn.Module = mupfx.build(
        llama, IDS, base={"width": 1024}, width=8192, layers=layers, device=device, shard=spread
    )
    seconds = time.perf_counter() - start
    held = [p.to_local() for p in model.parameters() if isinstance(p, DTensor)]
    whole = sum(p.numel() for p in model.parameters())
    mine = sum(p.numel() * p.element_size() for p in held) / GIB
    largest = max(p.numel() * p.element_size() for p in model.parameters()) / GIB
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    print(
        f"{whole / 1e9:.1f}B parameters, {layers} layers, process {RANK} of {RANKS} on {device}: "
        f"{seconds:.0f} s, peak {after:.2f} GiB ({peak:.2f} of it imports), its share "
        f"{mine:.2f} GiB, the largest tensor {largest:.2f} GiB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 80, (sys.argv[2:] or ["meta"])[0])
