"""Steps over images ``b c h w``."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.properties.programs import Scope, Step
from tests.properties.spellings import unflatten


def conv(  # noqa: PLR0913, PLR0917 - as torch's
    scope: Scope, key: str, x: Tensor, out: int, kernel: int = 3, groups: int = 1, stride: int = 1
) -> Tensor:
    shape = (out, x.shape[1] // groups, kernel, kernel)
    w = scope.weight(f"{key}.weight", *shape, contracts=(1, 2, 3))
    bias = scope.weight(f"{key}.bias", out)
    return functional.conv2d(x, w, bias, stride, padding=kernel // 2, groups=groups)


def convolution(scope: Scope, x: Tensor) -> Tensor:
    return conv(scope, "only", x, x.shape[1]).relu()


def residual(scope: Scope, x: Tensor) -> Tensor:
    h = conv(scope, "first", x, scope.sizes.inner).relu()
    return x + conv(scope, "second", h, x.shape[1])


def pointwise(scope: Scope, x: Tensor) -> Tensor:
    return functional.silu(conv(scope, "only", x, x.shape[1], 1))


def depthwise(scope: Scope, x: Tensor) -> Tensor:
    return x + conv(scope, "only", x, x.shape[1], groups=x.shape[1])


def grouped(scope: Scope, x: Tensor) -> Tensor:
    """Two groups, channels shuffled between two such layers."""
    n = x.shape[1]
    x = conv(scope, "first", x, n, groups=2).relu()
    x = unflatten(x, 1, (2, -1)).transpose(1, 2).flatten(1, 2)
    return conv(scope, "second", x, n, groups=2).relu()


def batch_norm(scope: Scope, x: Tensor) -> Tensor:
    n = x.shape[1]
    return functional.batch_norm(
        x, None, None, scope.weight("gain", n), scope.weight("shift", n), training=True
    )


def group_norm(scope: Scope, x: Tensor) -> Tensor:
    n = x.shape[1]
    return functional.group_norm(x, 2, scope.weight("gain", n), scope.weight("shift", n))


def squeezed(scope: Scope, x: Tensor) -> Tensor:
    h = scope.linear("down", x.mean((2, 3)), scope.sizes.inner).relu()
    return x * scope.linear("up", h, x.shape[1]).sigmoid()[..., None, None]


def grown(scope: Scope, x: Tensor) -> Tensor:
    """A few channels more, as in a dense net with fixed growth."""
    y = torch.cat([x, conv(scope, "more", x, scope.sizes.rank).relu()], 1)
    return conv(scope, "mix", y, x.shape[1], 1).relu()


def split_channels(scope: Scope, x: Tensor) -> Tensor:
    """Half of the channels go their own way."""
    left, right = x.chunk(2, 1)
    right = conv(scope, "right", right, right.shape[1]).relu()
    return torch.cat([left, right], 1)


def unshuffled(scope: Scope, x: Tensor) -> Tensor:
    """Space folded into channels and back."""
    y = functional.pixel_unshuffle(x, 2)
    y = conv(scope, "mix", y, y.shape[1], 1).relu()
    return x + functional.pixel_shuffle(y, 2)


def unshuffled_by_hand(scope: Scope, x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    y = (
        x.view(b, c, h // 2, 2, w // 2, 2)
        .permute(0, 1, 3, 5, 2, 4)
        .reshape(b, 4 * c, h // 2, w // 2)
    )
    y = conv(scope, "mix", y, 4 * c, 1).relu()
    return x + y.view(b, c, 2, 2, h // 2, w // 2).permute(0, 1, 4, 2, 5, 3).reshape(x.shape)


def merged_patches(scope: Scope, x: Tensor) -> Tensor:
    """Four neighbours beside each other, as Swin merges patches."""
    x = x.permute(0, 2, 3, 1)
    corners = [x[:, i::2, j::2] for j in range(2) for i in range(2)]
    y = scope.linear("mix", torch.cat(corners, -1), x.shape[-1]).tanh()
    y = y.repeat_interleave(2, 1).repeat_interleave(2, 2)
    return (x + y).permute(0, 3, 1, 2)


def windows(scope: Scope, x: Tensor) -> Tensor:
    """Attention inside windows of two by two."""
    b, c, h, w = x.shape
    y = x.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, c)
    q, k, v = scope.linear("qkv", y, 3 * c, cuts=(c, c, c)).chunk(3, -1)
    y = scope.linear("out", (q @ k.mT).softmax(-1) @ v, c)
    y = y.view(b, h // 2, w // 2, 2, 2, c).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)
    return x + y


def pooled(scope: Scope, x: Tensor) -> Tensor:
    y = conv(scope, "only", functional.avg_pool2d(x, 2), x.shape[1]).relu()
    return x + functional.interpolate(y, scale_factor=2.0)


def strided(scope: Scope, x: Tensor) -> Tensor:
    """Down by a stride, up by a transposed convolution."""
    n = x.shape[1]
    y = conv(scope, "down", x, scope.sizes.inner, 3, 1, 2).relu()
    w = scope.weight("up", scope.sizes.inner, n, 2, 2, contracts=(0, 2, 3))
    return x + functional.conv_transpose2d(y, w, stride=2)


def patches(scope: Scope, x: Tensor) -> Tensor:
    """``unfold`` and a product, which is a convolution."""
    n, k = x.shape[1], 2
    columns = functional.unfold(x, k, stride=k)
    w = scope.weight("w", n, n * k * k, contracts=(1,))
    y = (w @ columns).view(len(x), n, x.shape[2] // k, x.shape[3] // k)
    return x + functional.interpolate(y, size=x.shape[2:])


def channels_last(scope: Scope, x: Tensor) -> Tensor:
    y = x.permute(0, 2, 3, 1)
    y = functional.layer_norm(y, (y.shape[-1],), scope.weight("gain", y.shape[-1]))
    h = functional.gelu(scope.linear("up", y, scope.sizes.inner))
    y = scope.linear("down", h, y.shape[-1]) * scope.weight("scale", y.shape[-1])
    return x + y.permute(0, 3, 1, 2)


def positions(scope: Scope, x: Tensor) -> Tensor:
    return x + scope.weight("table", 1, *x.shape[1:])


STEPS: dict[str, Step] = {
    "convolution 2d": convolution,
    "residual": residual,
    "pointwise": pointwise,
    "depthwise 2d": depthwise,
    "grouped 2d": grouped,
    "batch norm": batch_norm,
    "group norm 2d": group_norm,
    "squeezed": squeezed,
    "grown": grown,
    "split channels": split_channels,
    "unshuffled": unshuffled,
    "unshuffled by hand": unshuffled_by_hand,
    "merged patches": merged_patches,
    "windows 2d": windows,
    "pooled 2d": pooled,
    "strided": strided,
    "patches": patches,
    "channels last": channels_last,
    "positions 2d": positions,
}
