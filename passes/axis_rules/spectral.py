"""Fourier transforms: a linear map of an axis onto one as long, or half as long.

``rfft`` of ``b t d`` along ``t`` is ``b f d`` with ``f = t // 2 + 1``, finite if ``t`` is.
"""

from collections.abc import Sequence

import torch

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.create import made
from mupfx.passes.axis_rules.factors import Dims
from mupfx.passes.axis_rules.parts import apart, pad
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def half(tracker: Tracker, call: Call) -> Dims:
    """Between real and complex: the last axis of the transform is another one."""
    dims = list(pad(tracker, call))
    chosen = call["dim"]
    last = chosen[-1] if isinstance(chosen, Sequence) and chosen else chosen
    axis = last if isinstance(last, int) else -1
    dims[axis] = apart(tracker, call.dims(source(call))[axis], call.out[axis])
    return tuple(dims)


RULES: Rules = {
    **dict.fromkeys(
        (
            aten._fft_c2c, aten.fft_fft, aten.fft_fft2, aten.fft_fftn, aten.fft_ifft,
            aten.fft_ifft2, aten.fft_ifftn,
        ),
        pad,
    ),
    **dict.fromkeys(
        (
            aten._fft_c2r, aten._fft_r2c, aten.fft_hfft, aten.fft_hfft2, aten.fft_hfftn,
            aten.fft_ihfft, aten.fft_ihfft2, aten.fft_ihfftn, aten.fft_irfft, aten.fft_irfft2,
            aten.fft_irfftn, aten.fft_rfft, aten.fft_rfft2, aten.fft_rfftn,
        ),
        half,
    ),
    **dict.fromkeys((aten.fft_fftfreq, aten.fft_rfftfreq), made),
}  # fmt: skip
