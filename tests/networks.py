"""Small networks of every kind that YOLOv5's releases can train, with random weights.

They have the real networks' layers and wiring with few channels, so that tests can make checkpoints of all
kinds in no time. `build(kind)` makes one; KINDS lists them. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from convert.layers import (
    C3,
    C3SPP,
    C3TR,
    SPP,
    SPPF,
    AconC,
    BottleneckCSP,
    C3Ghost,
    C3x,
    Concat,
    Contract,
    Conv,
    CrossConv,
    Detect,
    DetectionModel,
    DWConv,
    DWConvTranspose2d,
    Expand,
    Focus,
    FReLU,
    GhostBottleneck,
    GhostConv,
    MetaAconC,
    MixConv2d,
    Sum,
)

Layers = list[tuple[int | list[int], nn.Module]]
Block = Callable[..., nn.Module]

NAMES = ["ball", "cup", "Straße"]

ANCHORS = {
    4: [4, 5, 8, 10, 13, 16],
    8: [10, 13, 16, 30, 33, 23],
    16: [30, 61, 62, 45, 59, 119],
    32: [116, 90, 156, 198, 373, 326],
    64: [436, 615, 739, 380, 925, 792],
    128: [600, 700, 800, 900, 1000, 1100],
}


def head(
    layers: Layers, sources: list[int], channels: list[int], strides: list[int], release: int = 7
) -> None:
    """Add the Detect layer; up to release 5 it kept its anchors in pixels too."""
    detect = Detect(len(NAMES), [ANCHORS[s] for s in strides], channels, strides)
    if release <= 5:
        pixels = detect.anchors * detect.stride.view(-1, 1, 1)
        del detect.anchor_grid
        detect.register_buffer("anchor_grid", pixels.view(len(strides), 1, -1, 1, 1, 2))
        detect.grid = [torch.zeros(1)] * len(strides)
    layers.append((sources, detect))


def up() -> nn.Module:
    return nn.Upsample(None, 2, "nearest")


def pyramid(stem: nn.Module, block: Block, spp: Block, conv: Block = Conv, release: int = 7) -> Layers:
    """The three-headed network of the releases v2.0 to v7.0."""
    layers: Layers = [
        (-1, stem),
        (-1, conv(8, 8, 3, 2)),
        (-1, block(8, 8)),
        (-1, conv(8, 16, 3, 2)),
    ]  # 0 to 3
    layers += [
        (-1, block(16, 16, 2)),
        (-1, conv(16, 24, 3, 2)),
        (-1, block(24, 24)),
        (-1, conv(24, 32, 3, 2)),
    ]
    layers += [(-1, block(32, 32, 1, False)), (-1, spp(32, 32))]  # 8, 9
    layers += [(-1, conv(32, 24, 1, 1)), (-1, up()), ([-1, 6], Concat()), (-1, block(48, 24, 1, False))]
    layers += [
        (-1, conv(24, 16, 1, 1)),
        (-1, up()),
        ([-1, 4], Concat()),
        (-1, block(32, 16, 1, False)),
    ]  # 14 to 17
    layers += [(-1, conv(16, 16, 3, 2)), ([-1, 14], Concat()), (-1, block(32, 24, 1, False))]  # 18 to 20
    layers += [(-1, conv(24, 24, 3, 2)), ([-1, 10], Concat()), (-1, block(48, 32, 1, False))]  # 21 to 23
    head(layers, [17, 20, 23], [16, 24, 32], [8, 16, 32], release)
    return layers


def with_activation(layers: Layers, new: Callable[[int], nn.Module]) -> Layers:
    """The same layers with another activation, made for a number of channels."""
    for _, layer in layers:
        for module in layer.modules():
            if isinstance(module, Conv) and isinstance(module.act, nn.SiLU):
                module.act = new(module.conv.out_channels)
    return layers


def v1() -> Layers:
    """v1.0: the 1×1 convolutions are layers of their own, and the heads go from coarse to fine."""
    out = 3 * (5 + len(NAMES))
    layers: Layers = [(-1, Focus(3, 8, 3)), (-1, Conv(8, 8, 3, 2)), (-1, BottleneckCSP(8, 8))]  # 0 to 2
    layers += [(-1, Conv(8, 16, 3, 2)), (-1, BottleneckCSP(16, 16)), (-1, Conv(16, 24, 3, 2))]  # 3 to 5
    layers += [(-1, BottleneckCSP(24, 24)), (-1, Conv(24, 32, 3, 2)), (-1, SPP(32, 32))]  # 6 to 8
    layers += [(-1, nn.Conv2d(32, out, 1)), (-2, Conv(32, 24)), (-1, up()), ([-1, 6], Concat())]  # 9 to 12
    layers += [
        (-1, BottleneckCSP(48, 24, 1, False)),
        (-1, nn.Conv2d(24, out, 1)),
        (-2, Conv(24, 16)),
        (-1, up()),
    ]
    layers += [
        ([-1, 4], Concat()),
        (-1, BottleneckCSP(32, 16, 1, False)),
        (-1, nn.Conv2d(16, out, 1)),
    ]  # 17 to 19
    head(layers, [9, 14, -1], [], [32, 16, 8], release=1)
    del layers[-1][1].m
    return with_activation(layers, lambda c: nn.LeakyReLU(0.1))


def more_levels(strides: list[int], deepest: int | None = None) -> Layers:
    """A backbone down to the last stride or `deepest`, and a top-down path with a head at each stride."""
    deepest = deepest or max(strides)
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2))]
    at = {2: 0}
    stride = 2
    while stride < deepest:
        layers += [(-1, Conv(8, 8, 3, 2)), (-1, C3(8, 8))]
        stride *= 2
        at[stride] = len(layers) - 1
    layers.append((-1, SPPF(8, 8)))
    sources = [len(layers) - 1]
    for finer in sorted(at, reverse=True)[1:]:
        if finer < min(strides):
            break
        layers += [(-1, up()), ([-1, at[finer]], Concat()), (-1, C3(16, 8, 1, False))]
        sources.insert(0, len(layers) - 1)
    used = [s for s in sorted(at) if s >= min(strides)]
    head(layers, [f for f, s in zip(sources, used, strict=True) if s in strides], [8] * len(strides), strides)
    return layers


def bifpn() -> Layers:
    """Maps joined three at a time, some by weighted sums."""
    layers: Layers = [
        (-1, Conv(3, 8, 6, 2, 2)),
        (-1, Conv(8, 8, 3, 2)),
        (-1, Conv(8, 8, 3, 2)),
    ]  # 0 to 2: stride 8
    layers += [(-1, Conv(8, 8, 3, 2)), (-1, Conv(8, 8, 3, 2)), (-1, up())]  # 3: 16, 4: 32
    layers += [([-1, 3], Sum(2, weight=True)), (-1, up()), ([-1, 2], Sum(2, weight=False))]  # 6: 16, 8: 8
    layers += [(-1, Conv(8, 8, 3, 2)), ([-1, 6, 3], Sum(3, weight=True)), (-1, C3(8, 8))]  # 11: 16
    layers += [(-1, Conv(8, 8, 3, 2)), ([-1, 4, 4], Concat()), (-1, C3(24, 8))]  # 14: 32
    head(layers, [8, 11, 14], [8, 8, 8], [8, 16, 32])
    return layers


def yolov3(spp: bool) -> Layers:
    layers: Layers = [
        (-1, Conv(3, 8, 3, 1)),
        (-1, Conv(8, 8, 3, 2)),
        (-1, C3Ghost(8, 8)),
        (-1, Conv(8, 8, 3, 2)),
    ]
    layers += [
        (-1, Conv(8, 16, 3, 2)),
        (-1, Conv(16, 24, 3, 2)),
        (-1, Conv(24, 32, 3, 2)),
    ]  # 4: 8, 5: 16, 6: 32
    layers += [
        (-1, SPP(32, 32, (5, 9, 13)) if spp else Conv(32, 32, 1, 1)),
        (-1, Conv(32, 16, 1, 1)),
        (-1, up()),
    ]
    layers += [
        ([-1, 5], Concat()),
        (-1, Conv(40, 16, 3, 1)),
        (-1, up()),
        ([-1, 4], Concat()),
        (-1, Conv(32, 8, 3)),
    ]
    head(layers, [14, 11, 7], [8, 16, 32], [8, 16, 32])
    return layers


def yolov3_tiny() -> Layers:
    """Max-pooling to halve the map, and once a pool of stride 1 behind a padding of one side."""
    layers: Layers = [(-1, Conv(3, 8, 3, 1)), (-1, nn.MaxPool2d(2, 2, 0)), (-1, Conv(8, 8, 3, 1))]
    layers += [(-1, nn.MaxPool2d(2, 2, 0)), (-1, nn.MaxPool2d(2, 2, 0)), (-1, Conv(8, 16, 3, 1))]  # 5: 8
    layers += [
        (-1, nn.MaxPool2d(2, 2, 0)),
        (-1, Conv(16, 16, 3, 1)),
        (-1, nn.MaxPool2d(2, 2, 0)),
    ]  # 7: 16, 8: 32
    layers += [
        (-1, nn.ZeroPad2d((0, 1, 0, 1))),
        (-1, nn.MaxPool2d(2, 1, 0)),
        (-1, Conv(16, 32, 3, 1)),
    ]  # 11: 32
    layers += [(-2, Conv(16, 16, 1, 1)), (-1, up()), ([-1, 7], Concat()), (-1, Conv(32, 16, 3, 1))]  # 15: 16
    head(layers, [15, 11], [16, 32], [16, 32])
    return layers


def rare_layers() -> Layers:
    """The layers that few people's networks have."""
    layers: Layers = [
        (-1, Conv(3, 8, 6, 2, 2)),
        (-1, MixConv2d(8, 10, (1, 3, 5), 2)),
        (-1, C3x(10, 8, 2)),
    ]  # 2: 4
    layers += [
        (-1, CrossConv(8, 8, 3, 1, 1, 1.0, True)),
        (-1, DWConv(8, 16, 3, 2)),
        (-1, C3SPP(16, 16)),
    ]  # 5: 8
    layers += [(-1, Contract(2)), (-1, Conv(64, 16, 1)), (-1, Expand(2)), (-1, Conv(4, 16, 3, 2))]  # 9: 16
    layers += [
        (-1, GhostBottleneck(16, 32, 3, 2)),
        (-1, DWConvTranspose2d(32, 16, 4, 2, 1)),
        ([-1, 9], Concat()),
    ]
    head(layers, [5, 12, 10], [16, 32, 32], [8, 16, 32])
    return layers


