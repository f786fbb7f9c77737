"""Starting values from counters instead of a state: the same bits on any device and any sharding.

::

    spec      constants of the generator
    streams   seed -> key, name -> stream
    draw      the laws: constant, uniform, normal, truncated
    segment   which elements lie where
    shards    which of them a process has
    eager     the generator in torch: the definition
    native    in machine code for the CPU (cpu)
    launch    on GPUs, one launch for all tensors of a dtype (fused)
    fill      tensors -> the fastest path
    start     parameters of a model, each with its law
    names     their names, whatever it is wrapped in

Values are float32, rounded once to the tensor's dtype: a bfloat16 model is its float32 twin, cast.
"""

from mupfx.kernels.draw import Draw, constant, normal, truncated, uniform
from mupfx.kernels.fill import Job, fill_
from mupfx.kernels.segment import Part

__all__ = ["Draw", "Job", "Part", "constant", "fill_", "normal", "truncated", "uniform"]
