"""What Detections know of each box beside its place, score and class: one description for each such column.

A column is an array with a row for each box. Its description, a Column, says all that the rest of the house
does with it: how rows are chosen and joined, what becomes of them in a larger image and when boxes are united
(tiles), how they are written to JSON, CSV, label files and Parquet, drawn, and sent by the service. Nothing
else knows the columns one by one. So a new one is a class here and its row in COLUMNS, nothing more; a task
fills it with `detections.with_columns(angles=…)`.

Rotated boxes, for instance, would be a Column "angles", float32 (n,), in radians, whose `layer` is "outline",
so that its `paint` draws instead of the upright box, whose `in_labels` is "box", so that its `coordinates`
(the four corners) stand in label files instead of the box, and whose `decimals` are 6. Keypoints with scores
are float32 (n, k, 3): `Keypoints` takes any number of values a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from ..drawing.marks import Colour, draw_keypoints, draw_mask
from ..errors import InputError
from ..stages.letterbox import Placement
from ..stages.masks import Masks
from .rle import encode


class Column:
    """A column of numbers, truth values or texts that are kept, written and sent as they are.

    name: the column's, as `detections.NAME`; each: of the value of one box, in `Detection`, JSON and CSV.
    layer: where `paint` draws: "below" the boxes, as their "outline", or "above" them; "" draws nothing.
    in_labels: what label files have of it: `coordinates` instead of the "box", `coordinates` "after" the box,
        or the plain value at the "end" of the line.
    datatype, shape: of what the service sends, in the words of the Open Inference Protocol; the shape is that
        of one box, −1 is any. decimals: how finely JSON and CSV are rounded.
    supervision: the argument of `supervision.Detections` that takes it; "" is an entry of its `data`.
    """

    layer: ClassVar[Literal["", "below", "outline", "above"]] = ""
    in_labels: ClassVar[Literal["", "box", "after", "end"]] = ""
    datatype: ClassVar[str] = "FP32"
    shape: ClassVar[tuple[int, ...]] = ()
    decimals: ClassVar[int] = 3
    supervision: ClassVar[str] = ""

    def __init__(self, name: str, each: str = "") -> None:
        self.name = name
        self.each = each or name

    def check(self, values: Any, count: int) -> Any:
        """Give the values in the form in which they are kept. Raises InputError if they do not fit."""
        array = np.asarray(values)
        if array.ndim < 1 or len(array) != count:
            raise InputError(f"{self.name} must have a row for each of {count} boxes, not {array.shape}")
        if array.dtype.kind not in "biufU":
            raise InputError(f"{self.name} must be numbers or texts, not {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"{self.name} must be finite numbers")
        return array

    def join(self, parts: Sequence[Any]) -> Any:
        """Put the rows of several one after the other."""
        return np.concatenate(parts)

    def moved(self, values: Any, left: int, top: int, image_hw: tuple[int, int]) -> Any:
        """Bring them from a window's pixels, whose upper left corner is (left, top), to the image's."""
        return values

    def united(self, values: Any, groups: Sequence[Sequence[int]]) -> Any:
        """Make one row of each group of rows, whose first is the best."""
        return values[np.array([group[0] for group in groups], np.intp)]

    def plain(self, values: Any) -> list[Any]:
        """Give each box's value for JSON: plain Python."""
        return list(values.tolist())

    def cell_names(self, values: Any) -> list[str]:
        """Name the columns of a table that it becomes."""
        if values.ndim == 1:
            return [self.each]
        return [f"{self.each}{i}" for i in range(int(np.prod(values.shape[1:])))]

    def cells(self, plain: Any) -> list[Any]:
        """Give the table's cells of one box, from what `plain` gave."""
        return list(np.array(plain, object).reshape(-1)) if isinstance(plain, list) else [plain]

    def label(self, values: Any, row: int) -> str:
        """Say what stands in the label of a box, after name and score; nothing by default."""
        return ""

    def coordinates(self, values: Any, row: int) -> np.ndarray:
        """Give points in the image's pixels for label files, (m, 2); a line of no points is left out."""
        raise NotImplementedError(f"{self.name} are no coordinates")

    def paint(self, canvas: np.ndarray, values: Any, row: int, colour: Colour, line: int) -> None:
        """Draw what belongs to one box on an image, uint8 (h, w, 3), in lines of so many pixels."""

    def arrow_type(self, pa: Any, values: Any) -> Any:
        """Give the type of one box's value in Arrow; `pa` is the module pyarrow."""
        kind = pa.string() if values.dtype.kind == "U" else pa.from_numpy_dtype(values.dtype)
        for _ in range(values.ndim - 1):
            kind = pa.list_(kind)
        return kind

    def to_supervision(self, values: Any) -> Any:
        """Give it as supervision takes it."""
        return np.asarray(values)


