"""Fourier transforms keep an axis, or make a shorter or longer one."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check

aten = torch.ops.aten
REAL, PLANE = (2, 6), (2, 6, 10)


def wave(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.complex64)


CASES = [
    case("a b -> a b", torch.fft.fft, REAL),
    case("a b -> a b", torch.fft.ifft, REAL),
    case("a b -> a c", lambda x: torch.fft.fft(x, n=9), REAL),
    case("a b -> a c", torch.fft.rfft, REAL),
    case("a b -> a c", torch.fft.irfft, wave(2, 4)),
    case("a b -> a c", torch.fft.hfft, wave(2, 4)),
    case("a b -> a c", torch.fft.ihfft, REAL),
    case("a b c -> a b c", torch.fft.fft2, PLANE),
    case("a b c -> a b c", torch.fft.ifft2, PLANE),
    case("a b c -> a b d", torch.fft.rfft2, PLANE),
    case("a b c -> a b d", torch.fft.irfft2, wave(2, 6, 6)),
    case("a b c -> a b d", torch.fft.hfft2, wave(2, 6, 6)),
    case("a b c -> a b d", torch.fft.ihfft2, PLANE),
    case("a b c -> a b c", torch.fft.fftn, PLANE),
    case("a b c -> a b c", torch.fft.ifftn, PLANE),
    case("a b c -> a b d", torch.fft.rfftn, PLANE),
    case("a b c -> a d c", lambda x: torch.fft.rfftn(x, dim=(0, 1)), PLANE),
    case("a b c -> a b d", torch.fft.irfftn, wave(2, 6, 6)),
    case("a b c -> a b d", torch.fft.hfftn, wave(2, 6, 6)),
    case("a b c -> a b d", torch.fft.ihfftn, PLANE),
    case("a b -> a b", torch.fft.fftshift, REAL),
    case("a b -> a b", torch.fft.ifftshift, REAL),
    case("a b -> a b", lambda x: aten._fft_c2c(x, [1], 0, True), wave(*REAL)),
    case("a b -> a c", lambda x: aten._fft_r2c(x, [1], 0, True), REAL),
    case("a b -> a c", lambda x: aten._fft_c2r(x, [1], 0, 6), wave(2, 4)),
    case("a -> b", lambda x: torch.fft.fftfreq(3), (2,)),
    case("a -> b", lambda x: torch.fft.rfftfreq(8), (2,)),
    case("b t -> b f n; spatial f n", lambda x: torch.stft(x, 8, window=torch.ones(8), return_complex=True), (2, 64)),
    case("b f n -> b t; spatial t", lambda x: torch.istft(x, 8, window=torch.ones(8)), wave(2, 5, 33)),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=str)
def test_spectral(row: Case) -> None:
    check(row)
