"""Plain detection with anchors: boxes and classes, nothing extra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..stages.candidates import Candidates
from ..stages.decode import Layout, decode
from .metadata import class_names, output_anchors, output_strides
from .task import BoxTask


class Detect(BoxTask):
    """Heads of na · (5 + classes) channels: x, y, w, h, objectness, classes of each anchor."""

    name = "detect"
    needs: ClassVar[tuple[str, ...]] = ("names", "anchors", "strides")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names = class_names(values["names"])
        self.strides = output_strides(values["strides"])
        self.anchors = output_anchors(values["anchors"])
        if not self.strides or len(self.strides) != len(self.anchors):
            raise ValueError(
                f"there are {len(self.strides)} strides for {len(self.anchors)} outputs with anchors"
            )
        self.outputs: tuple[str, ...] = tuple(f"out{i}" for i in range(len(self.strides)))
        self.layout = Layout(classes=slice(5, 5 + len(self.names)))

    @property
    def facts(self) -> str:
        """Say how many outputs follow from what."""
        return f"strides and anchors for {len(self.outputs)}"

    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give a head map's shape, (na · channels, H / stride, W / stride), for each stride."""
        return [
            (len(pairs) * self.layout.channels, height // stride, width // stride)
            for pairs, stride in zip(self.anchors, self.strides, strict=True)
        ]

    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Decode all heads."""
        return decode(outputs, self.anchors, self.strides, self.layout, conf_thres, multi_label)
