"""What a detector found in one image."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, overload

import numpy as np

from .errors import InputError


class Detection(NamedTuple):
    """One box and what is known of it; see Detections.

    box: x1, y1, x2, y2 in the image's pixels.
    mask: bool (h, w), keypoints: float32 (k, 2), in the image's pixels; None where the model has none.
    """

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    name: str
    mask: np.ndarray | None = None
    keypoints: np.ndarray | None = None


@dataclass(eq=False)
class Detections:
    """The boxes of one image, best first.

    xyxy: float32 (n, 4), x1 y1 x2 y2 in the image's pixels, within the image.
    scores: float32 (n,), objectness × class probability, 0 to 1.
    class_ids: int32 (n,).
    names: the names of all the model's classes, by class id.
    masks: bool (n, h, w), which of the image's pixels belong to each; None if the model gives no masks.
    keypoints: float32 (n, k, 2), x y in the image's pixels; None if the model gives none.
    timings: milliseconds that the call spent in each stage, as `runtime.detector.STAGES` names them.

    `detections[index]` with a slice, a bool mask or an array of indices gives the Detections of those rows;
    with a whole number it gives one Detection, and so does a loop over them.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    names: tuple[str, ...]
    masks: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    timings: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.scores)

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int] | Sequence[bool]) -> Detections: ...

    def __getitem__(self, index: Any) -> Detection | Detections:
        """Choose one row, or some, of every column. Raises IndexError for rows that there are not."""
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim == 0:
                return self._row(operator.index(index[()]))
            if index.ndim > 1:
                raise IndexError(f"detections are indexed by one number or one list, not {index.shape}")
            index = index if index.size else index.astype(np.intp)  # an empty list would be one of floats
        return Detections(
            self.xyxy[index],
            self.scores[index],
            self.class_ids[index],
            self.names,
            None if self.masks is None else self.masks[index],
            None if self.keypoints is None else self.keypoints[index],
            self.timings,
        )

    def __iter__(self) -> Iterator[Detection]:
        return map(self._row, range(len(self)))

    def _row(self, index: int) -> Detection:
        x1, y1, x2, y2 = self.xyxy[index].tolist()
        class_id = int(self.class_ids[index])
        return Detection(
            (x1, y1, x2, y2),
            float(self.scores[index]),
            class_id,
            self.names[class_id],
            None if self.masks is None else self.masks[index],
            None if self.keypoints is None else self.keypoints[index],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """Join the rows of one or more of the same image and names, in their order; timings are added up.

        Raises InputError if there are none, or their names differ, or some have masks or keypoints and some
        have not.
        """
        if not parts:
            raise InputError("there are no detections to join")
        names = parts[0].names
        if any(part.names != names for part in parts):
            raise InputError("detections of models with different classes cannot be joined")

        def join(column: str) -> Any:
            arrays = [getattr(part, column) for part in parts]
            missing = sum(array is None for array in arrays)
            if 0 < missing < len(arrays):
                raise InputError(f"detections with and without {column} cannot be joined")
            return None if missing else np.concatenate(arrays)

        timings: dict[str, float] = {}
        for part in parts:
            for stage, milliseconds in part.timings.items():
                timings[stage] = timings.get(stage, 0.0) + milliseconds
        boxes = join("xyxy"), join("scores"), join("class_ids")
        return cls(*boxes, names=names, masks=join("masks"), keypoints=join("keypoints"), timings=timings)

    def counts(self) -> Counter[int]:
        """Count the detections of each class, by class id."""
        return Counter(self.class_ids.tolist())

    def to_dict(self) -> list[dict[str, Any]]:
        """Give plain values, ready for JSON: class_id, name, score and box [x1, y1, x2, y2] of each.

        Where there are keypoints, also keypoints [[x, y], …].
        """
        plain: list[dict[str, Any]] = [
            {"class_id": class_id, "name": self.names[class_id], "score": score, "box": box}
            for class_id, score, box in zip(
                self.class_ids.tolist(), self.scores.tolist(), self.xyxy.tolist(), strict=True
            )
        ]
        if self.keypoints is not None:
            for each, points in zip(plain, self.keypoints.tolist(), strict=True):
                each["keypoints"] = points
        return plain

    def label_lines(self, image_hw: tuple[int, int], scores: bool = False) -> list[str]:
        """Give the lines of a YOLO label file: class number, centre x, centre y, width, height, in shares.

        image_hw: (h, w) of the image, of which they are shares. With `scores` the score follows.
        """
        height, width = image_hw
        lines = []
        for (x1, y1, x2, y2), score, class_id, *_ in self:
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
            if scores:
                values.append(score)
            lines.append(" ".join([str(class_id), *(f"{value:.6f}" for value in values)]))
        return lines

    def draw(self, image: np.ndarray) -> np.ndarray:
        """Give a copy of `image` with the boxes and their labels drawn on it: uint8 (h, w, 3), BGR."""
        from .draw import draw  # most callers want boxes, not pictures

        return draw(image, self.xyxy, self.scores, self.class_ids, self.names)

    def to_supervision(self) -> dict[str, Any]:
        """Give the arguments for supervision: `supervision.Detections(**detections.to_supervision())`."""
        names = np.array([self.names[class_id] for class_id in self.class_ids], dtype=str)
        return {
            "xyxy": self.xyxy,
            "mask": self.masks,
            "confidence": self.scores,
            "class_id": self.class_ids.astype(int),
            "data": {"class_name": names},
        }
