"""Plain detection of networks that decode their boxes themselves, as other exporters write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..model.foreign import LAYOUTS
from ..program import how_to_convert
from ..stages.candidates import Candidates
from ..stages.letterbox import Placement
from .metadata import class_names, whole
from .task import BoxTask, Prepare

MOST = 1.01  # of a probability: 16 bits, and rounding, leave a little above 1


class Decoded(BoxTask):
    """One output of boxes in pixels of the input and of probabilities, as `foreign` tells the layouts."""

    name = "detect"
    needs = ("names", "decoded")
    optional = ("input_scale",)
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

        self.input_scale = whole(values.get("input_scale", 1), "input_scale", 255)

    def prepare(self, imgsz: tuple[int, int], multiple: int | None, fold: int) -> Prepare:
        """Letterbox as other tasks do; a network that scales its pixels itself gets them from 0 to 255."""
        letterbox = super().prepare(imgsz, multiple, fold)
        if self.input_scale == 1:
            return letterbox

        def scaled(image: np.ndarray) -> tuple[np.ndarray, Placement]:
            blob, placement = letterbox(image)
            return np.multiply(blob, np.float32(self.input_scale), out=blob), placement

        return scaled

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
        self._check(output, scores, output[:2] if self.layout == "yolov8" else output[:, :2])
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

    def _check(self, output: np.ndarray, scores: np.ndarray, places: np.ndarray) -> None:
        """Check that the numbers can be what the layout says. Raises ModelError.

        scores: of the boxes that may be chosen; places: where boxes are, in pixels.
        """
        if not scores.size:
            return
        if scores.max() > MOST or scores.min() < 1 - MOST:
            columns = output.shape[0] if self.layout == "yolov8" else output.shape[1]
            face = columns == 16 and self.layout == "yolov5"
            raise ModelError(
                f"the network gives a score of {scores.flat[np.abs(scores).argmax()]:.4g}, and a probability "
                f"is at most 1: its {columns} columns are not boxes and classes"
                + ("; 16 are those of yolov5-face, with 5 points" if face else "")
                + f"; {how_to_convert()}"
            )
        if places.max() <= 2:
            raise ModelError(
                "the network gives boxes in shares of the picture, from 0 to 1, and not in pixels, as "
                f"exports for TensorFlow do; {how_to_convert()}"
            )

    def _final(self, output: np.ndarray, conf_thres: float) -> Candidates:
        rows = output[~(output[:, 4] <= conf_thres)]
        self._check(output, rows[:, 4], rows[:, :4])
        class_id = rows[:, 5]
        if not ((class_id >= 0) & (class_id < len(self.names)) & (class_id == np.rint(class_id))).all():
            raise ModelError(f"the network gives a class that is none of the {len(self.names)} it has")
        return _candidates(rows[:, :4], rows[:, 4], class_id)


def _candidates(xyxy: np.ndarray, scores: np.ndarray, class_ids: np.ndarray) -> Candidates:
    if not (np.isfinite(xyxy).all() and np.isfinite(scores).all()):
        raise ModelError("the network gives boxes that are not numbers")
    return Candidates(xyxy, scores, class_ids.astype(np.int32), np.empty((len(scores), 0), np.float32))
