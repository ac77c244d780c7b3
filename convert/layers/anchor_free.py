"""The head of yolov5u and YOLOv8, which has no anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from .blocks import Conv
from .heads import LevelHead, count_of


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
        bins = count_of(self.reg_max, "bins")
        weights = self.dfl.conv.weight.float().flatten() if isinstance(self.dfl, DFL) else torch.empty(0)
        if not torch.equal(weights, torch.arange(float(bins))):
            raise CheckpointError(f"the weights of its distances are not 0 to {bins - 1}, as they must be")
        return bins

    def metadata(self) -> dict[str, Any]:
        """Give strides and the number of bins."""
        return {"strides": self.level_strides(), "reg_max": self.bins()}


def _tower(c1: int, hidden: int, c2: int) -> nn.Sequential:
    return nn.Sequential(Conv(c1, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, c2, 1))
