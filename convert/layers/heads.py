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

from ..errors import CheckpointError

MAX_COUNT = 100_000
"""Heads with more classes, anchors or levels are refused."""

MAX_STRIDE = 1024


class Detect(nn.Module):
    """The detection head: one 1×1 convolution per stride, and the anchors that its outputs are relative to.

    `anchors` (nl, na, 2) holds (width, height) in units of each level's stride, `stride` (nl,) the strides in
    pixels.
    """

    task = "detect"

    def __init__(
        self,
        nc: int = 80,
        anchors: Sequence[Sequence[float]] = (),
        ch: Sequence[int] = (),
        strides: Sequence[float] = (8, 16, 32),
    ):
        """`anchors` in pixels: a flat list w, h, w, h, … per level; `ch`: channels coming in, by level."""
        super().__init__()
        self.nc = nc
        self.no = nc + 5
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
        """Give the raw head maps, before any sigmoid: (N, na·(5+nc), ny, nx) per level, anchor-major."""
        if "m" not in self._modules:  # in v1.0 the 1×1 convolutions are layers of their own, before this one
            return list(x)
        return [conv(feature) for conv, feature in zip(self.m, x, strict=True)]

    def level_strides(self) -> list[int]:
        """Give the stride of each level, in pixels. Raises CheckpointError if they make no sense."""
        values = torch.as_tensor(self.stride).float().flatten().tolist()
        if len(values) != self.nl or any(not 1 <= v <= MAX_STRIDE or v != int(v) for v in values):
            raise CheckpointError(f"its head has strides {values}, which makes no sense")
        return [int(v) for v in values]

    def level_anchors(self) -> list[np.ndarray]:
        """Give the anchors of each level: float32 (na, 2), (width, height) in pixels.

        Releases up to v5.0 keep them in the buffer `anchor_grid` and decode with that; later ones multiply
        `anchors`, which all keep in units of the stride. Raises CheckpointError if they make no sense.
        """
        grid = dict(self.named_buffers(recurse=False)).get("anchor_grid")
        shape = (count(self.nl, "levels"), count(self.na, "anchors"), 2)
        pixels: Tensor
        if grid is not None and grid.numel() == np.prod(shape):
            pixels = grid.float().view(shape)
        else:
            pixels = self.anchors.float().view(shape) * torch.tensor(self.level_strides()).view(-1, 1, 1)
        if not torch.isfinite(pixels).all():
            raise CheckpointError("its anchors are not finite numbers")
        return list(pixels.numpy())

    def output_shapes(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        """Give the outputs' names, in order, and the shape that each must have for one image of this size."""
        channels = self.na * (5 + self.nc)
        return {
            f"out{i}": (1, channels, height // stride, width // stride)
            for i, stride in enumerate(self.level_strides())
        }

    def metadata(self) -> dict[str, Any]:
        """Give what the model file says about the outputs, as values for JSON."""
        anchors = [_shortest(pairs) for pairs in self.level_anchors()]
        return {"strides": self.level_strides(), "anchors": anchors}


def count(value: Any, what: str) -> int:
    """Give the value back if it is a number of things that can be. Raises CheckpointError if not."""
    if type(value) is not int or not 1 <= value <= MAX_COUNT:
        raise CheckpointError(f"its number of {what} is {value}, which makes no sense")
    return value


def _shortest(pairs: np.ndarray) -> list[list[float]]:
    """Write float32 values as the shortest numbers that read back the same; whole ones without a fraction."""
    return [[int(v) if v == int(v) else float(str(v)) for v in pair] for pair in pairs]
