"""Layers that move pixels into channels and back (see `convert.layers`).

They are written as a view and a permute, with constant sizes: strided slices become OpenCV layers that are
slow and that some versions get wrong. The price is that the exported graph works at one input size only.
"""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

from torch import Tensor, nn

from .blocks import Conv, Size


class Focus(nn.Module):
    """Fold each 2×2 square of pixels into channels, then convolve: the stem of releases v1.0 to v5.0.

    Channel order after folding: (column parity, row parity, colour), colour fastest.
    """

    def __init__(self, c1: int, c2: int, k: Size = 1, s: Size = 1, act: bool | nn.Module = True):
        super().__init__()
        self.conv = Conv(4 * c1, c2, k, s, act=act)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = (int(v) for v in x.shape)
        x = x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 5, 3, 1, 2, 4)
        return self.conv(x.reshape(n, 4 * c, h // 2, w // 2))


class Contract(nn.Module):
    """Fold each gain×gain square of pixels into channels: (row, column, colour), colour fastest."""

    def __init__(self, gain: int = 2):
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = (int(v) for v in x.shape)
        s = self.gain
        x = x.view(n, c, h // s, s, w // s, s).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(n, c * s * s, h // s, w // s)


class Expand(nn.Module):
    """Unfold channels into gain×gain squares of pixels: what `Contract` undoes."""

    def __init__(self, gain: int = 2):
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = (int(v) for v in x.shape)
        s = self.gain
        x = x.view(n, s, s, c // s**2, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, c // s**2, h * s, w * s)
