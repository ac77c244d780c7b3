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

from runtime.visible import brief

from ..errors import CheckpointError
from .blocks import Conv

MAX_COUNT = 100_000  # heads with more classes, anchors or levels are refused
MAX_STRIDE = 1024
FACE_POINTS = 5  # yolov5-face's: left eye, right eye, nose, left and right corner of the mouth

# What every release normalises a classifier's input by: red, green, blue, each 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Shapes = dict[str, tuple[int, ...]]
"""The outputs' names, in order, and the shape that each has for one image."""


class Head(nn.Module):
    """What every head has: a task, a number of classes `nc`, and the facts that the model file is to tell."""

    task: str
    default_size = 640
    nc: int

    def classes(self) -> int:
        """Give the number of classes. Raises CheckpointError if it makes no sense."""
        return _count(self.nc, "classes")

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
        return _count(self.na, "anchors") * (5 + self.classes() + self.extra())

    def level_anchors(self) -> list[np.ndarray]:
        """Give the anchors of each level: float32 (na, 2), (width, height) in pixels.

        Releases up to v5.0 keep them in the buffer `anchor_grid` and decode with that; later ones multiply
        `anchors`, which all keep in units of the stride. Raises CheckpointError if they make no sense.
        """
        grid = dict(self.named_buffers(recurse=False)).get("anchor_grid")
        shape = (_count(self.nl, "levels"), _count(self.na, "anchors"), 2)
        pixels: Tensor
        if grid is not None and grid.numel() == np.prod(shape):
            pixels = grid.float().view(shape)
        else:
            pixels = self.anchors.float().view(shape) * torch.tensor(self.level_strides()).view(-1, 1, 1)
        if not torch.isfinite(pixels).all():
            raise CheckpointError("its anchors are not finite numbers")
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
        return _count(self.nm, "mask coefficients")

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give the prototypes, too."""
        maps = super().output_shapes(height, width)
        _, _, h, w = maps["out0"]
        return {**maps, "proto": (1, self.extra(), 2 * h, 2 * w)}

    def metadata(self) -> dict[str, Any]:
        """Give the number of mask coefficients, too."""
        return {**super().metadata(), "masks": self.extra()}


class DFL(nn.Module):
    """Holds the weights 0, 1, 2, … of a distance's bins; decoding takes them as given."""

    def __init__(self, c1: int = 16):
        super().__init__()
        self.conv = nn.Conv2d(c1, 1, 1, bias=False)
        self.conv.weight = nn.Parameter(torch.arange(float(c1)).view(1, c1, 1, 1), requires_grad=False)


class AnchorFreeDetect(LevelHead):
    """The head of yolov5u and YOLOv8: for each cell four distances, as distributions, and classes.

    `cv2` and `cv3` hold, by level, the convolutions for the distances (left, top, right, bottom, `reg_max`
    bins each) and for the classes. The cached attributes `anchors`, `strides` and `shape` mean nothing here.
    """

    task = "detect"

    def __init__(self, nc: int, ch: Sequence[int], strides: Sequence[float] = (8, 16, 32), reg_max: int = 16):
        """`ch`: channels coming in, by level."""
        super().__init__()
        self.nc = nc
        self.nl = len(ch)
        self.reg_max = reg_max
        self.no = nc + 4 * reg_max
        self.stride = torch.tensor([float(s) for s in strides])
        self.cv2 = nn.ModuleList(_tower(c, max(16, ch[0] // 4, 4 * reg_max), 4 * reg_max) for c in ch)
        self.cv3 = nn.ModuleList(_tower(c, max(ch[0], min(nc, 100)), nc) for c in ch)
        self.dfl = DFL(reg_max)

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        """Give the raw head maps: (N, 4·reg_max + nc, ny, nx) per level."""
        levels = zip(self.cv2, self.cv3, x, strict=True)
        return [
            torch.cat((distances(feature), classes(feature)), 1) for distances, classes, feature in levels
        ]

    def channels(self) -> int:
        """Give 4 · reg_max + nc."""
        return 4 * self.bins() + self.classes()

    def bins(self) -> int:
        """Give `reg_max`. Raises CheckpointError if this head decodes in another way."""
        if "one2one_cv2" in self._modules:
            raise CheckpointError(
                "it is a network that needs no NMS (YOLOv10 or YOLO26); of the package ultralytics, the "
                "detection networks yolov5u, YOLOv8 and YOLO11 can be converted, and nothing else"
            )
        bins = _count(self.reg_max, "bins")
        weights = self.dfl.conv.weight.float().flatten() if isinstance(self.dfl, DFL) else torch.empty(0)
        if not torch.equal(weights, torch.arange(float(bins))):
            raise CheckpointError(f"the weights of its distances are not 0 to {bins - 1}, as they must be")
        return bins

    def metadata(self) -> dict[str, Any]:
        """Give strides and the number of bins."""
        return {"strides": self.level_strides(), "reg_max": self.bins()}


def _tower(c1: int, hidden: int, c2: int) -> nn.Sequential:
    return nn.Sequential(Conv(c1, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, c2, 1))


class Classify(Head):
    """The classification head: a 1×1 convolution, the mean over the map, a linear layer."""

    task = "classify"
    default_size = 224

    def __init__(self, c1: int, c2: int, hidden: int = 1280):
        """`c1`: channels coming in; `c2`: classes."""
        super().__init__()
        self.conv = Conv(c1, hidden)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(p=0.0)
        self.linear = nn.Linear(hidden, c2)

    @property
    def nc(self) -> int:  # type: ignore[override]
        """The number of classes."""
        return self.linear.out_features

    def forward(self, x: Tensor | list[Tensor]) -> list[Tensor]:
        """Give the logits (N, nc). Several maps are joined first."""
        if isinstance(x, list):
            x = torch.cat(x, 1)
        return [self.linear(self.drop(self.pool(self.conv(x)).flatten(1)))]

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give the logits, whatever the size."""
        return {"out0": (1, self.classes())}

    def normalise(self, blob: np.ndarray) -> np.ndarray:
        """Take the mean off each colour, and divide by its deviation."""
        mean, std = (
            np.reshape(values, (3, 1, 1)).astype(np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return (blob - mean) / std

    def metadata(self) -> dict[str, Any]:
        """Give how a picture becomes the input: v7.0's crop unless told otherwise, mean and deviation."""
        return {"crop": "square", "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}


def _count(value: Any, what: str) -> int:
    if type(value) is not int or not 1 <= value <= MAX_COUNT:
        raise CheckpointError(f"its number of {what} is {brief(value)}, which makes no sense")
    return value


def _shortest(pairs: np.ndarray) -> list[list[float]]:
    """Write float32 values as the shortest numbers that read back the same; whole ones without a fraction."""
    return [[int(v) if v == int(v) else float(str(v)) for v in pair] for pair in pairs]
