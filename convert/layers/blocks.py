"""The building blocks of YOLOv5's networks, a class each (see `convert.layers`)."""

# ruff: noqa: D102 - every forward maps (N, C, H, W) to (N, C, H, W), unless its class says otherwise

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Size = int | tuple[int, int]


def same_padding(k: Size, p: Size | None = None, d: int = 1) -> Any:
    """Padding that keeps the map's size at stride 1 for kernel `k` and dilation `d`, unless `p` is given."""
    if p is not None:
        return p
    if isinstance(k, int):
        return (d * (k - 1) + 1) // 2
    return tuple((d * (x - 1) + 1) // 2 for x in k)


def activation(act: bool | nn.Module) -> nn.Module:
    """The activation that a layer's `act` argument means: True is SiLU, a module is itself, False is none."""
    if isinstance(act, nn.Module):
        return act
    return nn.SiLU() if act else nn.Identity()


def halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Split the channels in two: as one operator, where `chunk` becomes two."""
    first, second = x.split(x.shape[1] // 2, 1)
    return first, second


class Conv(nn.Module):
    """Convolution, batch normalisation, activation. A fused layer has no `bn` any more."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: Size = 1,
        s: Size = 1,
        p: Size | None = None,
        g: int = 1,
        d: int = 1,
        act: bool | nn.Module = True,
    ):
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, k, s, same_padding(k, p, d), groups=g, dilation=d, bias=False)
        self.bn = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if "bn" in self._modules:
            x = self.bn(x)
        return self.act(x) if "act" in self._modules else x


class DWConv(Conv):
    """Depth-wise convolution: as many groups as the two channel counts share."""

    def __init__(self, c1: int, c2: int, k: Size = 1, s: Size = 1, d: int = 1, act: bool | nn.Module = True):
        super().__init__(c1, c2, k, s, g=math.gcd(c1, c2), d=d, act=act)


class DWConvTranspose2d(nn.ConvTranspose2d):
    """Depth-wise transposed convolution."""

    def __init__(self, c1: int, c2: int, k: int = 1, s: int = 1, p1: int = 0, p2: int = 0):
        super().__init__(c1, c2, k, s, p1, p2, groups=math.gcd(c1, c2))


