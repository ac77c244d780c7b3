"""The two networks: YOLOv5's layout with few channels, one with a segmentation head, one a classifier."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import nn

from convert.layers import (
    C3,
    SPPF,
    ClassificationModel,
    Classify,
    Concat,
    Conv,
    Segment,
    SegmentationModel,
)

from . import NAMES

SCENE_INPUT, SINGLE_INPUT = 192, 96
"""Sides of the two inputs."""
STRIDES = (8, 16, 32)
ANCHORS = ((17, 17, 26, 26), (35, 35, 46, 46), (60, 60, 80, 80))
"""In pixels at SCENE_INPUT; shapes are about as wide as tall."""


class Size(NamedTuple):
    """How large a network is."""

    channels: tuple[int, int, int, int, int]
    """At strides 2 to 32."""
    repeats: tuple[int, int, int, int]
    """Blocks in each C3 on the way down."""
    coefficients: int
    hidden: int
    """Channels on the way to the prototypes."""


TINY = Size((8, 16, 24, 28, 32), (1, 1, 1, 1), 8, 16)
NANO = Size((16, 32, 64, 128, 256), (1, 2, 3, 1), 32, 64)
"""yolov5n-seg's."""


def build_segmenter(size: Size = TINY) -> SegmentationModel:
    """A fresh network for masks with random weights; TINY has 75 thousand parameters."""
    a, b, c, d, e = size.channels
    n1, n2, n3, n4 = size.repeats
    layers: list[tuple[int | list[int], nn.Module]] = [
        (-1, Conv(3, a, 6, 2, 2)),
        (-1, Conv(a, b, 3, 2)),
        (-1, C3(b, b, n1)),
        (-1, Conv(b, c, 3, 2)),
        (-1, C3(c, c, n2)),  # 4: stride 8
        (-1, Conv(c, d, 3, 2)),
        (-1, C3(d, d, n3)),  # 6: stride 16
        (-1, Conv(d, e, 3, 2)),
        (-1, C3(e, e, n4)),
        (-1, SPPF(e, e, 5)),
        (-1, Conv(e, d)),  # 10: stride 32
        (-1, nn.Upsample(None, 2, "nearest")),
        ([-1, 6], Concat(1)),
        (-1, C3(2 * d, d, 1, False)),
        (-1, Conv(d, c)),  # 14
        (-1, nn.Upsample(None, 2, "nearest")),
        ([-1, 4], Concat(1)),
        (-1, C3(2 * c, c, 1, False)),  # 17: head of stride 8
        (-1, Conv(c, c, 3, 2)),
        ([-1, 14], Concat(1)),
        (-1, C3(2 * c, d, 1, False)),  # 20: head of stride 16
        (-1, Conv(d, d, 3, 2)),
        ([-1, 10], Concat(1)),
        (-1, C3(2 * d, e, 1, False)),  # 23: head of stride 32
    ]
    segment = Segment(len(NAMES), ANCHORS, (c, d, e), STRIDES, nm=size.coefficients, npr=size.hidden)
    layers.append(([17, 20, 23], segment))
    network = SegmentationModel(layers, list(NAMES))
    for conv, stride in zip(network.detect.m, STRIDES, strict=True):
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        bias = conv.bias.detach().view(network.detect.na, -1)
        # Training starts from few objects, 6 a picture, and from equally likely classes.
        bias[:, 4] = torch.tensor(6 / (SCENE_INPUT / stride) ** 2).log()
        bias[:, 5 : 5 + len(NAMES)] = -1.5
        conv.bias.data = bias.reshape(-1)
    return network


def build_classifier(start: SegmentationModel) -> ClassificationModel:
    """A classifier with the first layers of another network, down to stride 16, and a fresh head."""
    layers: list[tuple[int | list[int], nn.Module]] = [
        (-1, copy.deepcopy(each)) for each in list(start.model)[:6]
    ]
    return ClassificationModel([*layers, (-1, Classify(TINY.channels[3], len(NAMES), 64))], list(NAMES))
