"""What a detector found in one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np

from ..errors import InputError
from ..escape import escape
from ..stages.masks import Masks
from .rle import encode

MAX_NAME = 60  # letters of a class name in a line
MAX_CLASSES = 100


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
    masks: bool (n, h, w), which of the image's pixels belong to each; None if the model gives no masks. They
        are kept as Masks, which go for such an array and take less memory.
    keypoints: float32 (n, k, 2), x y in the image's pixels; None if the model gives none.
    timings: milliseconds that the call spent in each stage, as `predictors.detector.STAGES` names them.

    `kind` is what a JSON object calls them: "detections".

    `detections[index]` with a slice, a bool mask or an array of indices gives the Detections of those rows;
    with a whole number it gives one Detection, and so does a loop over them.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    names: tuple[str, ...]
    masks: Masks | None = None
    keypoints: np.ndarray | None = None
    timings: dict[str, float] = field(default_factory=dict)

    kind: ClassVar[str] = "detections"

    def __post_init__(self) -> None:
        if self.masks is not None and not isinstance(self.masks, Masks):
            self.masks = Masks.of_array(self.masks)

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        also = "".join(
            f", with {column}" for column in ("masks", "keypoints") if getattr(self, column) is not None
        )
        return f"<Detections: {self.summary()}{also}>"

    @overload
    def __getitem__(self, index: int) -> Detection: ...

    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int] | Sequence[bool]) -> Detections: ...

    def __getitem__(self, index: Any) -> Detection | Detections:
        """Choose one row, or some, of every column. Raises IndexError for rows that there are not."""
        if not isinstance(index, slice):
            index = np.asarray(index)
            if index.ndim == 0:
                if index.dtype.kind not in "iu":
                    raise IndexError(f"detections are indexed by whole numbers, not by {index[()]!r}")
                return self._row(int(index))
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
            if missing:
                return None
            return Masks.concatenate(arrays) if column == "masks" else np.concatenate(arrays)

        timings: dict[str, float] = {}
        for part in parts:
            for stage, milliseconds in part.timings.items():
                timings[stage] = timings.get(stage, 0.0) + milliseconds
        boxes = join("xyxy"), join("scores"), join("class_ids")
        return cls(*boxes, names=names, masks=join("masks"), keypoints=join("keypoints"), timings=timings)

    def counts(self) -> Counter[int]:
        """Count the detections of each class, by class id."""
        return Counter(self.class_ids.tolist())

    def summary(self) -> str:
        """Say how many of each class: "4 person, 1 bus", or "nothing"."""
        return class_counts(self.counts(), self.names)

    def to_dict(self) -> list[dict[str, Any]]:
        """Give plain values, ready for JSON: class_id, name, score and box [x1, y1, x2, y2] of each.

        Where there are masks, also mask, as COCO's RLE: {"size": [h, w], "counts": text}; where there are
        keypoints, also keypoints [[x, y], …].
        """
        plain: list[dict[str, Any]] = [
            {"class_id": class_id, "name": self.names[class_id], "score": score, "box": box}
            for class_id, score, box in zip(
                self.class_ids.tolist(), self.scores.tolist(), self.xyxy.tolist(), strict=True
            )
        ]
        if self.masks is not None:
            for i, each in enumerate(plain):
                left, top, mask = self.masks.window(i)
                each["mask"] = encode(mask, left, top, self.masks.shape[1:])
        if self.keypoints is not None:
            for each, points in zip(plain, self.keypoints.tolist(), strict=True):
                each["keypoints"] = points
        return plain

    def label_lines(self, image_hw: tuple[int, int], scores: bool = False) -> list[str]:
        """Give the lines of a YOLO label file, in shares of the image's size, image_hw.

        A line has the class number, then centre x, centre y, width and height of the box; or, where there are
        masks, x and y of the corners of the mask's largest part, clockwise or not; where there are keypoints,
        the box and then x and y of each. With `scores` the score follows. A mask of no pixel has no line.
        """
        size = np.array([image_hw[1], image_hw[0]], np.float64)
        lines = []
        for i, (box, score, class_id, *_) in enumerate(self):
            corners = np.array(box).reshape(2, 2) / size
            values = [*corners.mean(axis=0), *(corners[1] - corners[0])]
            if self.masks is not None:
                values = [*(self.masks.polygon(i) / size).reshape(-1)]
                if not values:
                    continue
            if self.keypoints is not None:
                values += [*(self.keypoints[i] / size).reshape(-1)]
            if scores:
                values.append(score)
            lines.append(" ".join([str(class_id), *(f"{value:.6f}" for value in values)]))
        return lines

    def draw(
        self,
        image: np.ndarray,
        *,
        line_thickness: int | None = None,
        hide_labels: bool = False,
        hide_conf: bool = False,
    ) -> np.ndarray:
        """Give a copy of `image` with all of it drawn there: uint8 (h, w, 3), BGR. See `drawing.draw`."""
        from ..drawing.draw import draw  # most callers want boxes, not pictures

        return draw(
            image,
            self.xyxy,
            self.scores,
            self.class_ids,
            self.names,
            self.masks,
            self.keypoints,
            line_thickness=line_thickness,
            hide_labels=hide_labels,
            hide_conf=hide_conf,
        )

    def to_supervision(self) -> dict[str, Any]:
        """Give the arguments for supervision: `supervision.Detections(**detections.to_supervision())`."""
        names = np.array([self.names[class_id] for class_id in self.class_ids], dtype=str)
        return {
            "xyxy": self.xyxy,
            "mask": None if self.masks is None else np.asarray(self.masks),
            "confidence": self.scores,
            "class_id": self.class_ids.astype(int),
            "data": {"class_name": names},
        }

    def to_supervision_keypoints(self) -> dict[str, Any]:
        """Give the arguments for `supervision.KeyPoints`. Raises InputError if there are no keypoints."""
        if self.keypoints is None:
            raise InputError("there are no keypoints: the model finds none")
        names = np.array([self.names[class_id] for class_id in self.class_ids], dtype=str)
        return {
            "xy": self.keypoints,
            "class_id": self.class_ids.astype(int),
            "data": {"class_name": names},
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table: class_id, name, score, x1, y1, x2, y2, and what else there is.

        Keypoints are keypoint0_x, keypoint0_y, …; a mask is its run lengths, COCO's `counts`.
        """
        k = 0 if self.keypoints is None else self.keypoints.shape[1]
        points = (f"keypoint{i}_{axis}" for i in range(k) for axis in "xy")
        mask = () if self.masks is None else ("mask",)
        return "class_id", "name", "score", "x1", "y1", "x2", "y2", *points, *mask

    def rows(self) -> list[tuple[Any, ...]]:
        """Give the table's rows, plain values, best first."""
        rows = []
        for each in self.to_dict():
            points = (axis for point in each.get("keypoints", ()) for axis in point)
            mask = (each["mask"]["counts"],) if "mask" in each else ()
            rows.append((each["class_id"], each["name"], each["score"], *each["box"], *points, *mask))
        return rows

    def to_pandas(self) -> Any:
        """Give `rows` as a `pandas.DataFrame` with `columns`. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=list(self.columns))


def class_counts(counts: Mapping[int, int], names: Sequence[str]) -> str:
    """Say how many of each class: "4 person, 1 bus", or "nothing"."""
    shown = [
        f"{counts[class_id]} {escape(names[class_id], MAX_NAME)}" for class_id in sorted(counts)[:MAX_CLASSES]
    ]
    return ", ".join(shown) + (", …" if len(counts) > MAX_CLASSES else "") or "nothing"
