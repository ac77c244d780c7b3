"""Reading the model file: the network's bytes for OpenCV, and what the file says about itself.

The file is ONNX, that is a protobuf message. The fields that matter are walked by hand (`protobuf`); the
`onnx` package isn't needed on the device. What the walk promises stands in `model_graph`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ModelError
from .model_graph import MAX_SIDE, Graph, GraphError, check_function, read_graph
from .model_shapes import check_size
from .protobuf import BYTES, MAX_NAME, Kind, Reader, Span, WireError
from .visible import visible

MAX_BYTES = 2**31 - 1  # protobuf's own limit

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

_CONVERT = "convert its checkpoint with: python -m convert CHECKPOINT.pt"


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """What a model file says about its network.

    names: of the classes, by class id.
    strides: by output, in pixels.
    anchors: by output, float32 (anchors, 2), widths and heights in pixels of the network's input.
    imgsz: (height, width) the network was converted for.
    task: "detect".
    dynamic: whether the input may have another size, divisible by the largest stride.
    fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them.
    source: file name and SHA-256 of the checkpoint, if known.
    producer: the program that wrote the file, and its version.
    """

    names: tuple[str, ...]
    strides: tuple[int, ...]
    anchors: tuple[np.ndarray, ...]
    imgsz: tuple[int, int]
    task: str = "detect"
    dynamic: bool = False
    fold: int = 1
    source: dict[str, str] | None = None
    producer: str = ""


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
    except WireError as error:
        raise ModelError(f"{path} is not an ONNX model, or a damaged one: {error}") from error
    except GraphError as error:
        raise ModelError(f"{path} is refused: {error}") from error
    return buffer, metadata


def check_input(buffer: np.ndarray, shape: tuple[int, ...], path: str | Path) -> None:
    """Check that a network may run at an input of this shape, (N, C, H, W), which its file doesn't state.

    buffer: from `read_model`, which has checked the file's own size. Raises ModelError if its values would
    take too much memory or time, or do not fit one another.
    """
    reader = Reader(buffer.data)
    parts = reader.message(Span(0, 0, len(buffer)), _MODEL)
    try:
        check_size(read_graph(reader, parts["graph"]), shape)
    except GraphError as error:
        raise ModelError(f"{path} is refused: {error}") from error


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
    missing = [key for key in given if key not in values and key not in metadata]
    if missing:
        raise ModelError(
            f"{path} lacks the metadata {', '.join(missing)}; {_CONVERT}, "
            "or give Detector the arguments names, anchors and strides"
        )
    for key in ("names", "anchors", "strides", "imgsz", "task", "dynamic", "fold", "source"):
        if key not in values and key in metadata:
            try:
                values[key] = json.loads(metadata[key])
            except (ValueError, RecursionError) as error:
                raise ModelError(f"{path} has damaged metadata: {key} is not JSON") from error
    values = {"imgsz": [640, 640], "task": "detect", "dynamic": False, "fold": 1, "source": None, **values}
    try:
        return _check_info(values, metadata.get("producer", ""))
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(f"{path} has unusable metadata: {error}") from error


def _check_info(values: dict[str, Any], producer: str) -> ModelInfo:
    """Turn plain values into a ModelInfo. Raises ValueError or TypeError for what is not right."""
    for key in ("names", "strides", "anchors", "imgsz"):
        if not isinstance(values[key], Sequence | np.ndarray) or isinstance(values[key], str):
            raise ValueError(f"{key} must be a list")
    names = values["names"]
    if not len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list of strings")

    strides = [_whole(stride, "strides", MAX_SIDE) for stride in values["strides"]]
    with np.errstate(over="ignore"):  # too large is infinite, and refused below
        anchors = [np.asarray(pairs, np.float32) for pairs in values["anchors"]]
    if not strides or len(strides) != len(anchors):
        raise ValueError(f"there are {len(strides)} strides for {len(anchors)} outputs with anchors")
    for pairs in anchors:
        if pairs.size == 0 or pairs.size % 2 or not (np.isfinite(pairs) & (pairs >= 0)).all():
            raise ValueError("anchors must be, for each output, pairs of numbers, none below 0")

    if len(values["imgsz"]) != 2:
        raise ValueError("imgsz must be a height and a width")
    height, width = (_whole(side, "imgsz", MAX_SIDE) for side in values["imgsz"])
    if height % max(strides) or width % max(strides):
        raise ValueError(f"imgsz {height} × {width} is not divisible by the stride {max(strides)}")
    if values["task"] != "detect":
        raise ValueError(f"the task is '{visible(str(values['task']), 40)}', and only 'detect' is supported")
    if not isinstance(values["dynamic"], bool):
        raise ValueError("dynamic must be true or false")
    fold = _whole(values["fold"], "fold", MAX_SIDE)
    if min(strides) % fold:
        raise ValueError(f"fold {fold} does not divide the stride {min(strides)}")
    if not isinstance(values["source"], dict | None):
        raise ValueError("source must be an object")
    return ModelInfo(
        names=tuple(names),
        strides=tuple(strides),
        anchors=tuple(pairs.reshape(-1, 2) for pairs in anchors),
        imgsz=(height, width),
        task=values["task"],
        dynamic=values["dynamic"],
        fold=fold,
        source=values["source"],
        producer=producer,
    )


def _whole(value: Any, name: str, most: int) -> int:
    if isinstance(value, bool | str) or int(value) != value or not 0 < value <= most:
        raise ValueError(f"{name} must be whole numbers from 1 to {most}, not {value!r}")
    return int(value)


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
        check_size(graph, shape)
    for place in graph.domains:
        buffer[place.tag] = 15 << 3 | BYTES
    return metadata


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
