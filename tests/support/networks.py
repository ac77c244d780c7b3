"""Small networks of every kind that YOLOv5's releases can train, with random weights.

They have the real networks' layers and wiring with few channels, so that tests can make checkpoints of all
kinds in no time. `build(kind)` makes one; KINDS lists them. Needs torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from convert.layers import (
    C2PSA,
    C3,
    C3SPP,
    C3TR,
    SPP,
    SPPF,
    AconC,
    AnchorFreeDetect,
    BaseModel,
    BlazeBlock,
    BottleneckCSP,
    C2f,
    C3Ghost,
    C3k2,
    C3x,
    ClassificationModel,
    Classify,
    Concat,
    Contract,
    Conv,
    CrossConv,
    Detect,
    DetectionModel,
    DoubleBlazeBlock,
    DWConv,
    DWConvTranspose2d,
    Expand,
    Focus,
    FReLU,
    GhostBottleneck,
    GhostConv,
    KeypointDetect,
    MetaAconC,
    MixConv2d,
    Segment,
    SegmentationModel,
    ShuffleV2Block,
    StemBlock,
    Sum,
)

Layers = list[tuple[int | list[int], Any]]
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
    layers: Layers,
    sources: list[int],
    channels: list[int],
    strides: list[int],
    release: int = 7,
    kind: Block = Detect,
) -> None:
    """Add a head with anchors; up to release 5 it kept them in pixels too."""
    detect: Any = kind(len(NAMES), [ANCHORS[s] for s in strides], channels, strides)
    if release <= 5:
        pixels = detect.anchors * detect.stride.view(-1, 1, 1)
        del detect.anchor_grid
        detect.register_buffer("anchor_grid", pixels.view(len(strides), 1, -1, 1, 1, 2))
        detect.grid = [torch.zeros(1)] * len(strides)
    layers.append((sources, detect))


def small_segment(nc: int, anchors: Any, ch: list[int], strides: list[int]) -> Segment:
    """A segmentation head with few mask coefficients and hidden channels."""
    return Segment(nc, anchors, ch, strides, nm=6, npr=8)


def up() -> nn.Module:
    return nn.Upsample(None, 2, "nearest")


def pyramid(stem: nn.Module, block: Block, spp: Block, conv: Block = Conv) -> Layers:
    """The network of three levels of the releases v2.0 to v7.0, without its head (layers 17, 20, 23)."""
    layers: Layers = [(-1, stem), (-1, conv(8, 8, 3, 2)), (-1, block(8, 8))]
    # layer 4: stride 8; 6: 16; 9: 32
    layers += [(-1, conv(8, 16, 3, 2)), (-1, block(16, 16, 2))]
    layers += [(-1, conv(16, 24, 3, 2)), (-1, block(24, 24))]
    layers += [(-1, conv(24, 32, 3, 2)), (-1, block(32, 32, 1, False)), (-1, spp(32, 32))]
    # up to layer 17: stride 8
    layers += [(-1, conv(32, 24, 1, 1)), (-1, up()), ([-1, 6], Concat()), (-1, block(48, 24, 1, False))]
    layers += [(-1, conv(24, 16, 1, 1)), (-1, up()), ([-1, 4], Concat()), (-1, block(32, 16, 1, False))]
    # and down again to layers 20 and 23
    layers += [(-1, conv(16, 16, 3, 2)), ([-1, 14], Concat()), (-1, block(32, 24, 1, False))]
    layers += [(-1, conv(24, 24, 3, 2)), ([-1, 10], Concat()), (-1, block(48, 32, 1, False))]
    return layers


def three_levels(layers: Layers, release: int = 7, kind: Block = Detect) -> Layers:
    """A `pyramid` with its head."""
    head(layers, [17, 20, 23], [16, 24, 32], [8, 16, 32], release, kind)
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
    layers: Layers = [(-1, Focus(3, 8, 3)), (-1, Conv(8, 8, 3, 2)), (-1, BottleneckCSP(8, 8))]
    # layer 4: stride 8; 6: 16; 8: 32
    layers += [(-1, Conv(8, 16, 3, 2)), (-1, BottleneckCSP(16, 16)), (-1, Conv(16, 24, 3, 2))]
    layers += [(-1, BottleneckCSP(24, 24)), (-1, Conv(24, 32, 3, 2)), (-1, SPP(32, 32))]
    # head convolutions: layers 9, 14, 19
    layers += [(-1, nn.Conv2d(32, out, 1)), (-2, Conv(32, 24)), (-1, up()), ([-1, 6], Concat())]
    layers += [(-1, BottleneckCSP(48, 24, 1, False)), (-1, nn.Conv2d(24, out, 1)), (-2, Conv(24, 16))]
    layers += [(-1, up()), ([-1, 4], Concat()), (-1, BottleneckCSP(32, 16, 1, False))]
    layers += [(-1, nn.Conv2d(16, out, 1))]
    head(layers, [9, 14, -1], [], [32, 16, 8], release=1)
    del layers[-1][1].m
    return with_activation(layers, lambda c: nn.LeakyReLU(0.1))


def more_levels(strides: list[int], deepest: int | None = None, kind: Block = Detect) -> Layers:
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
    sources = [f for f, s in zip(sources, used, strict=True) if s in strides]
    head(layers, sources, [8] * len(strides), strides, kind=kind)
    return layers


def bifpn() -> Layers:
    """Maps joined three at a time, some by weighted sums."""
    # layer 2: stride 8; 3: 16; 4: 32
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, Conv(8, 8, 3, 2)), (-1, Conv(8, 8, 3, 2))]
    layers += [(-1, Conv(8, 8, 3, 2)), (-1, Conv(8, 8, 3, 2)), (-1, up())]
    # layer 6: stride 16; 8: 8; 11: 16; 14: 32
    layers += [([-1, 3], Sum(2, weight=True)), (-1, up()), ([-1, 2], Sum(2, weight=False))]
    layers += [(-1, Conv(8, 8, 3, 2)), ([-1, 6, 3], Sum(3, weight=True)), (-1, C3(8, 8))]
    layers += [(-1, Conv(8, 8, 3, 2)), ([-1, 4, 4], Concat()), (-1, C3(24, 8))]
    head(layers, [8, 11, 14], [8, 8, 8], [8, 16, 32])
    return layers


def yolov3(spp: bool) -> Layers:
    """Layer 4: stride 8; 5: 16; 6: 32."""
    layers: Layers = [(-1, Conv(3, 8, 3, 1)), (-1, Conv(8, 8, 3, 2)), (-1, C3Ghost(8, 8))]
    layers += [(-1, Conv(8, 8, 3, 2)), (-1, Conv(8, 16, 3, 2)), (-1, Conv(16, 24, 3, 2))]
    layers += [(-1, Conv(24, 32, 3, 2)), (-1, SPP(32, 32) if spp else Conv(32, 32, 1, 1))]
    layers += [(-1, Conv(32, 16, 1, 1)), (-1, up()), ([-1, 5], Concat()), (-1, Conv(40, 16, 3, 1))]
    layers += [(-1, up()), ([-1, 4], Concat()), (-1, Conv(32, 8, 3))]
    head(layers, [14, 11, 7], [8, 16, 32], [8, 16, 32])
    return layers


def yolov3_tiny() -> Layers:
    """Max-pooling to halve the map, and once a pool of stride 1 behind a padding of one side."""

    def halve() -> tuple[int, nn.Module]:
        return (-1, nn.MaxPool2d(2, 2, 0))

    # layer 5: stride 8; 7: 16; 11: 32; 15: 16
    layers: Layers = [(-1, Conv(3, 8, 3, 1)), halve(), (-1, Conv(8, 8, 3, 1)), halve(), halve()]
    layers += [(-1, Conv(8, 16, 3, 1)), halve(), (-1, Conv(16, 16, 3, 1)), halve()]
    layers += [(-1, nn.ZeroPad2d((0, 1, 0, 1))), (-1, nn.MaxPool2d(2, 1, 0)), (-1, Conv(16, 32, 3, 1))]
    layers += [(-2, Conv(16, 16, 1, 1)), (-1, up()), ([-1, 7], Concat()), (-1, Conv(32, 16, 3, 1))]
    head(layers, [15, 11], [16, 32], [16, 32])
    return layers


def rare_layers() -> Layers:
    """The layers that few people's networks have."""
    # layer 2: stride 4; 5: 8; 9: 16
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, MixConv2d(8, 10, (1, 3, 5), 2)), (-1, C3x(10, 8, 2))]
    layers += [(-1, CrossConv(8, 8, 3, 1, 1, 1.0, True)), (-1, DWConv(8, 16, 3, 2)), (-1, C3SPP(16, 16))]
    layers += [(-1, Contract(2)), (-1, Conv(64, 16, 1)), (-1, Expand(2)), (-1, Conv(4, 16, 3, 2))]
    layers += [(-1, GhostBottleneck(16, 32, 3, 2)), (-1, DWConvTranspose2d(32, 16, 4, 2, 1))]
    layers += [([-1, 9], Concat())]
    head(layers, [5, 12, 10], [16, 32, 32], [8, 16, 32])
    return layers


