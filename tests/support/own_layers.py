"""Layers that people add to YOLOv5, written anew from their papers: what `--layers` is tried with.

Each takes (channels in, channels out), which are equal here, and maps (N, C, H, W) to the same shape, unless
it says otherwise. Only PyTorch is needed, and `cv1` and the like are YOLOv5's own Conv, handed in by `conv`.
"""

# ruff: noqa: N812 - forward is what the paper says

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import a_package_that_is_not_installed as missing  # type: ignore[import-not-found] # isort: skip


def conv_bn(c1: int, c2: int, k: int = 1, g: int = 1, act: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(c1, c2, k, 1, k // 2, groups=g, bias=False), nn.BatchNorm2d(c2)]
    return nn.Sequential(*layers, *([act] if act else []))


class SE(nn.Module):
    """Squeeze and excitation. https://arxiv.org/abs/1709.01507."""

    def __init__(self, c1: int, c2: int, r: int = 4):
        super().__init__()
        self.squeeze, self.fc1, self.fc2 = (
            nn.AdaptiveAvgPool2d(1),
            nn.Linear(c1, c1 // r),
            nn.Linear(c1 // r, c2),
        )

    def forward(self, x: Tensor) -> Tensor:
        n, c = x.shape[:2]
        share = torch.sigmoid(self.fc2(F.relu(self.fc1(self.squeeze(x).view(n, c)))))
        return x * share.view(n, c, 1, 1)


class CBAM(nn.Module):
    """Channel attention, then spatial attention. https://arxiv.org/abs/1807.06521."""

    def __init__(self, c1: int, c2: int, r: int = 4):
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(c1, c1 // r, 1), nn.ReLU(), nn.Conv2d(c1 // r, c2, 1))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x * torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        both = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True).values), 1)
        return x * torch.sigmoid(self.spatial(both))


class CoordAtt(nn.Module):
    """Attention along rows and along columns. https://arxiv.org/abs/2103.02907."""

    def __init__(self, c1: int, c2: int, r: int = 4):
        super().__init__()
        self.reduce = conv_bn(c1, c1 // r, act=nn.Hardswish())
        self.rows, self.columns = nn.Conv2d(c1 // r, c2, 1), nn.Conv2d(c1 // r, c2, 1)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        joined = torch.cat((x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)), 2)
        rows, columns = self.reduce(joined).split([h, w], 2)
        return x * self.rows(rows).sigmoid() * self.columns(columns.transpose(2, 3)).sigmoid()


class ECA(nn.Module):
    """A one-dimensional convolution over the channels' means. https://arxiv.org/abs/1910.03151."""

    def __init__(self, c1: int, c2: int, k: int = 3):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, k, padding=k // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        means = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(1, 2)
        return x * self.conv(means).transpose(1, 2).unsqueeze(-1).sigmoid()


class SimAM(nn.Module):
    """Attention without parameters. http://proceedings.mlr.press/v139/yang21o.html."""

    def __init__(self, c1: int, c2: int, e_lambda: float = 1e-4):
        super().__init__()
        self.e_lambda = e_lambda

    def forward(self, x: Tensor) -> Tensor:
        d = (x - x.mean((2, 3), keepdim=True)) ** 2
        variance = d.sum((2, 3), keepdim=True) / (x.shape[2] * x.shape[3] - 1)
        return x * torch.sigmoid(d / (4 * (variance + self.e_lambda)) + 0.5)


class BiFPNConcat(nn.Module):
    """A concatenation of two maps, each with a learned share. https://arxiv.org/abs/1911.09070."""

    def __init__(self, c1: int = 0, c2: int = 0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.3, 1.7]))

    def forward(self, x: list[Tensor]) -> Tensor:
        share = self.w / (self.w.sum() + 1e-4)
        return torch.cat([share[0] * x[0], share[1] * x[1]], 1)


class RepConv(nn.Module):
    """A 3×3, a 1×1 and no convolution side by side. https://arxiv.org/abs/2101.03697."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        self.dense, self.point, self.identity = conv_bn(c1, c2, 3), conv_bn(c1, c2), nn.BatchNorm2d(c1)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.dense(x) + self.point(x) + self.identity(x))


class ShuffleBlock(nn.Module):
    """Half of the channels through convolutions, then shuffled. https://arxiv.org/abs/1807.11164."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        c = c2 // 2
        self.branch = nn.Sequential(
            conv_bn(c, c, act=nn.ReLU()), conv_bn(c, c, 3, c), conv_bn(c, c, act=nn.ReLU())
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        joined = torch.cat((first, self.branch(second)), 1)
        n, c, h, w = joined.shape
        return joined.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class MobileBlock(nn.Module):
    """An inverted residual with squeeze and excitation. https://arxiv.org/abs/1905.02244."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        c = 2 * c1
        self.expand, self.depth = conv_bn(c1, c, act=nn.Hardswish()), conv_bn(c, c, 5, c, nn.Hardswish())
        self.se, self.project = SE(c, c), conv_bn(c, c2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(self.se(self.depth(self.expand(x))))


class ConvNeXtBlock(nn.Module):
    """A 7×7 depth-wise convolution and two linear layers. https://arxiv.org/abs/2201.03545."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        self.depth, self.norm = nn.Conv2d(c1, c1, 7, padding=3, groups=c1), nn.LayerNorm(c1)
        self.fc1, self.act, self.fc2 = nn.Linear(c1, 2 * c1), nn.GELU(), nn.Linear(2 * c1, c2)
        self.gamma = nn.Parameter(torch.full((c1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc2(self.act(self.fc1(self.norm(self.depth(x).permute(0, 2, 3, 1)))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


class SwinBlock(nn.Module):
    """Attention within shifted windows, with a table of biases. https://arxiv.org/abs/2103.14030."""

    index: Tensor

    def __init__(self, c1: int, c2: int, window: int = 4, heads: int = 2):
        super().__init__()
        self.window, self.heads = window, heads
        self.norm1, self.norm2 = nn.LayerNorm(c1), nn.LayerNorm(c1)
        self.qkv, self.proj = nn.Linear(c1, 3 * c1), nn.Linear(c1, c2)
        self.mlp = nn.Sequential(nn.Linear(c1, 2 * c1), nn.GELU(), nn.Linear(2 * c1, c2))
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads) / 4)
        place = torch.stack(
            torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
        ).flatten(1)
        apart = place[:, :, None] - place[:, None] + window - 1
        self.register_buffer("index", (apart[0] * (2 * window - 1) + apart[1]).flatten())

    def forward(self, x: Tensor) -> Tensor:
        (n, c, h, w), s, shift = x.shape, self.window, self.window // 2
        x = x.permute(0, 2, 3, 1)
        y = torch.roll(self.norm1(x), (-shift, -shift), (1, 2))
        y = y.view(n, h // s, s, w // s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        q, k, v = self.qkv(y).reshape(-1, s * s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index].view(s * s, s * s, self.heads).permute(2, 0, 1)
        share = torch.softmax(q @ k.transpose(2, 3) * (c // self.heads) ** -0.5 + bias, -1)
        y = self.proj((share @ v).transpose(1, 2).reshape(-1, s * s, c))
        y = y.view(n, h // s, w // s, s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + torch.roll(y, (shift, shift), (1, 2))
        return (x + self.mlp(self.norm2(x))).permute(0, 3, 1, 2)


class GSConv(nn.Module):
    """A convolution, a depth-wise one of its output, and a shuffle of both. https://arxiv.org/abs/2206.02424."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        self.cv1, self.cv2 = (
            conv_bn(c1, c2 // 2, act=nn.SiLU()),
            conv_bn(c2 // 2, c2 // 2, 5, c2 // 2, nn.SiLU()),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.cv1(x)
        joined = torch.cat((x, self.cv2(x)), 1)
        return torch.cat((joined[:, ::2], joined[:, 1::2]), 1)


class CARAFE(nn.Module):
    """Upsampling to twice the size by kernels of each place's own. https://arxiv.org/abs/1905.02188."""

    def __init__(self, c1: int, c2: int, k: int = 3, up: int = 2):
        super().__init__()
        self.k, self.up = k, up
        self.compress, self.encode = conv_bn(c1, 4, act=nn.SiLU()), nn.Conv2d(4, (up * k) ** 2, 3, padding=1)
        self.shuffle, self.upsample = nn.PixelShuffle(up), nn.Upsample(scale_factor=up, mode="nearest")
        self.unfold = nn.Unfold(k, dilation=up, padding=k // 2 * up)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        kernels = torch.softmax(self.shuffle(self.encode(self.compress(x))), 1)
        places = self.unfold(self.upsample(x)).view(n, c, self.k**2, self.up * h, self.up * w)
        return torch.einsum("nkhw,nckhw->nchw", kernels, places)


class GAM(nn.Module):
    """Channel attention by linear layers, spatial attention by two 7×7 convolutions. https://arxiv.org/abs/2112.05561."""

    def __init__(self, c1: int, c2: int, r: int = 4):
        super().__init__()
        self.channel = nn.Sequential(nn.Linear(c1, c1 // r), nn.ReLU(), nn.Linear(c1 // r, c1))
        self.spatial = nn.Sequential(conv_bn(c1, c1 // r, 7, act=nn.ReLU()), conv_bn(c1 // r, c2, 7))

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.channel(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).sigmoid()
        return x * self.spatial(x).sigmoid()


class MHSA(nn.Module):
    """Self-attention over a map of one size, with learned places. https://arxiv.org/abs/2101.11605."""

    def __init__(self, c1: int, c2: int, heads: int = 2, side: int = 8):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = nn.Conv2d(c1, c1, 1), nn.Conv2d(c1, c1, 1), nn.Conv2d(c1, c2, 1)
        self.rel_h = nn.Parameter(torch.randn(1, heads, c1 // heads, side, 1))
        self.rel_w = nn.Parameter(torch.randn(1, heads, c1 // heads, 1, side))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = (f(x).view(n, self.heads, c // self.heads, -1) for f in (self.q, self.k, self.v))
        place = (self.rel_h + self.rel_w).view(1, self.heads, c // self.heads, -1).transpose(2, 3)
        share = torch.softmax(q.transpose(2, 3) @ k + place @ q, -1)
        return x + (v @ share.transpose(2, 3)).view(n, c, h, w)


class FastC2f(nn.Module):
    """C2f, under a name that no release has: every inner block's output is joined."""

    def __init__(self, c1: int, c2: int, n: int = 2):
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2 = conv_bn(c1, 2 * c, act=nn.SiLU()), conv_bn((2 + n) * c, c2, act=nn.SiLU())
        self.m = nn.ModuleList(conv_bn(c, c, 3, act=nn.SiLU()) for _ in range(n))

    def forward(self, x: Tensor) -> Tensor:
        maps = list(self.cv1(x).chunk(2, 1))
        maps.extend(block(maps[-1]) for block in self.m)
        return self.cv2(torch.cat(maps, 1))


class C3(nn.Module):
    """YOLOv5's C3 under its own name, with attention at its end: a changed layer."""

    def __init__(self, c1: int, c2: int):
        super().__init__()
        c = c2 // 2
        self.cv1, self.cv2, self.cv3 = conv_bn(c1, c), conv_bn(c1, c), conv_bn(2 * c, c2)
        self.m, self.att = nn.Sequential(conv_bn(c, c, 3)), SE(c2, c2)

    def forward(self, x: Tensor) -> Tensor:
        return self.att(self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1)))


class Uninstalled(nn.Module):
    """A layer that needs a package that is not there."""

    def __init__(self, c1: int, c2: int):
        super().__init__()

    def forward(self, x: Tensor) -> Any:
        return missing.rearrange(x)


class Fourier(nn.Module):
    """A layer that opset 12 has no operator for."""

    def __init__(self, c1: int, c2: int):
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft2(x).real


MODULES = [
    *(SE, CBAM, CoordAtt, ECA, SimAM, BiFPNConcat, RepConv, ShuffleBlock, MobileBlock, ConvNeXtBlock),
    *(SwinBlock, GSConv, CARAFE, GAM, MHSA, FastC2f, C3),
]
