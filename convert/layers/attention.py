"""The transformer layers, in operators that export to opset 12 and run in OpenCV (see `convert.layers`)."""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everyone knows it by
from torch import Tensor, nn

from .blocks import C3, Conv


class TransformerLayer(nn.Module):
    """Self-attention and two linear layers, each with a shortcut and without normalisation.

    Tokens have shape (N, length, C). The attention is nn.MultiheadAttention's arithmetic over its own
    weights, written with plain 4-dimensional matrix products.
    """

    def __init__(self, c: int, num_heads: int):
        super().__init__()
        self.q = nn.Linear(c, c, bias=False)
        self.k = nn.Linear(c, c, bias=False)
        self.v = nn.Linear(c, c, bias=False)
        self.ma = nn.MultiheadAttention(embed_dim=c, num_heads=num_heads)
        self.fc1 = nn.Linear(c, c, bias=False)
        self.fc2 = nn.Linear(c, c, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(self.q(x), self.k(x), self.v(x)) + x
        return self.fc2(self.fc1(x)) + x

    def attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """softmax(q·kᵀ/√d)·v for every head; q, k, v and the result are (N, length, C)."""
        n, length, c = (int(value) for value in q.shape)
        heads = self.ma.num_heads
        width = c // heads
        weights = cast(Tensor, self.ma.in_proj_weight).chunk(3)
        biases = self.ma.in_proj_bias.chunk(3) if self.ma.in_proj_bias is not None else (None,) * 3
        q, k, v = (
            F.linear(x, weight, bias).view(n, length, heads, width).permute(0, 2, 1, 3)
            for x, weight, bias in zip((q, k, v), weights, biases, strict=True)
        )
        share = torch.softmax((q * width**-0.5) @ k.transpose(2, 3), dim=-1)
        joined = (share @ v).permute(0, 2, 1, 3).reshape(n, length, c)
        return self.ma.out_proj(joined)


class TransformerBlock(nn.Module):
    """Transformer layers over the pixels of a map, after one linear layer in place of a position encoding."""

    def __init__(self, c1: int, c2: int, num_heads: int, num_layers: int):
        super().__init__()
        self.conv = Conv(c1, c2) if c1 != c2 else None
        self.linear = nn.Linear(c2, c2)
        self.tr = nn.Sequential(*(TransformerLayer(c2, num_heads) for _ in range(num_layers)))
        self.c2 = c2

    def forward(self, x: Tensor) -> Tensor:
        if self.conv is not None:
            x = self.conv(x)
        n, c, h, w = (int(value) for value in x.shape)
        tokens = x.reshape(n, c, h * w).permute(0, 2, 1)
        tokens = self.tr(tokens + self.linear(tokens))
        return tokens.permute(0, 2, 1).reshape(n, c, h, w)


class C3TR(C3):
    """C3 with a transformer block."""

    def inner(self, c: int, n: int, shortcut: bool, g: int) -> nn.Module:
        """A transformer block of four heads."""
        return TransformerBlock(c, c, 4, n)
