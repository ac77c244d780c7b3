"""Reading the model file: the network's bytes for OpenCV, and what the file says about itself.

The file is ONNX, that is a protobuf message. The fields that matter are walked by hand (`protobuf`); the
`onnx` package isn't needed on the device. What the walk promises stands in `model_graph`.
"""

from __future__ import annotations

import json
import operator
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError, ModelError
from .exports import ExportError, own_metadata
from .form import form
from .letterbox import MAX_SIDE, round_up
from .model_graph import Graph, check_function, read_graph
from .model_shapes import check_size
from .model_tensors import GraphError
from .protobuf import BYTES, MAX_NAME, Kind, Reader, Span, WireError
from .tasks import Task, find_task
from .tasks.metadata import items, whole
from .visible import visible

MAX_BYTES = 2**31 - 1  # protobuf's own limit

CHECKPOINT_SUFFIXES = (".pt", ".pth")
OTHERS = {  # of the formats that export.py writes beside ONNX
    ".engine": "a TensorRT engine",
    ".tflite": "a TensorFlow Lite model",
    ".torchscript": "a TorchScript program",
    ".mlmodel": "a Core ML model",
    ".mlpackage": "a Core ML model",
    ".pb": "a TensorFlow graph",
}

MAX_METADATA = 100
MAX_TEXT = 1 << 20  # bytes of one text of metadata

_MODEL = {
    2: Kind("producer_name", "span"),
    3: Kind("producer_version", "span"),
    7: Kind("graph", "span"),
    14: Kind("metadata_props", "span", many=True),
    20: Kind("training_info", "span", many=True),
    25: Kind("functions", "span", many=True),
}
_ENTRY = {1: Kind("key", "span"), 2: Kind("value", "span")}

# What every file may say, and what counts where it does not.
_COMMON: dict[str, Any] = {
    "imgsz": [640, 640],
    "size_multiple": None,  # the largest stride
    "dynamic": False,
    "fold": 1,
    "source": None,
}


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
        if path.suffix in CHECKPOINT_SUFFIXES:
            raise ModelError(f"there is no file {path}")
        beside = next(filter(Path.is_file, map(path.with_suffix, CHECKPOINT_SUFFIXES)), None)
        raise ModelError(f"there is no model file {path}; {_convert(beside, path)}")
    if path.suffix.lower() in OTHERS:
        raise ModelError(f"{path} is {OTHERS[path.suffix.lower()]}, not an ONNX model; {_convert()}")
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
        raise ModelError(f"{path} is a PyTorch checkpoint, not an ONNX model; {_convert(path)}")
    try:
        metadata = _walk_model(buffer.data)
    except WireError as error:
        raise ModelError(f"{path} is not an ONNX model, or a damaged one: {error}") from error
    except GraphError as error:
        raise ModelError(f"{path} is refused: {error}") from error
    except ExportError as error:
        raise ModelError(f"{path} {error}; {_convert()}") from error
    return buffer, metadata


def wrong_user(path: Path, what: str, info: ModelInfo) -> ModelError:
    """Make the error for a model of another kind: "it is `what`", and who runs it."""
    kind, command = info.head.user
    return ModelError(f"{path} is {what}; it is for {kind}, or `{form(command)}`")


def _convert(checkpoint: Path | None = None, output: Path | None = None) -> str:
    """Say how a model file is made."""
    command = f"{form('convert')} {shlex.quote(str(checkpoint)) if checkpoint else 'CHECKPOINT.pt'}"
    whose = "convert it with" if checkpoint else "convert its checkpoint with"
    return f"{whose}: {command}" + (f" --output {shlex.quote(str(output))}" if output else "")


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
                f"{path} lacks the metadata {', '.join(missing)}; {_convert()}"
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


def check_input(buffer: np.ndarray, info: ModelInfo, imgsz: tuple[int, int], path: str | Path) -> None:
    """Check that a network may run at `imgsz`, (h, w), in place of the size that its file states.

    buffer: from `read_model`, which has checked the file's own size. Raises ModelError if the values would
    take too much memory or time, or do not fit one another.
    """
    if imgsz[0] <= info.imgsz[0] and imgsz[1] <= info.imgsz[1]:
        return
    reader = Reader(buffer.data)
    parts = reader.message(Span(0, 0, len(buffer)), _MODEL)
    shape = (1, 3 * info.fold**2, imgsz[0] // info.fold, imgsz[1] // info.fold)
    try:
        check_size(read_graph(reader, parts["graph"]), shape)
    except GraphError as error:
        raise ModelError(f"{path} is refused: {error}") from error


def _walk_model(buffer: memoryview) -> dict[str, str]:
    """Collect a ModelProto's metadata, check its graph, and free its Swish nodes from their domain.

    SiLU is written as a function `Swish` of the model's own domain. OpenCV looks for a layer called
    `domain.Swish`, finds none, and would refuse the file, although it has a layer `Swish`, faster than a
    Sigmoid and a Mul. Under another field number of the same length the domain is skipped as unknown.
    """
    reader = Reader(buffer)
    parts = reader.message(Span(0, 0, len(buffer)), _MODEL)
    if parts["graph"] is None:
        raise WireError("it holds no graph")
    if parts["training_info"]:
        raise GraphError("it has a part for training")
    if len(parts["metadata_props"]) > MAX_METADATA:
        raise GraphError(f"it has more than {MAX_METADATA} texts of metadata")
    metadata: dict[str, str] = {}
    for place in parts["metadata_props"]:
        entry = reader.message(place, _ENTRY)
        if entry["key"] is not None and entry["value"] is not None:
            key = reader.text(entry["key"], MAX_NAME)
            if key in metadata:
                raise GraphError(f"it has the metadata '{visible(key, 80)}' twice")
            metadata[key] = reader.text(entry["value"], MAX_TEXT)
    producer = [
        reader.text(parts[key], MAX_NAME) for key in ("producer_name", "producer_version") if parts[key]
    ]
    metadata.setdefault("producer", " ".join(filter(None, producer)))

    for place in parts["functions"]:
        check_function(reader, place)
    graph = read_graph(reader, parts["graph"])
    for shape in sorted(_input_shapes(graph, metadata)):
        outputs = check_size(graph, shape)
    for place in graph.domains:
        buffer[place.tag] = 15 << 3 | BYTES
    return own_metadata(metadata, (shape[2], shape[3]), None in graph.input_dims[2:], outputs)


def _input_shapes(graph: Graph, metadata: dict[str, str]) -> set[tuple[int, ...]]:
    """The shape of the input that the graph states, and the one that the metadata states, if it is usable."""
    batch, channels, height, width = graph.input_dims
    stated = (batch or 1, channels or 3, height or 640, width or 640)
    try:
        fold = int(json.loads(metadata.get("fold", "1")))
        height, width = (int(side) // fold for side in json.loads(metadata["imgsz"]))
    except (KeyError, ValueError, TypeError, OverflowError, ZeroDivisionError, RecursionError):
        return {stated}
    usable = 0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE  # of other ones read_info says what is wrong
    return {stated, (1, stated[1], height, width)} if usable else {stated}
