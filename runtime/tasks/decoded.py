"""Plain detection of networks that decode their boxes themselves, as other exporters write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..model.foreign import LAYOUTS
from ..stages.candidates import Candidates
from .metadata import class_names
from .task import BoxTask


class Decoded(BoxTask):
    """One output of boxes in pixels of the input and of probabilities, as `exports` tells the layouts."""

    name = "detect"
    needs = ("names", "decoded")
    outputs = ("output0",)
    facts = "decoded boxes come in 1"

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names = class_names(values["names"])
        self.layout = values["decoded"]
        if self.layout not in LAYOUTS:
            raise ValueError(f"decoded must be {' or '.join(LAYOUTS)}, not {self.layout!r}")
        self.whole_numbers = self.layout == "end-to-end"
        # What is usual for such networks; above 1 nothing is left for NMS to do.
        self.iou_thres = {"yolov5": 0.45, "yolov8": 0.7, "end-to-end": 1.0}[self.layout]

    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give the shape of the output; how many boxes there are is the network's own choice."""
        classes = len(self.names)
        return [{"yolov5": (None, 5 + classes), "yolov8": (4 + classes, None)}.get(self.layout, (None, 6))]

    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Choose the boxes that score above `conf_thres`, all of them in the order of the output."""
        output = np.asarray(outputs[0], np.float32)
        if self.layout == "end-to-end":
            return self._final(output, conf_thres)
        if self.layout == "yolov8":
            boxes, scores = output[:4].T, output[4:].T
        else:
            boxes = output[:, :4]
            picked = np.flatnonzero(~(output[:, 4] <= conf_thres))  # with what is not a number
            boxes, scores = boxes[picked], output[picked, 5:] * output[picked, 4:5]
        if np.isnan(scores).any():
            raise ModelError("the network's output is not a number: on a 16-bit device, try the 32-bit one")
        if multi_label:
            row, class_id = np.nonzero(scores > conf_thres)
        else:
            class_id = scores.argmax(axis=1)
            row = np.flatnonzero(scores[np.arange(len(scores)), class_id] > conf_thres)
            class_id = class_id[row]
        half = boxes[row, 2:] / 2
        centre = boxes[row, :2]
        return _candidates(np.hstack((centre - half, centre + half)), scores[row, class_id], class_id)

    def _final(self, output: np.ndarray, conf_thres: float) -> Candidates:
        rows = output[~(output[:, 4] <= conf_thres)]
        class_id = rows[:, 5]
        if not ((class_id >= 0) & (class_id < len(self.names)) & (class_id == np.rint(class_id))).all():
            raise ModelError(f"the network gives a class that is none of the {len(self.names)} it has")
        return _candidates(rows[:, :4], rows[:, 4], class_id)


def _candidates(xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray) -> Candidates:
    if not (np.isfinite(xyxy).all() and np.isfinite(scores).all()):
        raise ModelError("the network gives boxes that are not numbers")
    return Candidates(xyxy, scores, class_ids.astype(np.int32), np.empty((len(scores), 0), np.float32))
