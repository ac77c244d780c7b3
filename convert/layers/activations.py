"""YOLOv5's own activations, under its class and attribute names; all take and return (N, C, H, W)."""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everyone knows it by
from torch import Tensor, nn


class MemoryEfficientSwish(nn.Module):
    """x·sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class MemoryEfficientMish(nn.Module):
    """x·tanh(log(1 + eˣ))."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.tanh(F.softplus(x))


class FReLU(nn.Module):
    """max(x, a depth-wise convolution of x). https://arxiv.org/abs/2007.11824."""

    def __init__(self, c1: int, k: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(c1, c1, k, 1, 1, groups=c1, bias=False)
        self.bn = nn.BatchNorm2d(c1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return torch.maximum(x, self.bn(y) if "bn" in self._modules else y)


class AconC(nn.Module):
    """(p1−p2)·x·sigmoid(β·(p1−p2)·x) + p2·x, every factor learned by channel. https://arxiv.org/abs/2009.04759."""

    def __init__(self, c1: int):
        super().__init__()
        self.p1 = nn.Parameter(torch.randn(1, c1, 1, 1))
        self.p2 = nn.Parameter(torch.randn(1, c1, 1, 1))
        self.beta = nn.Parameter(torch.ones(1, c1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        d = (self.p1 - self.p2) * x
        return d * torch.sigmoid(self.beta * d) + self.p2 * x


class MetaAconC(nn.Module):
    """AconC with β computed from the map's mean by two 1×1 convolutions."""

    def __init__(self, c1: int, k: int = 1, s: int = 1, r: int = 16):
        super().__init__()
        hidden = max(r, c1 // r)
        self.p1 = nn.Parameter(torch.randn(1, c1, 1, 1))
        self.p2 = nn.Parameter(torch.randn(1, c1, 1, 1))
        self.fc1 = nn.Conv2d(c1, hidden, k, s, bias=True)
        self.fc2 = nn.Conv2d(hidden, c1, k, s, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        beta = torch.sigmoid(self.fc2(self.fc1(F.adaptive_avg_pool2d(x, 1))))
        d = (self.p1 - self.p2) * x
        return d * torch.sigmoid(beta * d) + self.p2 * x