def old_mixconv() -> Layers:
    """MixConv2d as it was up to v6.0: LeakyReLU, and the input added."""
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, Conv(8, 8, 3, 2)), (-1, Conv(8, 8, 3, 2))]
    layers += [(-1, MixConv2d(8, 8))]
    layers[-1][1].act = nn.LeakyReLU(0.1)
    head(layers, [3], [8], [8])
    return layers


def acon() -> Layers:
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, Conv(8, 8, 3, 2, act=AconC(8)))]
    layers += [(-1, Conv(8, 8, 3, 2, act=MetaAconC(8))), (-1, Conv(8, 8, 3, 1, act=FReLU(8)))]
    layers += [(-1, Conv(8, 8, 3, 1, act=act)) for act in (nn.Mish(), nn.Hardsigmoid(), nn.ReLU(), nn.Tanh())]
    head(layers, [-1], [8], [8])
    return layers


def classifier(sources: int | list[int] = -1) -> Layers:
    """Odd channels and an odd downsampling are nothing to a classifier; several maps are joined."""
    layers: Layers = [(-1, Conv(3, 8, 6, 2, 2)), (-1, Conv(8, 8, 3, 2)), (-1, C3(8, 8, 2))]
    layers += [(-1, Conv(8, 12, 3, 2)), (-1, SPPF(12, 12)), (-1, Conv(12, 7, 1))]
    width = 7 if isinstance(sources, int) else 19
    return [*layers, (sources, Classify(width, len(NAMES), 24))]