class MaskColumn(Column):
    """bool (n, h, w): which of the image's pixels belong to each box, as Masks; in JSON, COCO's RLE."""

    layer = "below"
    in_labels = "box"
    datatype = "BYTES"
    supervision = "mask"

    def check(self, values: Any, count: int) -> Masks:
        """Give Masks."""
        masks = values if isinstance(values, Masks) else Masks.of_array(np.asarray(values))
        if len(masks) != count:
            raise InputError(f"{self.name} must have a row for each of {count} boxes, not {len(masks)}")
        return masks

    def join(self, parts: Sequence[Masks]) -> Masks:
        """Join masks of one image."""
        return Masks.concatenate(parts)

    def moved(self, values: Masks, left: int, top: int, image_hw: tuple[int, int]) -> Masks:
        """Move their bitmaps."""
        bitmaps = [(x + left, y + top, mask) for x, y, mask in map(values.window, range(len(values)))]
        return Masks(bitmaps, Placement(1.0, 0.0, 0.0), image_hw)

    def united(self, values: Masks, groups: Sequence[Sequence[int]]) -> Masks:
        """Unite the masks of each group."""
        return values.union(groups)

    def plain(self, values: Masks) -> list[Any]:
        """Write each as {"size": [h, w], "counts": text}."""
        windows = map(values.window, range(len(values)))
        return [encode(mask, left, top, values.shape[1:]) for left, top, mask in windows]

    def cell_names(self, values: Masks) -> list[str]:
        """Name the one column of a table: the run lengths."""
        return [self.each]

    def cells(self, plain: Any) -> list[Any]:
        """Give the run lengths."""
        return [plain["counts"]]

    def coordinates(self, values: Masks, row: int) -> np.ndarray:
        """Give the outline of the largest part."""
        return values.polygon(row)

    def paint(self, canvas: np.ndarray, values: Masks, row: int, colour: Colour, line: int) -> None:
        """Tint its pixels and draw its contour."""
        draw_mask(canvas, *values.window(row), colour, max(1, line // 2))

    def arrow_type(self, pa: Any, values: Masks) -> Any:
        """Give the type of RLE."""
        return pa.struct([("size", pa.list_(pa.int32())), ("counts", pa.string())])


class Keypoints(Column):
    """float32 (n, k, 2 or more): x y of each point in the image's pixels, and what else, as a score."""

    layer = "above"
    in_labels = "after"
    shape = (-1, 2)

    def check(self, values: Any, count: int) -> Any:
        """Want points."""
        array = super().check(values, count)
        if array.ndim != 3 or array.shape[2] < 2:
            raise InputError(f"{self.name} must be (n, k, 2), x and y of each point, not {array.shape}")
        return array

    def moved(self, values: Any, left: int, top: int, image_hw: tuple[int, int]) -> Any:
        """Move the points."""
        moved = values.copy()
        moved[..., :2] += np.array([left, top], np.float32)
        return moved

    def cell_names(self, values: Any) -> list[str]:
        """Name them keypoint0_x, keypoint0_y, …."""
        parts = ["x", "y", "score"][: values.shape[2]]
        return [f"keypoint{i}_{part}" for i in range(values.shape[1]) for part in parts]

    def coordinates(self, values: Any, row: int) -> np.ndarray:
        """Give x and y."""
        return np.asarray(values[row, :, :2])

    def paint(self, canvas: np.ndarray, values: Any, row: int, colour: Colour, line: int) -> None:
        """Draw a disc for each."""
        draw_keypoints(canvas, values[row, :, :2], colour, line)


class TrackIds(Column):
    """int (n,): the number of the object that a box shows, the same from frame to frame; no task gives it."""

    in_labels = "end"
    datatype = "INT64"
    supervision = "tracker_id"

    def check(self, values: Any, count: int) -> Any:
        """Want whole numbers."""
        array = super().check(np.asarray(values, np.int64) if not len(values) else values, count)
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise InputError(f"{self.name} must be whole numbers, not {array.dtype} {array.shape}")
        return array

    def label(self, values: Any, row: int) -> str:
        """Give "#7"."""
        return f"#{values[row]}"


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        MaskColumn("masks", "mask"),
        Keypoints("keypoints"),
        TrackIds("track_ids", "track_id"),
    )
}
"""The columns that have descriptions of their own, by name. Any other name is a plain Column."""


def column_of(name: str) -> Column:
    """Give the description of a column."""
    return COLUMNS.get(name) or Column(name)
