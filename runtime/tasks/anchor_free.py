"""Plain detection without anchors, as today's `ultralytics` package trains YOLOv5 ("yolov5u"), and YOLOv8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..stages.anchor_free import decode_anchor_free
from ..stages.candidates import Candidates
from .metadata import class_names, output_strides, whole
from .task import BoxTask


class AnchorFree(BoxTask):
    """Heads of 4 · reg_max + classes channels: four distances, reg_max bins each, then classes."""

    name = "detect"
    needs = ("names", "strides", "reg_max")
    iou_thres = 0.7

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names = class_names(values["names"])
        self.strides = output_strides(values["strides"])
        if not self.strides:
            raise ValueError("there are no strides")
        self.reg_max = whole(values["reg_max"], "reg_max", most=1024)
        self.outputs = tuple(f"out{i}" for i in range(len(self.strides)))

    @property
    def facts(self) -> str:
        """Say from what the number of outputs follows."""
        return f"strides for {len(self.outputs)}"

    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give a head map's shape, (4 · reg_max + classes, H / stride, W / stride), for each stride."""
        channels = 4 * self.reg_max + len(self.names)
        return [(channels, height // stride, width // stride) for stride in self.strides]

    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Decode all heads."""
        return decode_anchor_free(outputs, self.strides, self.reg_max, conf_thres, multi_label)
