"""The heads: the last layer of a network, which says what the network's outputs mean.

A head tells its `task`, the shapes of its outputs and what the model file says about them; nothing else in
the converter asks what task a network has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from runtime.escape import escape_value

from ..errors import CheckpointError
from .blocks import Conv

MAX_COUNT = 100_000  # heads with more classes, anchors or levels are refused
MAX_STRIDE = 1024
FACE_POINTS = 5  # yolov5-face's: left eye, right eye, nose, left and right corner of the mouth

Shapes = dict[str, tuple[int, ...]]
"""The outputs' names, in order, and the shape that each has for one image."""


class Head(nn.Module):
    """What every head has: a task, a number of classes `nc`, and the facts that the model file is to tell."""

    task: str
    default_size = 640
    nc: int

    def classes(self) -> int:
        """Give the number of classes. Raises CheckpointError if it makes no sense."""
        return count_of(self.nc, "classes")

    def level_strides(self) -> list[int]:
        """Give the stride of each output that is a map of boxes, in pixels."""
        return []

    def level_anchors(self) -> list[np.ndarray]:
        """Give the anchors of each such output, if it has any: float32 (na, 2), (width, height) in pixels."""
        return []

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give the names of the outputs, in order, and their shapes for one image of this size."""
        raise NotImplementedError

    def metadata(self) -> dict[str, Any]:
        """Give what the model file says about the outputs, as values for JSON."""
        raise NotImplementedError

    def normalise(self, blob: np.ndarray) -> np.ndarray:
        """Turn RGB values, float32 (N, 3, H, W), 0 to 1, into the network's input."""
        return blob


class LevelHead(Head):
    """What the heads have that find boxes on several levels, each a map of one stride.

    `nl` is the number of levels, `stride` (nl,) their strides in pixels.
    """

    nl: int
    stride: Tensor

    def channels(self) -> int:
        """Give the number of channels of each level's map."""
        raise NotImplementedError

    def level_strides(self) -> list[int]:
        """Give the stride of each level, in pixels. Raises CheckpointError if they make no sense."""
        values = torch.as_tensor(self.stride).float().flatten().tolist()
        if len(values) != self.nl or any(not 1 <= v <= MAX_STRIDE or v != int(v) for v in values):
            raise CheckpointError(f"its head has strides {values[:8]!s}, which makes no sense")
        return [int(v) for v in values]

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give one map a level."""
        return {
            f"out{i}": (1, self.channels(), height // stride, width // stride)
            for i, stride in enumerate(self.level_strides())
        }


class Detect(LevelHead):
    """The detection head: one 1×1 convolution per level, and the anchors that its outputs are relative to.

    `anchors` (nl, na, 2) holds (width, height) in units of each level's stride. `no` channels belong to each
    anchor: x, y, w, h, objectness, classes.
    """

    task = "detect"

    def __init__(
        self,
        nc: int = 80,
        anchors: Sequence[Sequence[float]] = (),
        ch: Sequence[int] = (),
        strides: Sequence[float] = (8, 16, 32),
        extra: int = 0,
    ):
        """`anchors` in pixels: a flat list w, h, w, h, … per level; `ch`: channels coming in, by level.

        `extra` is the number of values that each anchor has beside a detection's.
        """
        super().__init__()
        self.nc = nc
        self.no = nc + 5 + extra
        self.nl = len(anchors)
        self.na = len(anchors[0]) // 2
        self.stride = torch.tensor([float(s) for s in strides[: self.nl]])
        pixels = torch.tensor([list(map(float, a)) for a in anchors]).view(self.nl, self.na, 2)
        self.anchors: Tensor
        self.register_buffer("anchors", pixels / self.stride.view(-1, 1, 1))
        self.m = nn.ModuleList(nn.Conv2d(c, self.no * self.na, 1) for c in ch)
        # not read here; YOLOv5 fills them at its first inference and expects them to be there
        self.grid = [torch.empty(0) for _ in range(self.nl)]
        self.anchor_grid = [torch.empty(0) for _ in range(self.nl)]
        self.inplace = True

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Give the raw head maps, before any sigmoid: (N, na·no, ny, nx) per level, anchor-major."""
        if "m" not in self._modules:  # in v1.0 the 1×1 convolutions are layers of their own, before this one
            return list(x)
        return [conv(feature) for conv, feature in zip(self.m, x, strict=True)]

    def extra(self) -> int:
        """Give how many values each anchor has beside a detection's."""
        return 0

    def channels(self) -> int:
        """Give na · (5 + nc + extra)."""
        return count_of(self.na, "anchors") * (5 + self.classes() + self.extra())

    def level_anchors(self) -> list[np.ndarray]:
        """Give the anchors of each level: float32 (na, 2), (width, height) in pixels.

        Releases up to v5.0 keep them in the buffer `anchor_grid` and decode with that; later ones multiply
        `anchors`, which all keep in units of the stride. Raises CheckpointError if they make no sense.
        """
        grid = dict(self.named_buffers(recurse=False)).get("anchor_grid")
        shape = (count_of(self.nl, "levels"), count_of(self.na, "anchors"), 2)
        pixels: Tensor
        if grid is not None and grid.numel() == np.prod(shape):
            pixels = grid.float().view(shape)
        else:
            pixels = self.anchors.float().view(shape) * torch.tensor(self.level_strides()).view(-1, 1, 1)
        if not torch.isfinite(pixels).all():
            raise CheckpointError("its anchors are not finite numbers")
        if (pixels < 0).any():
            raise CheckpointError("some of its anchors are negative, where widths and heights must stand")
        return list(pixels.numpy())

    def metadata(self) -> dict[str, Any]:
        """Give strides and anchors."""
        anchors = [_shortest(pairs) for pairs in self.level_anchors()]
        return {"strides": self.level_strides(), "anchors": anchors}


