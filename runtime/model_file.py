"""Reading the model file: the network's bytes for OpenCV, and what the file says about itself.

The file is ONNX, that is a protobuf message. Only a few of its fields matter here, so they are walked by hand
and everything else is skipped by its length; the `onnx` package isn't needed on the device.
Field numbers: https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto
Wire format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import InputError, ModelError
from .letterbox import MAX_SIDE, round_up
from .tasks import Task, find_task
from .tasks.metadata import items, whole

MAX_BYTES = 2**31 - 1  # protobuf's own limit

_MODEL_PRODUCER_NAME, _MODEL_PRODUCER_VERSION, _MODEL_GRAPH, _MODEL_METADATA = 2, 3, 7, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_NODE = 1
_NODE_OP_TYPE, _NODE_DOMAIN = 4, 7
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

# What every file may say, and what counts where it does not.
_COMMON: dict[str, Any] = {
    "imgsz": [640, 640],
    "size_multiple": None,  # the largest stride
    "dynamic": False,
    "fold": 1,
    "source": None,
}

_CONVERT = "convert its checkpoint with: python -m convert CHECKPOINT.pt"


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """What a model file says about its network.

    head: the task, which knows what the outputs mean, and the rest of the metadata.
    imgsz: (height, width) the network was converted for.
    size_multiple: what the input's height and width must be divisible by.
    dynamic: whether the input may have another size.
    fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them.
    source: file name and SHA-256 of the checkpoint, if known.
    producer: the program that wrote the file, and its version.
    """

    head: Task
    imgsz: tuple[int, int]
    size_multiple: int
    dynamic: bool = False
    fold: int = 1
    source: dict[str, str] | None = None
    producer: str = ""

    @property
    def task(self) -> str:
        """The task's name: "detect"."""
        return self.head.name

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, by class id."""
        return self.head.names

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each head map, in pixels."""
        return self.head.strides

    @property
    def anchors(self) -> tuple[np.ndarray, ...]:
        """The anchors of each head map, float32 (na, 2): widths and heights in pixels of the input."""
        return self.head.anchors


def read_model(path: str | Path) -> tuple[np.ndarray, dict[str, str]]:
    """Read an ONNX file.

    Returns its bytes, uint8 (n,), in the form for `cv2.dnn.readNetFromONNX`, and its metadata_props; among
    them, as `producer`, the program that wrote it. The bytes differ from the file's in one respect:
    `Swish` nodes lose their domain, so that OpenCV takes them for its own layer of that name.

    Raises ModelError if there is no such file or it isn't an ONNX model.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(f"there is no model file {path}; {_CONVERT} --output {path}")
    if not path.is_file():
        raise ModelError(f"{path} is not a file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ModelError(f"{path} has {size} bytes, more than an ONNX file can have")
    try:
        buffer = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if buffer[:4].tobytes() == b"PK\x03\x04" or buffer[:2].tobytes() == b"\x80\x02":
        raise ModelError(f"{path} is a PyTorch checkpoint, not an ONNX model; {_CONVERT}")
    try:
        metadata = _walk_model(buffer.data)
    except _WireError as error:
        raise ModelError(f"{path} is not an ONNX model, or a damaged one: {error}") from error
    return buffer, metadata


def read_info(
    metadata: dict[str, str],
    path: str | Path,
    names: Sequence[str] | None = None,
    anchors: Sequence[Any] | None = None,
    strides: Sequence[int] | None = None,
) -> ModelInfo:
    """Make the ModelInfo of a file from its metadata, checking every value.

    `names`, `anchors` (by output, in pixels) and `strides` replace the file's. With all three given, the file
    needs no metadata: its network then counts as one of fixed size, 640 × 640 unless the file says other.

    Raises ModelError, which names the value that is missing or wrong.
    """
    given = {"names": names, "anchors": anchors, "strides": strides}
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    try:
        name = _from_json(metadata, "task") if "task" in metadata else "detect"
        task = find_task(name, {*metadata, *values})
        missing = [key for key in task.needs if key not in values and key not in metadata]
        if missing:
            also = set(missing) <= set(given)
            raise ModelError(
                f"{path} lacks the metadata {', '.join(missing)}; {_CONVERT}"
                + (", or give Detector the arguments names, anchors and strides" if also else "")
            )
        for key in (*task.needs, *task.optional, *_COMMON):
            if key not in values and key in metadata:
                values[key] = _from_json(metadata, key)
        return _check_info(task(values), {**_COMMON, **values}, metadata.get("producer", ""))
    except _JsonError as error:
        raise ModelError(f"{path} has damaged metadata: {error}") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{path} has unusable metadata: {error}") from error


class _JsonError(ValueError):
    """A value of the metadata is not JSON."""


def _from_json(metadata: dict[str, str], key: str) -> Any:
    try:
        return json.loads(metadata[key])
    except (ValueError, RecursionError) as error:
        raise _JsonError(f"{key} is not JSON") from error


def _check_info(head: Task, values: dict[str, Any], producer: str) -> ModelInfo:
    """Check what every file has. Raises ValueError or TypeError for what is not right."""
    coarsest = max(head.strides, default=1)
    multiple = values["size_multiple"]
    multiple = coarsest if multiple is None else whole(multiple, "size_multiple")
    if multiple % coarsest:
        raise ValueError(f"size_multiple {multiple} is not divisible by the stride {coarsest}")
    if len(items(values["imgsz"], "imgsz")) != 2:
        raise ValueError("imgsz must be a height and a width")
    height, width = (whole(side, "imgsz") for side in values["imgsz"])
    if height % multiple or width % multiple:
        raise ValueError(f"imgsz {height} × {width} is not divisible by {multiple}, as the network needs it")
    if not isinstance(values["dynamic"], bool):
        raise ValueError("dynamic must be true or false")
    fold, finest = whole(values["fold"], "fold"), min(head.strides, default=multiple)
    if finest % fold:
        raise ValueError(f"fold {fold} does not divide the stride {finest}")
    if not isinstance(values["source"], dict | None):
        raise ValueError("source must be an object")
    return ModelInfo(head, (height, width), multiple, values["dynamic"], fold, values["source"], producer)


def input_size(imgsz: int | Sequence[int] | None, info: ModelInfo, free: bool) -> tuple[int, int]:
    """Choose the input's size (h, w): the model's own, or `imgsz`, a side or (h, w), rounded up to what fits.

    free: whether the model takes another size than its own. Raises InputError for a size that it can't have.
    """
    if imgsz is None:
        return info.imgsz
    try:
        sides = [operator.index(side) for side in (imgsz if isinstance(imgsz, Sequence) else [imgsz])]
    except TypeError:
        sides = []
    if len(sides) == 1:
        sides *= 2
    if len(sides) != 2 or not all(0 < side <= MAX_SIDE for side in sides):
        raise InputError(f"imgsz must be one or two whole numbers from 1 to {MAX_SIDE}, not {imgsz!r}")
    height, width = round_up((sides[0], sides[1]), info.size_multiple)
    if (height, width) != info.imgsz and not free:
        raise InputError(
            f"this model takes {info.imgsz[0]} × {info.imgsz[1]} only, not {height} × {width}; convert its "
            f"checkpoint with --imgsz {height} {width}, or with --focus conv for a free size"
        )
    return height, width


class _WireError(ValueError):
    """The bytes aren't a protobuf message, or not the one that was expected."""


