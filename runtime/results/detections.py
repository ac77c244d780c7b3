"""What a detector found in one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, overload

import numpy as np

from ..drawing.marks import Colour
from ..errors import InputError
from ..escape import escape
from .columns import COLUMNS, Column, column_of

MAX_NAME = 60  # letters of a class name in a line
MAX_CLASSES = 100
_OWN = ("xyxy", "scores", "class_ids", "names", "timings", "columns", "score", "class_id", "name", "box")


class Detection(NamedTuple):
    """One box and what is known of it; see Detections.

    box: x1, y1, x2, y2 in the image's pixels.
    columns: by name, what else there is of it, which is also `detection.NAME`: mask, bool (h, w), and
        keypoints, float32 (k, 2), in the image's pixels; track_id. Of these, None is what there is not.
    """

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    name: str
    columns: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name in self.columns:
            return self.columns[name]
        if any(name == column.each for column in COLUMNS.values()):
            return None
        raise AttributeError(f"a detection has no {name!r}")


class Detections:
    """The boxes of one image, best first.

    xyxy: float32 (n, 4), x1 y1 x2 y2 in the image's pixels, within the image.
    scores: float32 (n,), objectness × class probability, 0 to 1.
    class_ids: int32 (n,).
    names: the names of all the model's classes, by class id.
    timings: milliseconds that the call spent in each stage, as `predictors.detector.STAGES` names them.
    columns: what else is known of each box, as `results.columns` describes it, by name. Each is also
        `detections.NAME`, and these are None where the model does not give them:
        masks: bool (n, h, w), which of the image's pixels belong to each. They are kept as Masks, which go
        for such an array and take less memory.
        keypoints: float32 (n, k, 2), x y in the image's pixels.
        track_ids: int (n,), the same for one object from frame to frame; for a tracker to add.

    `kind` is what a JSON object calls them: "detections".

    `detections[index]` with a slice, a bool mask or an array of indices gives the Detections of those rows;
    with a whole number it gives one Detection, and so does a loop over them.

    A column of one's own is sliced, joined, written and sent like the others, and drawn as
    `results.columns` says of it:

    >>> detections = detections.with_columns(track_ids=tracker.update(detections))
    >>> detections = detections.with_columns(speeds=speeds)  # float (n,): "speeds" in JSON and CSV

    Raises InputError for a column that does not have a row for each box.
    """

    kind: ClassVar[str] = "detections"
    __slots__ = ("class_ids", "columns", "names", "scores", "timings", "xyxy")  # no column past `columns`

    def __init__(
        self,
        xyxy: np.ndarray,
        scores: np.ndarray,
        class_ids: np.ndarray,
        names: tuple[str, ...],
        *,
        timings: dict[str, float] | None = None,
        **columns: Any,
    ) -> None:
        self.xyxy = xyxy
        self.scores = scores
        self.class_ids = class_ids
        self.names = names
        self.timings = {} if timings is None else timings
        self.columns: dict[str, Any] = {}
        for name, values in columns.items():
            _check_name(name)
            if values is not None:
                self.columns[name] = column_of(name).check(values, len(scores))

    def __getattr__(self, name: str) -> Any:
        if name not in self.__slots__ and name in self.columns:
            return self.columns[name]
        if name in COLUMNS:
            return None
        raise AttributeError(f"these detections have no {name!r}")

    def with_columns(self, **columns: Any) -> Detections:
        """Give the same boxes with these columns, too, or instead of theirs; None takes a column away."""
        for name in columns:
            _check_name(name)
        return Detections(
            self.xyxy,
            self.scores,
            self.class_ids,
            self.names,
            timings=self.timings,
            **{**self.columns, **columns},
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        also = "".join(f", with {name}" for name in self.columns)
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
            timings=self.timings,
            **{name: values[index] for name, values in self.columns.items()},
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
            {column_of(name).each: values[index] for name, values in self.columns.items()},
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """Join the rows of one or more of the same image and names, in their order; timings are added up.

        Raises InputError if there are none, or their names differ, or some have a column that others have
        not.
        """
        if not parts:
            raise InputError("there are no detections to join")
        names = parts[0].names
        if any(part.names != names for part in parts):
            raise InputError("detections of models with different classes cannot be joined")

        columns = {}
        for name in {name: None for part in parts for name in part.columns}:
            if not all(name in part.columns for part in parts):
                raise InputError(f"detections with and without {name} cannot be joined")
            columns[name] = column_of(name).join([part.columns[name] for part in parts])
        timings: dict[str, float] = {}
        for part in parts:
            for stage, milliseconds in part.timings.items():
                timings[stage] = timings.get(stage, 0.0) + milliseconds
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            names,
            timings=timings,
            **columns,
        )

    def counts(self) -> Counter[int]:
        """Count the detections of each class, by class id."""
        return Counter(self.class_ids.tolist())

    def summary(self) -> str:
        """Say how many of each class: "4 person, 1 bus", or "nothing"."""
        return class_counts(self.counts(), self.names)

    def to_dict(self) -> list[dict[str, Any]]:
        """Give plain values, ready for JSON: class_id, name, score and box [x1, y1, x2, y2] of each.

        Then what its columns have: mask, as COCO's RLE: {"size": [h, w], "counts": text}; keypoints
        [[x, y], …]; track_id; any other one as it is called.
        """
        plain: list[dict[str, Any]] = [
            {"class_id": class_id, "name": self.names[class_id], "score": score, "box": box}
            for class_id, score, box in zip(
                self.class_ids.tolist(), self.scores.tolist(), self.xyxy.tolist(), strict=True
            )
        ]
        for name, values in self.columns.items():
            column = column_of(name)
            for each, value in zip(plain, column.plain(values), strict=True):
                each[column.each] = value
        return plain

    def label_lines(self, image_hw: tuple[int, int], scores: bool = False) -> list[str]:
        """Give the lines of a YOLO label file, in shares of the image's size, image_hw.

        A line has the class number, then centre x, centre y, width and height of the box; or, where there are
        masks, x and y of the corners of the mask's largest part, clockwise or not; where there are keypoints,
        the box and then x and y of each. With `scores` the score follows, and at last a track id if there is
        one. A mask of no pixel has no line.
        """
        size = np.array([image_hw[1], image_hw[0]], np.float64)
        columns = [(column_of(name), values) for name, values in self.columns.items()]
        lines = []
        for i, (box, score, class_id, *_) in enumerate(self):
            corners = np.array(box).reshape(2, 2) / size
            place = np.stack((corners.mean(axis=0), corners[1] - corners[0]))
            after: list[float] = []
            end: list[str] = []
            for column, values in columns:
                if column.in_labels == "box":
                    place = column.coordinates(values, i) / size
                elif column.in_labels == "after":
                    after += [*(column.coordinates(values, i) / size).reshape(-1)]
                elif column.in_labels == "end":
                    end.append(str(values[i]))
            if not place.size:
                continue
            numbers = [*place.reshape(-1), *after, *([score] if scores else [])]
            lines.append(" ".join([str(class_id), *(f"{number:.6f}" for number in numbers), *end]))
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

        columns = [(column_of(name), values) for name, values in self.columns.items()]
        paints: dict[str, list[Any]] = {"below": [], "outline": [], "above": []}
        for column, values in columns:
            if column.layer:
                paints[column.layer].append(_painter(column, values))
        notes = [
            " ".join(filter(None, (column.label(values, row) for column, values in columns)))
            for row in range(len(self))
        ]
        return draw(
            image,
            self.xyxy,
            self.scores,
            self.class_ids,
            self.names,
            below=paints["below"],
            outline=paints["outline"][-1] if paints["outline"] else None,
            above=paints["above"],
            notes=notes if any(notes) else None,
            line_thickness=line_thickness,
            hide_labels=hide_labels,
            hide_conf=hide_conf,
        )

    def to_supervision(self) -> dict[str, Any]:
        """Give the arguments for supervision: `supervision.Detections(**detections.to_supervision())`."""
        names = np.array([self.names[class_id] for class_id in self.class_ids], dtype=str)
        arguments: dict[str, Any] = {
            "xyxy": self.xyxy,
            "confidence": self.scores,
            "class_id": self.class_ids.astype(int),
            "data": {"class_name": names},
        }
        for name, values in self.columns.items():
            column = column_of(name)
            into = arguments if column.supervision else arguments["data"]
            into[column.supervision or name] = column.to_supervision(values)
        return arguments

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
    def header(self) -> tuple[str, ...]:
        """The columns of a table: class_id, name, score, x1, y1, x2, y2, and what else there is.

        Keypoints are keypoint0_x, keypoint0_y, …; a mask is its run lengths, COCO's `counts`.
        """
        more = (cell for name, values in self.columns.items() for cell in column_of(name).cell_names(values))
        return "class_id", "name", "score", "x1", "y1", "x2", "y2", *more

    def rows(self) -> list[tuple[Any, ...]]:
        """Give the table's rows, plain values, best first."""
        described = [column_of(name) for name in self.columns]
        return [
            (
                *(each["class_id"], each["name"], each["score"], *each["box"]),
                *(cell for column in described for cell in column.cells(each[column.each])),
            )
            for each in self.to_dict()
        ]

    def to_pandas(self) -> Any:
        """Give `rows` as a `pandas.DataFrame` with `header`. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=list(self.header))


def _check_name(name: str) -> None:
    if name in _OWN or not name.isidentifier() or hasattr(Detections, name):
        raise InputError(f"a column cannot be called {name!r}")


def _painter(column: Column, values: Any) -> Callable[[np.ndarray, int, Colour, int], None]:
    return lambda canvas, row, colour, line: column.paint(canvas, values, row, colour, line)


def class_counts(counts: Mapping[int, int], names: Sequence[str]) -> str:
    """Say how many of each class: "4 person, 1 bus", or "nothing"."""
    shown = [
        f"{counts[class_id]} {escape(names[class_id], MAX_NAME)}" for class_id in sorted(counts)[:MAX_CLASSES]
    ]
    return ", ".join(shown) + (", …" if len(counts) > MAX_CLASSES else "") or "nothing"
