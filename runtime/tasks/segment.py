"""Segmentation: a box, and which pixels in it belong to the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import NOT_FINITE, ModelError
from ..results.detections import Detections
from ..stages.candidates import Candidates
from ..stages.decode import Layout, Picked, decode, sigmoid
from ..stages.letterbox import Placement
from ..stages.masks import Masks, make_bitmaps
from .detect import Detect
from .metadata import whole


class Segment(Detect):
    """Heads of na · (5 + classes + nm) channels, the last nm of them coefficients, and the output `proto`.

    The prototypes are float32 (nm, H / s, W / s) at a stride s of the network's own choice, usually 4.
    """

    name = "segment"
    needs = (*Detect.needs, "masks")

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.nm = whole(values["masks"], "masks")
        first = 5 + len(self.names)
        self.layout = Layout(classes=slice(5, first), extra=slice(first, first + self.nm))
        self.outputs = (*self.outputs, "proto")

    @property
    def facts(self) -> str:
        """Say from what the number of outputs follows."""
        return f"strides and anchors for {len(self.strides)}, and prototypes"

    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give the head maps' shapes, and that of the prototypes, whose sides the network chooses."""
        return [*super().output_shapes(height, width), (self.nm, None, None)]

    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Decode all heads; the coefficients travel along."""
        heads, layout = outputs[: len(self.strides)], self.layout
        return decode(heads, self.anchors, self.strides, layout, conf_thres, multi_label, self._coefficients)

    def _coefficients(self, picked: Picked) -> np.ndarray:
        # YOLOv5's NMS multiplies everything after the objectness by it, the coefficients, too. That moves no
        # pixel's sign, but some pixels of the border once the masks are scaled up.
        return picked.logits[:, self.layout.extra] * sigmoid(picked.logits[:, 4:5])

    def detections(
        self,
        kept: Candidates,
        outputs: Sequence[np.ndarray],
        placement: Placement,
        image_hw: tuple[int, int],
    ) -> Detections:
        """Move the boxes to the image, and make their masks."""
        if len(kept) and not np.isfinite(outputs[-1]).all():
            raise ModelError(NOT_FINITE)
        found = self.boxes(kept, placement, image_hw)
        canvas_hw = tuple(side * self.strides[0] for side in outputs[0].shape[1:])
        bitmaps = make_bitmaps(outputs[-1], kept.extra, kept.xyxy, (canvas_hw[0], canvas_hw[1]))
        return found.with_columns(masks=Masks(bitmaps, placement, image_hw))
