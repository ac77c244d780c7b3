"""Boxes with keypoints: the faces and their five landmarks of yolov5-face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..results.detections import Detections
from ..stages.candidates import Candidates
from ..stages.decode import Layout, Picked, decode
from ..stages.letterbox import Placement, unletterbox
from .detect import Detect
from .metadata import whole


class Keypoints(Detect):
    """Heads of na · (5 + 2k + classes) channels: x y w h objectness, x1 y1 … xk yk, classes.

    A point lies at raw · anchor + cell · stride, without a sigmoid and without the boxes' half cell:
    https://github.com/deepcam-cn/yolov5-face (models/yolo.py).
    """

    name = "keypoints"
    needs = (*Detect.needs, "keypoints")
    conf_thres = 0.6
    iou_thres = 0.5

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.k = whole(values["keypoints"], "keypoints")
        first = 5 + 2 * self.k
        self.layout = Layout(classes=slice(first, first + len(self.names)), extra=slice(5, first))

    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Decode all heads. Of several classes each that scores high enough counts, as in yolov5-face."""
        several = multi_label or len(self.names) > 1
        return decode(outputs, self.anchors, self.strides, self.layout, conf_thres, several, self._points)

    def _points(self, picked: Picked) -> np.ndarray:
        raw = picked.logits[:, self.layout.extra].reshape(-1, self.k, 2)
        points = raw * picked.anchors[:, None] + (picked.grid * picked.strides)[:, None]
        return np.asarray(points.reshape(-1, 2 * self.k), np.float32)

    def detections(
        self,
        kept: Candidates,
        outputs: Sequence[np.ndarray],
        placement: Placement,
        image_hw: tuple[int, int],
    ) -> Detections:
        """Move the boxes and their points to the image; points outside come to its edge."""
        found = self.boxes(kept, placement, image_hw)
        pairs = kept.extra.reshape(-1, 2)  # a point is a box whose corners are the same
        points = unletterbox(np.concatenate((pairs, pairs), axis=1), placement, image_hw)[:, :2]
        return found.with_columns(keypoints=points.reshape(-1, self.k, 2))
