"""Fourier transforms: a linear map of an axis onto one as long, or half as long.

``rfft`` of ``b t d`` along ``t`` is ``b f d`` with ``f = t // 2 + 1``, finite if ``t`` is.
"""

import torch

from mupfx.passes.axis_rules.create import made
from mupfx.passes.axis_rules.parts import pad
from mupfx.passes.axis_rules.tracker import Rules

aten = torch.ops.aten

RULES: Rules = {
    **dict.fromkeys(
        (
            aten._fft_c2c, aten._fft_c2r, aten._fft_r2c, aten.fft_fft, aten.fft_fft2, aten.fft_fftn,
            aten.fft_hfft, aten.fft_hfft2, aten.fft_hfftn, aten.fft_ifft, aten.fft_ifft2,
            aten.fft_ifftn, aten.fft_ihfft, aten.fft_ihfft2, aten.fft_ihfftn, aten.fft_irfft,
            aten.fft_irfft2, aten.fft_irfftn, aten.fft_rfft, aten.fft_rfft2, aten.fft_rfftn,
        ),
        pad,
    ),
    **dict.fromkeys((aten.fft_fftfreq, aten.fft_rfftfreq), made),
}  # fmt: skip
