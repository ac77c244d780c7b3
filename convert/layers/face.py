"""The blocks of yolov5-face's networks, beside YOLOv5's own (see `convert.layers`)."""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Conv, halves


class StemBlock(nn.Module):
    """A quarter of the size in two steps: convolutions beside a max-pool, joined by a 1×1 convolution."""

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 2):
        super().__init__()
        self.stem_1 = Conv(c1, c2, k, s)
        self.stem_2a = Conv(c2, c2 // 2, 1, 1)
        self.stem_2b = Conv(c2 // 2, c2, 3, 2)
        self.stem_2p = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.stem_3 = Conv(2 * c2, c2, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_1(x)
        return self.stem_3(torch.cat((self.stem_2b(self.stem_2a(x)), self.stem_2p(x)), 1))


class ShuffleV2Block(nn.Module):
    """ShuffleNet v2's unit: two branches, whose channels then alternate. https://arxiv.org/abs/1807.11164.

    At stride 1 the first branch is half of the input as it is, and `branch1` is empty.
    """

    def __init__(self, c1: int, c2: int, stride: int):
        super().__init__()
        self.stride = stride
        half = c2 // 2
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                nn.Conv2d(c1, c1, 3, stride, 1, groups=c1, bias=False),
                nn.BatchNorm2d(c1),
                nn.Conv2d(c1, half, 1, bias=False),
                nn.BatchNorm2d(half),
                nn.SiLU(),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(c1 if stride > 1 else half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.SiLU(),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.SiLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = (x, x) if len(self.branch1) else halves(x)
        first, second = self.branch1(first), self.branch2(second)
        # the rows of one branch below those of the other are, in memory, alternating channels
        _, c, _, w = (int(value) for value in first.shape)
        return torch.cat((first, second), 2).reshape(x.shape[0], 2 * c, -1, w)


class BlazeBlock(nn.Module):
    """BlazeFace's unit: a depth-wise 5×5 and a 1×1 convolution, and a shortcut. https://arxiv.org/abs/1907.05047.

    `use_pool` tells whether it halves the map; the shortcut is then a max-pool and a 1×1 convolution.
    """

    def __init__(self, c1: int, c2: int, hidden: int | None = None, stride: int = 1):
        super().__init__()
        self.use_pool = stride > 1
        self.branch1 = self.branch(c1, c2, hidden or c1, stride)
        if self.use_pool:
            self.shortcut = nn.Sequential(
                nn.MaxPool2d(stride, stride), nn.Conv2d(c1, c2, 1), nn.BatchNorm2d(c2)
            )
        self.relu: nn.Module = nn.SiLU()  # its name from when it was one

    def branch(self, c1: int, c2: int, hidden: int, stride: int) -> nn.Sequential:
        """Make the branch of convolutions."""
        return nn.Sequential(
            nn.Conv2d(c1, hidden, 5, stride, 2, groups=c1),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, c2, 1),
            nn.BatchNorm2d(c2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.branch1(x) + (self.shortcut(x) if self.use_pool else x))


class DoubleBlazeBlock(BlazeBlock):
    """BlazeFace's double unit: a narrow layer between two pairs of convolutions."""

    def branch(self, c1: int, c2: int, hidden: int, stride: int) -> nn.Sequential:
        """Make the branch of convolutions."""
        return nn.Sequential(
            nn.Conv2d(c1, c1, 5, stride, 2, groups=c1),
            nn.BatchNorm2d(c1),
            nn.Conv2d(c1, hidden, 1),
            nn.BatchNorm2d(hidden),
            nn.SiLU(),
            nn.Conv2d(hidden, hidden, 5, 1, 2),
            nn.BatchNorm2d(hidden),
            nn.Conv2d(hidden, c2, 1),
            nn.BatchNorm2d(c2),
        )
