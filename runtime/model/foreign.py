"""Model files of other exporters, told in this house's own metadata.

`export.py` of YOLOv5 and the `ultralytics` package write networks that decode their boxes themselves, to
pixels of the input. They are told by the shape of their one output, for an input of H × W:

    yolov5       (1, na · cells, 5 + nc): centre x, centre y, width, height, objectness, classes
    yolov8       (1, 4 + nc, cells): centre x, centre y, width, height, classes
    end-to-end   (1, n, 6): x1, y1, x2, y2, score, class id; what NMS leaves, or a network that needs none

where cells = Σ H/s · W/s over the strides s, and all scores are probabilities. The metadata's values are what
Python's `str` makes of them: `names` "{0: 'person', 1: 'bicycle'}", `stride` "32", `task` "detect".
https://docs.ultralytics.com/modes/export/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..escape import escape, escape_value

Sides = tuple[int, ...]  # a shape
UNSUPPORTED = {  # operators that OpenCV cannot run, by what writes them: what such a file is, and the way out
    **dict.fromkeys(
        ("NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "BatchedNMSDynamic_TRT", "RoiAlign"),
        "it has NMS inside, which OpenCV does not run; export it again without NMS",
    ),
    **dict.fromkeys(
        ("DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM"),
        "it is quantized dynamically, which OpenCV does not run; take the float32 file that it was made of",
    ),
    **dict.fromkeys(
        ("QLinearConv", "QLinearMatMul", "QLinearAdd"),
        "it is quantized in operators of integers (QOperator); quantize it in the format QDQ",
    ),
    "Shape": "export it again with simplify and without dynamic",
}

LAYOUTS = ("yolov5", "yolov8", "end-to-end")
MAX_CLASSES = 10_000

_OWN = ("strides", "anchors", "reg_max", "masks", "keypoints", "crop", "decoded")
_STRIDES = (4, 8, 16, 32, 64)
_ANCHORS = range(2, 10)  # of each cell
_ORIENTED = "a network for oriented boxes (yolov5_obb)"
_COLUMNS = {  # what networks have that have so many columns more than classes
    ("yolov5", 180): _ORIENTED,
    ("yolov5", 10): "yolov5-face, with 5 points",
    ("yolov5", 32): "an export for segmentation, with 32 mask coefficients",
    ("yolov8", 1): "an export for oriented boxes, with their angle",
    ("yolov8", 32): "an export for segmentation, with 32 mask coefficients",
}
_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ITEM = re.compile(rf"\s*(?:(\d{{1,9}})\s*:\s*)?({_STRING})\s*(,|$)", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


class ExportError(ValueError):
    """A model of another kind than can be run; the text, which follows the file's name, says what it is."""


def own_metadata(
    metadata: Mapping[str, str],
    size: tuple[int, int],
    dynamic: bool,
    outputs: Sequence[Sides],
    input_scale: int = 1,
) -> dict[str, str]:
    """Give a file's metadata as this house writes it; as it is, unless another exporter wrote the file.

    size: the input's height and width; dynamic: whether they are free; outputs: the shapes of the outputs at
    that size; input_scale: 255 if the network takes pixels from 0 to 255. Raises ExportError for a model that
    is neither of this project nor one of those above.
    """
    if any(key in metadata for key in _OWN) or all(len(shape) == 4 for shape in outputs):
        return dict(metadata)
    task = metadata.get("task", "detect")
    if task != "detect":
        raise ExportError(
            f"is an export for the task {escape_value(task)}, and of exports only detectors are run"
        )
    names = None if "names" not in metadata else read_names(metadata["names"])
    layout, classes = _layout(outputs, None if names is None else len(names), size)
    if names is None and not (layout == "yolov5" and _could_be_oriented(classes)):
        names = [f"class{number}" for number in range(classes)]  # none where the shape doesn't tell
    stride = metadata.get("stride", "32")
    if not re.fullmatch(r"[1-9]\d{0,3}", stride):
        raise ExportError(f"has a stride {escape_value(stride)} in its metadata")
    return {
        **{key: metadata[key] for key in ("producer",) if key in metadata},
        "task": '"detect"',
        **({"names": json.dumps(names)} if names else {}),
        "decoded": json.dumps(layout),
        "imgsz": json.dumps(size),
        "size_multiple": stride,
        "dynamic": json.dumps(dynamic),
        **({"input_scale": str(input_scale)} if input_scale != 1 else {}),
    }


