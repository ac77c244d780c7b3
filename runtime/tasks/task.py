"""The interface of a task: nothing outside `tasks/` depends on which task a model has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..results.detections import Detections
from ..stages.candidates import Candidates
from ..stages.letterbox import Letterboxer, Placement, unletterbox

Prepare = Callable[[np.ndarray], tuple[np.ndarray, Placement]]
"""From an image, uint8 (h, w, 3) BGR, to the network's input and where the image lies on it."""


class Task(ABC):
    """One model's task: the class says what kind, the object knows what the model file says about it.

    name: the metadata's `task`.
    needs: the metadata, beside what every file has, without which this is not the task.
    optional: further metadata that it reads if it is there.
    predictor: the name of the class in `predictors` that runs such a model; command: that of the command.
    names: of the classes, by class id.
    strides: of the head maps, in pixels, and anchors, float32 (na, 2) of each; empty where a task has none.
    whole_numbers: whether the network counts places, which only the new engine of OpenCV 5 does rightly.
    any_channels: whether the input may have another number of channels than 3.
    k: how many keypoints each box has.
    outputs: the names of the network's outputs, in the order in which the other methods take them.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    optional: ClassVar[tuple[str, ...]] = ()
    predictor: ClassVar[str] = "Detector"
    command: ClassVar[str] = "detect"

    whole_numbers: bool = False
    any_channels: ClassVar[bool] = False
    names: tuple[str, ...]
    strides: tuple[int, ...] = ()
    anchors: tuple[np.ndarray, ...] = ()
    k: int = 0
    outputs: tuple[str, ...]

    @abstractmethod
    def __init__(self, values: Mapping[str, Any]) -> None:
        """Take, of the metadata's plain values, those that the task needs, checking each.

        Raises ValueError, TypeError or OverflowError for what is not right; the caller names the file.
        """

    @property
    @abstractmethod
    def facts(self) -> str:
        """Say how many outputs follow from what, for messages: "strides and anchors for 3"."""

    @abstractmethod
    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give the shape of each output for an input of H × W pixels, without the batch's axis.

        None stands for a side that is the network's own choice.
        """


class BoxTask(Task):
    """A task whose answer is boxes, with whatever belongs to each of them.

    conf_thres, iou_thres: where such networks are usually cut off, if nobody says other.
    """

    any_channels = True
    conf_thres: float = 0.25
    iou_thres: float = 0.45

    def prepare(self, imgsz: tuple[int, int], multiple: int | None, fold: int) -> Prepare:
        """Give what places images: letterboxing, into `imgsz` (h, w), its sides rounded up to `multiple`."""
        return Letterboxer(imgsz, multiple, fold)

    @abstractmethod
    def decode(self, outputs: Sequence[np.ndarray], conf_thres: float, multi_label: bool) -> Candidates:
        """Find the candidates, in pixels of the network's input, whose score is above `conf_thres`."""

    def detections(
        self,
        kept: Candidates,
        outputs: Sequence[np.ndarray],
        placement: Placement,
        image_hw: tuple[int, int],
    ) -> Detections:
        """Bring the candidates that NMS kept, and what is extra, to the image's pixels."""
        return self.boxes(kept, placement, image_hw)

    def boxes(self, kept: Candidates, placement: Placement, image_hw: tuple[int, int]) -> Detections:
        """Bring the candidates that NMS kept to the image's pixels, without what is extra."""
        boxes = unletterbox(kept.xyxy, placement, image_hw)
        return Detections(boxes, kept.scores, kept.class_ids, self.names)