class KeypointDetect(Detect):
    """yolov5-face's head: five points between an anchor's objectness and its classes.

    Its class path is Detect's, too: `no` alone, which is nc + 15, tells them apart.
    """

    task = "keypoints"

    def __init__(
        self, nc: int, anchors: Sequence[Sequence[float]], ch: Sequence[int], strides: Sequence[float]
    ):
        """Take what `Detect` takes."""
        super().__init__(nc, anchors, ch, strides, extra=2 * FACE_POINTS)

    def extra(self) -> int:
        """Give the number of coordinates."""
        return 2 * FACE_POINTS

    def metadata(self) -> dict[str, Any]:
        """Give the number of points, too."""
        return {**super().metadata(), "keypoints": FACE_POINTS}


class Proto(nn.Module):
    """The mask prototypes: convolutions over the finest level, at twice its size."""

    def __init__(self, c1: int, hidden: int, c2: int):
        super().__init__()
        self.cv1 = Conv(c1, hidden, 3)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.cv2 = Conv(hidden, hidden, 3)
        self.cv3 = Conv(hidden, c2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c1, h, w) to (N, c2, 2h, 2w)."""
        return self.cv3(self.cv2(self.upsample(self.cv1(x))))


class Segment(Detect):
    """The segmentation head: `nm` mask coefficients behind an anchor's classes, and mask prototypes."""

    task = "segment"

    def __init__(
        self,
        nc: int,
        anchors: Sequence[Sequence[float]],
        ch: Sequence[int],
        strides: Sequence[float],
        nm: int = 32,
        npr: int = 256,
    ):
        """`npr`: hidden channels of the prototypes' convolutions. The rest as for Detect."""
        super().__init__(nc, anchors, ch, strides, extra=nm)
        self.nm = nm
        self.npr = npr
        self.proto = Proto(ch[0], npr, nm)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Give the raw head maps, and the prototypes (N, nm, 2·ny, 2·nx) of the first level."""
        return [*super().forward(x), self.proto(x[0])]

    def extra(self) -> int:
        """Give the number of mask coefficients."""
        return count_of(self.nm, "mask coefficients")

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give the prototypes, too."""
        maps = super().output_shapes(height, width)
        _, _, h, w = maps["out0"]
        return {**maps, "proto": (1, self.extra(), 2 * h, 2 * w)}

    def metadata(self) -> dict[str, Any]:
        """Give the number of mask coefficients, too."""
        return {**super().metadata(), "masks": self.extra()}


def count_of(value: Any, what: str) -> int:
    """Give a number of things back. Raises CheckpointError, which calls them `what`, if it makes no sense."""
    if type(value) is not int or not 1 <= value <= MAX_COUNT:
        raise CheckpointError(f"its number of {what} is {escape_value(value)}, which makes no sense")
    return value


def _shortest(pairs: np.ndarray) -> list[list[float]]:
    """Write float32 values as the shortest numbers that read back the same; whole ones without a fraction."""
    return [[int(v) if v == int(v) else float(str(v)) for v in pair] for pair in pairs]
