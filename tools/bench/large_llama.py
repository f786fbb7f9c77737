"""Convert a 126-layer, 405B-shaped Llama on the meta device; the export alone in the same run.

Prints seconds of ``torch.export`` alone, of all passes after capture, of the whole conversion, and
the peak memory of the process. Needs transformers.
"""

import resource
import sys
import time
from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import mupfx
from mupfx.passes.capture import capture

GIB = 2**20


def llama(layers: int) -> LlamaForCausalLM:
    """Llama 3 405B's shape, without values."""
    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=16384,
        intermediate_size=53248,
        num_hidden_layers=layers,
        num_attention_heads=128,
        num_key_value_heads=8,
        rope_theta=500000.0,
    )
    with torch.device("meta"):
        return LlamaForCausalLM(config)


def seconds(call: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(layers: int) -> None:
    """Measure and print one line."""
    model, ids = llama(layers), torch.zeros(1, 16, dtype=torch.long)
    capture(llama(1), (ids,), {})  # torch's own first-call costs
    export = seconds(lambda: capture(model, (ids,), {}))
    whole = seconds(lambda: mupfx.convert(model, ids, base=1024))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GIB
    billions = sum(p.numel() for p in model.parameters()) / 1e9
    print(
        f"{billions:.0f}B parameters, {layers} layers: export alone {export:.1f} s, "
        f"convert {whole:.1f} s ({whole / export:.2f}x), peak {peak:.2f} GiB"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 126)