def shuffle_face() -> Layers:
    """yolov5-face's small networks: a stem of two steps, shuffled channels, pools of 3, 5 and 7."""

    def repeated(c: int) -> nn.Module:
        return nn.Sequential(*(ShuffleV2Block(c, c, 1) for _ in range(2)))

    # layer 2: stride 8; 4: 16; 7: 32; 10: 16; 13: 8
    layers: Layers = [(-1, StemBlock(3, 8)), (-1, ShuffleV2Block(8, 12, 2)), (-1, repeated(12))]
    layers += [(-1, ShuffleV2Block(12, 16, 2)), (-1, repeated(16))]
    layers += [(-1, ShuffleV2Block(16, 24, 2)), (-1, repeated(24)), (-1, SPP(24, 24, (3, 5, 7)))]
    layers += [(-1, up()), ([-1, 4], Concat()), (-1, C3(40, 12, 1, False))]
    layers += [(-1, up()), ([-1, 2], Concat()), (-1, C3(24, 8, 1, False))]
    head(layers, [13, 10, 7], [8, 12, 24], [8, 16, 32], release=5, kind=KeypointDetect)
    return layers


def blaze_face() -> Layers:
    """yolov5-face's BlazeFace."""
    # layer 2: stride 4; 4: 8; 6: 16
    layers: Layers = [(-1, Conv(3, 8, 3, 2)), (-1, BlazeBlock(8, 8)), (-1, BlazeBlock(8, 12, None, 2))]
    layers += [(-1, BlazeBlock(12, 12)), (-1, DoubleBlazeBlock(12, 16, 8, 2))]
    layers += [(-1, DoubleBlazeBlock(16, 16, 8)), (-1, DoubleBlazeBlock(16, 24, 8, 2))]
    head(layers, [4, 6], [16, 24], [8, 16], release=5, kind=KeypointDetect)
    return layers


def anchor_free(layers: Layers) -> Layers:
    """A `pyramid` with yolov5u's head."""
    return [*layers, ([17, 20, 23], AnchorFreeDetect(len(NAMES), [16, 24, 32], reg_max=8))]