def old_mixconv() -> Layers:
    """MixConv2d as it was up to v6.0: LeakyReLU, and the input added."""
    layers: Layers = [
        (-1, Conv(3, 8, 6, 2, 2)),
        (-1, Conv(8, 8, 3, 2)),
        (-1, Conv(8, 8, 3, 2)),
        (-1, MixConv2d(8, 8)),
    ]
    layers[-1][1].act = nn.LeakyReLU(0.1)
    head(layers, [3], [8], [8])
    return layers


def acon() -> Layers:
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, Conv(8, 8, 3, 2, act=AconC(8)))]
    layers += [(-1, Conv(8, 8, 3, 2, act=MetaAconC(8))), (-1, Conv(8, 8, 3, 1, act=FReLU(8)))]
    layers += [(-1, Conv(8, 8, 3, 1, act=act)) for act in (nn.Mish(), nn.Hardsigmoid(), nn.ReLU(), nn.Tanh())]
    head(layers, [-1], [8], [8])
    return layers


def stem() -> nn.Module:
    return Conv(3, 8, 6, 2, 2)


def focus() -> nn.Module:
    return Focus(3, 8, 3)


KINDS: dict[str, Callable[[], Layers]] = {
    "v1.0": v1,
    "v2.0": lambda: with_activation(
        pyramid(focus(), BottleneckCSP, SPP, release=2), lambda c: nn.LeakyReLU(0.1)
    ),
    "v3.1": lambda: with_activation(
        pyramid(focus(), BottleneckCSP, SPP, release=3), lambda c: nn.Hardswish()
    ),
    "v4.0": lambda: pyramid(focus(), C3, SPP, release=4),
    "v7.0": lambda: pyramid(stem(), C3, SPPF),
    "leaky": lambda: with_activation(pyramid(stem(), C3, SPPF), lambda c: nn.LeakyReLU(0.1)),
    "ghost": lambda: pyramid(stem(), C3Ghost, SPPF, GhostConv),
    "transformer": lambda: pyramid(stem(), C3, lambda c1, c2: C3TR(c1, c2, 2)),
    "p2": lambda: more_levels([4, 8, 16, 32]),
    "p34": lambda: more_levels([8, 16]),
    "p34 with a deeper backbone": lambda: more_levels([8, 16], deepest=32),
    "p6": lambda: more_levels([8, 16, 32, 64]),
    "p7": lambda: more_levels([8, 16, 32, 64, 128]),
    "bifpn": bifpn,
    "yolov3": lambda: yolov3(spp=False),
    "yolov3-spp": lambda: yolov3(spp=True),
    "yolov3-tiny": yolov3_tiny,
    "rare layers": rare_layers,
    "old MixConv2d": old_mixconv,
    "activations": acon,
}

FIXED = {"v1.0", "v2.0", "v3.1", "v4.0", "transformer", "rare layers"}
"""The kinds whose graph holds fixed sizes when Focus is written as a permute."""


SIZE_MULTIPLES = {"p34 with a deeper backbone": 32}
"""The kinds whose layers pool down to more than their largest stride."""


def build(kind: str, seed: int = 0) -> DetectionModel:
    """One of KINDS, in evaluation mode, with activations as tame as a trained network's."""
    torch.manual_seed(seed)
    model = DetectionModel(KINDS[kind](), NAMES)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.3)
        norm.momentum = 1.0  # so that one batch sets the running statistics
    with torch.no_grad():
        model.train()(torch.rand(4, 3, 256, 256))
    for norm in norms:
        norm.momentum = 0.03
    return model.eval()
