"""The network: YOLOv5's v6 layout, narrower and with a lighter deep end."""

from __future__ import annotations

import torch
from torch import nn

from convert.layers import C3, SPPF, Concat, Conv, Detect, DetectionModel

from . import NAMES

IMGSZ = 416
"""Sides of the training scenes, and the largest input in training."""
DEFAULT_INPUT = 288
"""The input size that the model file names: half the false detections of 320, as many codes."""
STRIDES = (4, 8, 16, 32)
ANCHORS = (  # pixels at IMGSZ, from tiny to large; two squares, a wide and a tall one
    (8, 8, 14, 14, 26, 10, 10, 26),
    (11, 11, 21, 21, 40, 14, 14, 40),
    (38, 38, 68, 70, 84, 28, 28, 84),
    (122, 122, 250, 220, 124, 54, 54, 124),
)


def build() -> DetectionModel:
    """A fresh network with random weights, 0.96 million parameters."""
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
        (17, Conv(c, b, 1)),
        (-1, nn.Upsample(None, 2, "nearest")),
        ([-1, 2], Concat(1)),
        (-1, C3(2 * b, b, 1, False)),  # 27: head of stride 4, a side branch: cheaper than a way down from it
        ([27, 17, 20, 23], Detect(len(NAMES), ANCHORS, (b, c, d, e), STRIDES)),
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


def start_from(network: DetectionModel, other: DetectionModel) -> None:
    """Copy the weights of another network of this layout, which may lack a head and the layers before it.

    A head takes over those of the other's head of its stride, an anchor those of the likest anchor there.
    """
    own, theirs = body(network), body(other)
    if any(name not in own or own[name].shape != value.shape for name, value in theirs.items()):
        raise SystemExit("the checkpoint to start from is not of this network")
    network.load_state_dict(theirs, strict=False)
    ours, old = network.detect, other.detect
    old_heads = dict(zip(old.stride.tolist(), zip(old.m, old.anchors, strict=True), strict=True))
    with torch.no_grad():
        for conv, anchors, stride in zip(ours.m, ours.anchors, ours.stride.tolist(), strict=True):
            if stride not in old_heads:
                continue
            old_conv, old_anchors = old_heads[stride]
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(old_conv, nn.Conv2d)
            assert conv.bias is not None
            assert old_conv.bias is not None
            likest = (anchors.log()[:, None] - old_anchors.log()[None]).abs().amax(2).argmin(1)
            channels = (likest[:, None] * old.no + torch.arange(old.no)).flatten()
            conv.weight.copy_(old_conv.weight[channels])
            conv.bias.copy_(old_conv.bias[channels])


def body(network: DetectionModel) -> dict[str, torch.Tensor]:
    """The state of all layers but the last, the heads."""
    heads = f"model.{len(network.model) - 1}."
    return {name: value for name, value in network.state_dict().items() if not name.startswith(heads)}