class _Field(NamedTuple):
    number: int
    wire_type: int
    tag: int  # position of the field's first byte
    start: int  # of its value
    end: int


def _walk_model(buffer: memoryview) -> dict[str, str]:
    """Collect a ModelProto's metadata, and free its Swish nodes from their domain."""
    metadata: dict[str, str] = {}
    producer = {_MODEL_PRODUCER_NAME: "", _MODEL_PRODUCER_VERSION: ""}
    graphs = 0
    for field in _fields(buffer, 0, len(buffer)):
        if field.wire_type != _BYTES:
            continue
        if field.number == _MODEL_METADATA:
            entry = {part.number: part for part in _fields(buffer, field.start, field.end)}
            if entry.keys() >= {_ENTRY_KEY, _ENTRY_VALUE}:
                metadata[_text(buffer, entry[_ENTRY_KEY])] = _text(buffer, entry[_ENTRY_VALUE])
        elif field.number in producer:
            producer[field.number] = _text(buffer, field)
        elif field.number == _MODEL_GRAPH:
            graphs += 1
            for part in _fields(buffer, field.start, field.end):
                if part.number == _GRAPH_NODE and part.wire_type == _BYTES:
                    _free_swish(buffer, part)
    if not graphs:
        raise _WireError("it holds no graph")
    metadata.setdefault("producer", " ".join(filter(None, producer.values())))
    return metadata


def _free_swish(buffer: memoryview, node: _Field) -> None:
    """Hide the domain of a Swish node from OpenCV.

    SiLU is written as a function `Swish` of the model's own domain. OpenCV looks for a layer called
    `domain.Swish`, finds none, and would refuse the file, although it has a layer `Swish`, faster than a
    Sigmoid and a Mul. Under another field number of the same length the domain is skipped as unknown.
    """
    parts = {part.number: part for part in _fields(buffer, node.start, node.end)}
    op_type, domain = parts.get(_NODE_OP_TYPE), parts.get(_NODE_DOMAIN)
    if domain and op_type and buffer[op_type.start : op_type.end] == b"Swish":
        buffer[domain.tag] = 15 << 3 | _BYTES


def _fields(buffer: memoryview, position: int, end: int) -> Iterator[_Field]:
    """Walk the fields of the message that lies from `position` to `end`. Raises _WireError."""
    while position < end:
        tag_position = position
        tag, position = _varint(buffer, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise _WireError(f"a field number is 0 at byte {tag_position}")
        if wire_type == _VARINT:
            start = position
            _, position = _varint(buffer, position, end)
        elif wire_type == _BYTES:
            length, start = _varint(buffer, position, end)
            position = start + length
        elif wire_type in (_FIXED32, _FIXED64):
            start = position
            position += 4 if wire_type == _FIXED32 else 8
        else:
            raise _WireError(f"the wire type {wire_type} at byte {tag_position} is unknown")
        if position > end:
            raise _WireError(f"it ends in the midst of the field at byte {tag_position}")
        yield _Field(number, wire_type, tag_position, start, position)


def _varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    """Read a number of seven bits per byte, lowest first. Returns it and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise _WireError(f"it ends in the midst of a number at byte {position}")
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise _WireError(f"a number is longer than ten bytes at byte {position}")


def _text(buffer: memoryview, field: _Field) -> str:
    if field.wire_type != _BYTES:
        raise _WireError(f"there is no text at byte {field.tag}")
    return bytes(buffer[field.start : field.end]).decode("utf-8", errors="replace")