def yolo11() -> Layers:
    """YOLO11's: attention at the end of the backbone, depth-wise convolutions in the head."""
    layers = anchor_free(pyramid(stem(), C3k2, lambda c1, c2: C2PSA(c1, 1, num_heads=2)))
    free: Any = layers[-1][1]
    for i, c in enumerate((16, 24, 32)):
        first = nn.Sequential(DWConv(c, c, 3), Conv(c, 16, 1))
        second = nn.Sequential(DWConv(16, 16, 3), Conv(16, 16, 1))
        free.cv3[i] = nn.Sequential(first, second, nn.Conv2d(16, len(NAMES), 1))
    return layers


def stem() -> nn.Module:
    return Conv(3, 8, 6, 2, 2)


def focus() -> nn.Module:
    return Focus(3, 8, 3)


def leaky(c: int) -> nn.Module:
    return nn.LeakyReLU(0.1)


KINDS: dict[str, Callable[[], Layers]] = {
    "v1.0": v1,
    "v2.0": lambda: with_activation(three_levels(pyramid(focus(), BottleneckCSP, SPP), 2), leaky),
    "v3.1": lambda: with_activation(
        three_levels(pyramid(focus(), BottleneckCSP, SPP), 3), lambda c: nn.Hardswish()
    ),
    "v4.0": lambda: three_levels(pyramid(focus(), C3, SPP), 4),
    "v7.0": lambda: three_levels(pyramid(stem(), C3, SPPF)),
    "leaky": lambda: with_activation(three_levels(pyramid(stem(), C3, SPPF)), leaky),
    "ghost": lambda: three_levels(pyramid(stem(), C3Ghost, SPPF, GhostConv)),
    "transformer": lambda: three_levels(pyramid(stem(), C3, lambda c1, c2: C3TR(c1, c2, 2))),
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
    "segmentation": lambda: three_levels(pyramid(stem(), C3, SPPF), kind=small_segment),
    "segmentation from p2": lambda: more_levels([4, 8, 16], kind=small_segment),
    "classification": classifier,
    "classification of joined maps": lambda: classifier([5, 4]),
    "face": shuffle_face,
    "face with Blaze blocks": blaze_face,
    "face of ordinary layers": lambda: with_activation(
        three_levels(pyramid(Conv(3, 8, 3, 2), C3, SPP), 5, KeypointDetect), leaky
    ),
    "yolov5u": lambda: anchor_free(pyramid(stem(), C3, SPPF)),
    "yolov8": lambda: anchor_free(pyramid(Conv(3, 8, 3, 2), C2f, SPPF)),
    "yolo11": yolo11,
}

FIXED = {"v1.0", "v2.0", "v3.1", "v4.0", "transformer", "rare layers", "yolo11"}
"""The kinds whose graph holds fixed sizes when Focus is written as a permute."""


UNFOLDED = {"yolov3", "yolov3-spp", "yolov3-tiny", "yolov8"}
UNFOLDED |= {"face", "face with Blaze blocks", "face of ordinary layers"}
"""The kinds whose first layer has an odd kernel, and cannot be a convolution over squares of pixels."""

SIZE_MULTIPLES = {
    "p34 with a deeper backbone": 32,
    "classification": 1,
    "classification of joined maps": 1,
}
"""What sizes must be multiples of, where it is not the largest stride."""


CLASSIFIER = {"crop": "square", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

FACTS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "segmentation": ("segment", {"masks": 6}, ["proto"]),
    "segmentation from p2": ("segment", {"masks": 6}, ["proto"]),
    "classification": ("classify", CLASSIFIER, ["out0"]),
    "classification of joined maps": ("classify", CLASSIFIER, ["out0"]),
    "face": ("keypoints", {"keypoints": 5}, []),
    "face with Blaze blocks": ("keypoints", {"keypoints": 5}, []),
    "face of ordinary layers": ("keypoints", {"keypoints": 5}, []),
    "yolov5u": ("detect", {"reg_max": 8}, []),
    "yolov8": ("detect", {"reg_max": 8}, []),
    "yolo11": ("detect", {"reg_max": 8}, []),
}
"""Of the kinds that are not detection with anchors: the task, the model file's further metadata, and the
outputs that are not head maps."""

MODELS: dict[str, type[BaseModel]] = {"segment": SegmentationModel, "classify": ClassificationModel}


def build(kind: str, seed: int = 0) -> Any:
    """One of KINDS, in evaluation mode, with activations as tame as a trained network's."""
    torch.manual_seed(seed)
    layers = KINDS[kind]()
    model = MODELS.get(layers[-1][1].task, DetectionModel)(layers, NAMES)
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