class Bottleneck(nn.Module):
    """A 1×1 and a 3×3 convolution, with a shortcut when the channel counts allow it."""

    def __init__(self, c1: int, c2: int, shortcut: bool = True, g: int = 1, e: float = 0.5):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(hidden, c2, 3, 1, g=g)
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class BottleneckCSP(nn.Module):
    """Cross-stage-partial block of releases v1.0 to v3.1: two branches, joined before one normalisation."""

    def __init__(self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = nn.Conv2d(c1, hidden, 1, 1, bias=False)
        self.cv3 = nn.Conv2d(hidden, hidden, 1, 1, bias=False)
        self.cv4 = Conv(2 * hidden, c2, 1, 1)
        self.bn = nn.BatchNorm2d(2 * hidden, eps=1e-3, momentum=0.03)
        self.act: nn.Module = nn.LeakyReLU(0.1)
        self.m = nn.Sequential(*(Bottleneck(hidden, hidden, shortcut, g, e=1.0) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), 1)
        return self.cv4(self.act(self.bn(joined)))


class C3(nn.Module):
    """Cross-stage-partial block with three convolutions (since v4.0); `m` is the inner chain of blocks."""

    def __init__(self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(c1, hidden, 1, 1)
        self.cv3 = Conv(2 * hidden, c2, 1)
        self.m: nn.Module = self.inner(hidden, n, shortcut, g)

    def inner(self, c: int, n: int, shortcut: bool, g: int) -> nn.Module:
        """The inner chain; what the variants of C3 differ in."""
        return nn.Sequential(*(Bottleneck(c, c, shortcut, g, e=1.0) for _ in range(n)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class C3x(C3):
    """C3 with cross convolutions."""

    def inner(self, c: int, n: int, shortcut: bool, g: int) -> nn.Module:
        """Cross convolutions."""
        return nn.Sequential(*(CrossConv(c, c, 3, 1, g, 1.0, shortcut) for _ in range(n)))


class C3SPP(C3):
    """C3 with spatial pyramid pooling."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: Sequence[int] = (5, 9, 13),
        n: int = 1,
        shortcut: bool = True,
        g: int = 1,
        e: float = 0.5,
    ):
        super().__init__(c1, c2, n, shortcut, g, e)
        hidden = int(c2 * e)
        self.m = SPP(hidden, hidden, k)


class C3Ghost(C3):
    """C3 with ghost bottlenecks."""

    def inner(self, c: int, n: int, shortcut: bool, g: int) -> nn.Module:
        """Ghost bottlenecks."""
        return nn.Sequential(*(GhostBottleneck(c, c) for _ in range(n)))


class SPP(nn.Module):
    """Spatial pyramid pooling: max-pools of several sizes side by side."""

    def __init__(self, c1: int, c2: int, k: Sequence[int] = (5, 9, 13)):
        super().__init__()
        hidden = c1 // 2
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(hidden * (len(k) + 1), c2, 1, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(x, stride=1, padding=x // 2) for x in k)

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        return self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))


class SPPF(nn.Module):
    """SPP with its pools (5, 9, 13) computed as one 5×5 pool, three times over."""

    def __init__(self, c1: int, c2: int, k: int = 5):
        super().__init__()
        hidden = c1 // 2
        self.cv1 = Conv(c1, hidden, 1, 1)
        self.cv2 = Conv(hidden * 4, c2, 1, 1)
        self.m = nn.MaxPool2d(kernel_size=k, stride=1, padding=k // 2)

    def forward(self, x: Tensor) -> Tensor:
        # the package ultralytics keeps the number of pools, and may add the input
        maps = [self.cv1(x)]
        for _ in range(getattr(self, "n", 3)):
            maps.append(self.m(maps[-1]))
        y = self.cv2(torch.cat(maps, 1))
        return x + y if getattr(self, "add", False) else y


class GhostConv(nn.Module):
    """Half of the channels by a convolution, the other half from these by a cheap 5×5 depth-wise one."""

    def __init__(self, c1: int, c2: int, k: Size = 1, s: Size = 1, g: int = 1, act: bool | nn.Module = True):
        super().__init__()
        hidden = c2 // 2
        self.cv1 = Conv(c1, hidden, k, s, g=g, act=act)
        self.cv2 = Conv(hidden, hidden, 5, 1, g=hidden, act=act)

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv1(x)
        return torch.cat((y, self.cv2(y)), 1)


class GhostBottleneck(nn.Module):
    """Two ghost convolutions, with a depth-wise one between them when it halves the map."""

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 1):
        super().__init__()
        hidden = c2 // 2
        halves = s == 2
        self.conv = nn.Sequential(
            GhostConv(c1, hidden, 1, 1),
            DWConv(hidden, hidden, k, s, act=False) if halves else nn.Identity(),
            GhostConv(hidden, c2, 1, 1, act=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        if halves:
            self.shortcut = nn.Sequential(DWConv(c1, c1, k, s, act=False), Conv(c1, c2, 1, 1, act=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.shortcut(x)


class CrossConv(nn.Module):
    """A 1×k and a k×1 convolution in place of a k×k one."""

    def __init__(
        self, c1: int, c2: int, k: int = 3, s: int = 1, g: int = 1, e: float = 1.0, shortcut: bool = False
    ):
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, (1, k), (1, s))
        self.cv2 = Conv(hidden, c2, (k, 1), (s, 1), g=g)
        self.add = shortcut and c1 == c2

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class MixConv2d(nn.Module):
    """Convolutions of several kernel sizes side by side, an equal share of the channels each.

    Up to v6.0 the layer had a LeakyReLU and added its input; later it has a SiLU and does not.
    """

    def __init__(self, c1: int, c2: int, k: Sequence[int] = (1, 3), s: int = 1):
        super().__init__()
        shares = [c2 // len(k) + (i < c2 % len(k)) for i in range(len(k))]
        self.m = nn.ModuleList(
            nn.Conv2d(c1, c, x, s, x // 2, groups=math.gcd(c1, c), bias=False)
            for x, c in zip(k, shares, strict=True)
        )
        self.bn = nn.BatchNorm2d(c2)
        self.act: nn.Module = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([conv(x) for conv in self.m], 1)
        y = self.act(self.bn(y) if "bn" in self._modules else y)
        return x + y if isinstance(self.act, nn.LeakyReLU) else y


class Concat(nn.Module):
    """Join several maps along dimension `d`. Input: a list of tensors."""

    def __init__(self, dimension: int = 1):
        super().__init__()
        self.d = dimension

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, self.d)


class Sum(nn.Module):
    """Add several maps, with learned weights in 0 to 2 if `weight`. Input: a list of tensors."""

    def __init__(self, n: int, weight: bool = False):
        super().__init__()
        self.weight = weight
        self.iter = range(n - 1)
        if weight:
            self.w = nn.Parameter(-torch.arange(1.0, n) / 2)

    def forward(self, x: list[Tensor]) -> Tensor:
        total = x[0]
        for i, other in enumerate(x[1:]):
            total = total + (other * (self.w[i].sigmoid() * 2) if self.weight else other)
        return total