def _layout(outputs: Sequence[Sides], names: int | None, size: tuple[int, int]) -> tuple[str, int]:
    """Tell the layout, and how many classes it has; 0 where the shape doesn't tell."""
    if len(outputs) == 1 and len(outputs[0]) == 3:
        batch, a, b = outputs[0]
        if batch != 1:
            raise ExportError(f"takes {batch} images at once; export it again for one")
        usual, cells = _cells(size)
        if b > 5 and (a in {3 * count for count in usual} or _times(a, cells)):
            return "yolov5", _classes(b - 5, names, "yolov5")
        if b > 5 and b - 5 == names and a > 1000:
            return "yolov5", b - 5
        if b > 5 and a > 1000 and a in cells:
            raise ExportError(
                f"gives {b} numbers for each cell, as YOLOX does, whose boxes are of another kind; "
                "of other families' networks only those of YOLOv5 and of ultralytics are run"
            )
        if a > 4 and (b in usual or (b > 1000 and b in cells) or a - 4 == names):
            return "yolov8", _classes(a - 4, names, "yolov8")
        if b == 6:
            return "end-to-end", 0
        if b > 5 and b - 5 == names:
            return "yolov5", b - 5
    shapes = " and ".join("(" + ", ".join(map(str, shape)) + ")" for shape in outputs[:5])
    raise ExportError(f"is {_kind(outputs)}: its outputs are {shapes}")


def _cells(size: tuple[int, int]) -> tuple[set[int], set[int]]:
    """How many cells the heads have together: of P4, P5 and P6 networks, and of rarer ones, too."""
    each = [(size[0] // s) * (size[1] // s) for s in _STRIDES]
    usual = {sum(each[1:last]) for last in (3, 4, 5)}
    return usual, usual | {sum(each[0:4]), sum(each[0:5]), sum(each[2:4])}


def _times(rows: int, cells: set[int]) -> bool:
    """Whether so many rows are several anchors for each cell; few could also be an end-to-end network's."""
    return rows > 1000 and any(rows == count * anchors for count in cells for anchors in _ANCHORS)


def _classes(columns: int, names: int | None, layout: str) -> int:
    """Check that there are as many columns of classes as names, if there are names."""
    if names is None:
        return columns
    if columns != names:
        more = columns - names
        known = _COLUMNS.get((layout, more))
        if known is None and layout == "yolov8" and more > 0 and more % 3 == 0:
            known = f"an export for poses, with {more // 3} keypoints"
        seems = f": it seems to be {known}" if known else ""
        raise ExportError(f"has {columns} columns for classes, and {names} names{seems}")
    return columns


def _could_be_oriented(columns: int) -> bool:
    """Whether so many columns could be DOTA's 15 to 18 classes, or the like, and 180 for the angle.

    Their names are then not made up: only who knows them knows that all the columns are classes.
    """
    return 180 < columns <= 200


def _kind(outputs: Sequence[Sides]) -> str:
    """Say what a network seems to be."""
    ranks = [len(shape) for shape in outputs]
    if ranks[0] == 2:
        return "a classifier of another exporter"
    if ranks[:2] == [3, 4]:
        return "a segmentation network of another exporter"
    if 5 in ranks:
        return "a YOLOv5 whose head maps are of another order, as export.py up to v6.1 and --train give them"
    return "no detector that is known here"


def read_names(text: str) -> list[str]:
    """Read the names of the classes: a Python literal, a dict by class id or a list, of strings alone.

    Raises ExportError for anything else; nothing is evaluated.
    """
    text = text.strip()
    if not (text[:1] == "{" and text[-1:] == "}") and not (text[:1] == "[" and text[-1:] == "]"):
        raise ExportError(f"has names in its metadata that are no dict or list: '{escape(text, 60)}'")
    body, position = text[1:-1].rstrip(), 0
    names: dict[int, str] = {}
    while position < len(body):
        item = _ITEM.match(body, position)
        if item is None or (item[1] is None) != (text[0] == "["):
            raise ExportError(f"has names in its metadata that break at '{escape(body[position:], 40)}'")
        number = len(names) if item[1] is None else int(item[1])
        names[number] = _ESCAPE.sub(_letter, item[2][1:-1])
        position = item.end()
        if len(names) > MAX_CLASSES:
            raise ExportError(f"has more than {MAX_CLASSES} names in its metadata")
    if not names or sorted(names) != list(range(len(names))):
        raise ExportError("has class names in its metadata that are not numbered 0, 1, 2, …")
    return [names[number] for number in range(len(names))]


def _letter(escape: re.Match[str]) -> str:
    letter: Any = escape[1]
    if len(letter) == 1:
        return _LETTERS.get(letter, letter)
    code = int(letter[1:], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
