"""The arrays that a client may ask for, by name.

Whether a model gives an output is asked of its result, never of its task: what has masks gives masks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..results.columns import COLUMNS, Column
from .errors import RequestError

JPEG_QUALITY = 90
MAX_NUMBERS = 2_000_000  # as JSON text


class Prediction(NamedTuple):
    """One picture and what the model made of it."""

    image: np.ndarray  # BGR
    result: Any  # Detections, or whatever else the model's task gives; None if only heads are wanted
    heads: dict[str, np.ndarray]  # raw outputs of the network, (1, …)


class Output(NamedTuple):
    """An array that answers may hold. Its first axis counts boxes, or pictures.

    datatype: the Open Inference Protocol's word. shape: without the first axis; −1 is any.
    by_itself: sent to those who ask for nothing by name. beyond_boxes: whether it takes more of a detector
    than boxes.
    """

    datatype: str
    shape: tuple[int, ...]
    given: Callable[[Any], bool]
    make: Callable[[Prediction], np.ndarray]
    by_itself: bool = True
    beyond_boxes: bool = False


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda result: any(getattr(result, name, None) is not None for name in names)


def _column(column: Column, name: str, prediction: Prediction) -> np.ndarray:
    """Give a column of Detections; what is no number, as JSON."""
    values = prediction.result.columns[name]
    if column.datatype == "BYTES":
        return as_bytes(json.dumps(plain).encode() for plain in column.plain(values))
    return np.asarray(values, {"FP32": np.float32, "INT32": np.int32, "INT64": np.int64}[column.datatype])


OUTPUTS = {
    "boxes": Output("FP32", (4,), _has("xyxy"), lambda prediction: prediction.result.xyxy),
    "scores": Output("FP32", (), _has("scores", "top"), lambda prediction: _scores(prediction.result)),
    "class_ids": Output(
        "INT32", (), _has("class_ids", "top"), lambda prediction: _class_ids(prediction.result)
    ),
    "names": Output("BYTES", (), _has("class_ids", "top"), lambda prediction: _names(prediction.result)),
    **{
        name: Output(
            column.datatype, column.shape, _has(name), partial(_column, column, name), beyond_boxes=True
        )
        for name, column in COLUMNS.items()
    },
    "probabilities": Output(
        "FP32", (-1,), _has("probabilities"), lambda prediction: prediction.result.probabilities[None]
    ),
    "annotated": Output(
        "BYTES",
        (),
        _has("draw"),
        lambda prediction: _annotated(prediction),
        by_itself=False,
        beyond_boxes=True,
    ),
}
BY_BOX = ("boxes", "scores", "class_ids", "names", *COLUMNS)
"""Those that have a row for each box; of a whole picture, for each of its classes."""
# For a batch: which of its pictures a row of the other arrays belongs to.
IMAGE_IDS = "image_ids"


def offered(result: Any, heads: Mapping[str, Any]) -> list[str]:
    """Name the outputs of a model that gives such results and has these raw outputs."""
    return [*(name for name, output in OUTPUTS.items() if output.given(result)), IMAGE_IDS, *heads]


def datatype(name: str) -> str:
    """Give the datatype of an output."""
    return "INT32" if name == IMAGE_IDS else OUTPUTS[name].datatype if name in OUTPUTS else "FP32"


def _class_ids(result: Any) -> np.ndarray:
    """Of the boxes; of a whole picture, its most probable ones."""
    if hasattr(result, "class_ids"):
        return np.asarray(result.class_ids, np.int32)
    return np.array([guess.class_id for guess in result.top()], np.int32)


def _scores(result: Any) -> np.ndarray:
    if hasattr(result, "scores"):
        return np.asarray(result.scores, np.float32)
    return np.array([guess.probability for guess in result.top()], np.float32)


def _names(result: Any) -> np.ndarray:
    return as_bytes(result.names[class_id].encode() for class_id in _class_ids(result))


def _annotated(prediction: Prediction) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded, data = cv2.imencode(".jpg", prediction.result.draw(prediction.image), quality)
    if not encoded:
        raise RequestError(500, "the annotated picture cannot be encoded as JPEG")
    return as_bytes([data.tobytes()])


def as_bytes(texts: Iterable[bytes]) -> np.ndarray:
    """Make an array of BYTES, one-dimensional."""
    values = list(texts)
    array = np.empty(len(values), object)
    array[:] = values
    return array


def to_plain(array: np.ndarray, text: Callable[[bytes], str]) -> list[str] | np.ndarray:
    """Check an array of numbers for `write_json`, or turn one of bytes into texts; `text` says how.

    Raises RequestError: 413 for more than MAX_NUMBERS, 500 for one that JSON does not know: NaN or infinity.
    """
    if array.size > MAX_NUMBERS:
        raise RequestError(413, f"more than {MAX_NUMBERS} numbers are sent as binary data only")
    if array.dtype == object:
        return [text(value) for value in array.tolist()]
    if array.dtype.kind == "f" and not math.isfinite(float(array.sum(dtype=np.float64))):
        raise RequestError(500, "the answer holds numbers that are not finite")
    return array
