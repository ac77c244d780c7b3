"""The network: YOLOv5's v6 layout, narrower and with a lighter deep end."""

from __future__ import annotations

from torch import nn

from convert.layers import C3, SPPF, Concat, Conv, Detect, DetectionModel

from . import NAMES

IMGSZ = 416
"""Sides of the training scenes, and the largest input in training."""
DEFAULT_INPUT = 320
"""The input size that the model file names: of those tried, the one that found most photographed codes."""
STRIDES = (8, 16, 32)
ANCHORS = (  # pixels at IMGSZ: small, middle, large; square symbols and wide ones
    (11, 11, 21, 21, 38, 18),
    (38, 38, 76, 36, 68, 70),
    (120, 64, 122, 122, 250, 220),
)


def build() -> DetectionModel:
    """A fresh network with random weights, 0.95 million parameters."""
    a, b, c, d, e = 16, 32, 64, 112, 144
    layers: list[tuple[int | list[int], nn.Module]] = [
        (-1, Conv(3, a, 6, 2, 2)),
        (-1, Conv(a, b, 3, 2)),
        (-1, C3(b, b, 1)),
        (-1, Conv(b, c, 3, 2)),
        (-1, C3(c, c, 2)),  # 4: stride 8
        (-1, Conv(c, d, 3, 2)),
        (-1, C3(d, d, 2)),  # 6: stride 16
        (-1, Conv(d, e, 3, 2)),
        (-1, C3(e, e, 1)),
        (-1, SPPF(e, e, 5)),
        (-1, Conv(e, d, 1)),  # 10: stride 32
        (-1, nn.Upsample(None, 2, "nearest")),
        ([-1, 6], Concat(1)),
        (-1, C3(2 * d, d, 1, False)),
        (-1, Conv(d, c, 1)),  # 14
        (-1, nn.Upsample(None, 2, "nearest")),
        ([-1, 4], Concat(1)),
        (-1, C3(2 * c, c, 1, False)),  # 17: head of stride 8
        (-1, Conv(c, c, 3, 2)),
        ([-1, 14], Concat(1)),
        (-1, C3(2 * c, d, 1, False)),  # 20: head of stride 16
        (-1, Conv(d, d, 3, 2)),
        ([-1, 10], Concat(1)),
        (-1, C3(2 * d, e, 1, False)),  # 23: head of stride 32
        ([17, 20, 23], Detect(len(NAMES), ANCHORS, (c, d, e), STRIDES)),
    ]
    network = DetectionModel(layers, list(NAMES))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # YOLOv5's values; an inference in its own code relies on eps
            module.eps, module.momentum = 1e-3, 0.03
    start_from_rarity(network.detect)
    return network


def start_from_rarity(detect: Detect) -> None:
    """Set the heads' biases: training starts from few objects (8 an image) and equally likely classes."""
    for conv, stride in zip(detect.m, detect.stride, strict=True):
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        bias = conv.bias.detach().view(detect.na, -1)
        cells = (IMGSZ / stride) ** 2
        bias[:, 4] = (8 / cells).log()
        bias[:, 5:] = -1.5
        conv.bias.data = bias.reshape(-1)
