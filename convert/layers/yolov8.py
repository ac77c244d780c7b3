"""The blocks of YOLOv8 and YOLO11, beside YOLOv5's own (see `convert.layers`)."""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import C3, Bottleneck, Conv, halves


class C2f(nn.Module):
    """Cross-stage-partial block that joins what comes out of each of its inner blocks (YOLOv8)."""

    def __init__(self, c1: int, c2: int, n: int = 1, shortcut: bool = False, g: int = 1, e: float = 0.5):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, 2 * hidden, 1, 1)
        self.cv2 = Conv((2 + n) * hidden, c2, 1)
        self.m = nn.ModuleList(self.inner(hidden, shortcut, g) for _ in range(n))

    def inner(self, c: int, shortcut: bool, g: int) -> nn.Module:
        """Make one of the inner blocks; what the variants of C2f differ in."""
        return Bottleneck(c, c, shortcut, g, e=1.0)

    def forward(self, x: Tensor) -> Tensor:
        maps = list(halves(self.cv1(x)))
        for block in self.m:
            maps.append(block(maps[-1]))
        return self.cv2(torch.cat(maps, 1))


class C3k(C3):
    """C3 with a choice of kernel size; the inner blocks hold it."""


class C3k2(C2f):
    """C2f whose inner blocks may be C3k (YOLO11)."""

    def inner(self, c: int, shortcut: bool, g: int) -> nn.Module:
        """Make a C3k of two blocks."""
        return C3k(c, c, 2, shortcut, g)


class Attention(nn.Module):
    """Self-attention over the pixels of a map, with a depth-wise convolution as the encoding of position."""

    def __init__(self, c: int, num_heads: int = 8, ratio: float = 0.5):
        super().__init__()
        self.num_heads = num_heads
        self.head_dim = c // num_heads
        self.key_dim = int(self.head_dim * ratio)
        self.scale = self.key_dim**-0.5
        self.qkv = Conv(c, c + 2 * self.key_dim * num_heads, 1, act=False)
        self.proj = Conv(c, c, 1, act=False)
        self.pe = Conv(c, c, 3, 1, g=c, act=False)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = (int(value) for value in x.shape)
        channels = [self.key_dim, self.key_dim, self.head_dim]
        q, k, v = self.qkv(x).view(n, self.num_heads, sum(channels), h * w).split(channels, 2)
        # as in TransformerLayer, products of (N, heads, pixels, width), which every OpenCV gets right
        share = torch.softmax((q.transpose(2, 3) * self.scale) @ k, dim=-1)
        mixed = (share @ v.transpose(2, 3)).transpose(2, 3).reshape(n, c, h, w)
        return self.proj(mixed + self.pe(v.reshape(n, c, h, w)))


class PSABlock(nn.Module):
    """Attention and two convolutions, each with a shortcut if `add`."""

    def __init__(self, c: int, num_heads: int = 4, add: bool = True):
        super().__init__()
        self.attn = Attention(c, num_heads)
        self.ffn = nn.Sequential(Conv(c, 2 * c, 1), Conv(2 * c, c, 1, act=False))
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x) if self.add else self.attn(x)
        return x + self.ffn(x) if self.add else self.ffn(x)


class C2PSA(nn.Module):
    """Attention blocks over half of the channels (YOLO11)."""

    def __init__(self, c: int, n: int = 1, e: float = 0.5, num_heads: int = 4):
        super().__init__()
        hidden = int(c * e)
        self.cv1 = Conv(c, 2 * hidden, 1, 1)
        self.cv2 = Conv(2 * hidden, c, 1)
        self.m = nn.Sequential(*(PSABlock(hidden, num_heads) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        first, second = halves(self.cv1(x))
        return self.cv2(torch.cat((first, self.m(second)), 1))
