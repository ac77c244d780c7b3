"""Reading the model file: the network's bytes for OpenCV, and its metadata.

The file is ONNX, that is a protobuf message. The fields that matter are walked by hand (`protobuf`); the
`onnx` package isn't needed on the device. What the walk promises stands in `graph`.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..escape import escape
from ..program import how_to_convert
from ..stages.letterbox import MAX_SIDE
from .foreign import ExportError, own_metadata
from .graph import HIDDEN, Graph, check_function, read_graph
from .input_scale import input_scale
from .protobuf import BYTES, MAX_NAME, Fields, Kind, Reader, Span, WireError
from .shape_inference.context import Shape
from .shape_inference.infer import check_size
from .tensors import ExternalDataError, GraphError

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

_MODEL = Fields(
    {
        2: Kind("producer_name", "span"),
        3: Kind("producer_version", "span"),
        7: Kind("graph", "span"),
        14: Kind("metadata_props", "span", many=True),
        20: Kind("training_info", "span", many=True),
        25: Kind("functions", "span", many=True),
    }
)
_ENTRY = Fields({1: Kind("key", "span"), 2: Kind("value", "span")})


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model file that was read and checked, once; `Detector` and `Classifier` take it in place of a path.

    >>> file = read_model("yolov5n.onnx")
    >>> detectors = [Detector(file) for _ in range(4)]

    path: where it was read; it is not read again.
    buffer: its bytes, uint8 (n,), in the form for `cv2.dnn.readNetFromONNX`. They differ from the file's in
        one respect: `Swish` nodes lose their domain, so that OpenCV takes them for its own layer of that
        name. Several threads may read it; nobody writes to it.
    metadata: the texts of its metadata_props; among them, as `producer`, the program that wrote it.
    """

    path: Path
    buffer: np.ndarray
    metadata: dict[str, str]
    _graph: Graph
    _outputs: dict[Shape, list[Shape]]  # by the input's shape, of those that were checked

    def check_input(self, shape: Shape) -> list[Shape]:
        """Check that the network may run on an input of this shape, (N, C, H, W).

        Returns the shapes of the outputs. Raises ModelError if the values in between would take too much
        memory or time, or do not fit one another.
        """
        if shape not in self._outputs:
            try:
                self._outputs[shape] = check_size(self._graph, shape)
            except GraphError as error:
                raise ModelError(f"{self.path} is refused: {error}") from error
        return self._outputs[shape]


def read_model(path: str | Path) -> ModelFile:
    """Read an ONNX file and check all that `graph` promises of it.

    Raises ModelError if there is no such file or it isn't an ONNX model.
    """
    path = Path(path)
    if not path.exists():
        if path.suffix in CHECKPOINT_SUFFIXES:
            raise ModelError(f"there is no file {path}")
        beside = next(filter(Path.is_file, map(path.with_suffix, CHECKPOINT_SUFFIXES)), None)
        raise ModelError(f"there is no model file {path}; {how_to_convert(beside, path)}")
    if path.suffix.lower() in OTHERS:
        raise ModelError(f"{path} is {OTHERS[path.suffix.lower()]}, not an ONNX model; {how_to_convert()}")
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
        raise ModelError(f"{path} is a PyTorch checkpoint, not an ONNX model; {how_to_convert(path)}")
    try:
        metadata, graph, outputs = _walk_model(buffer.data)
    except WireError as error:
        if path.suffix in CHECKPOINT_SUFFIXES:
            raise ModelError(f"{path} is not an ONNX model; {how_to_convert(path)}") from error
        raise ModelError(f"{path} is not an ONNX model, or a damaged one: {error}") from error
    except ExternalDataError as error:
        raise ModelError(f"{path} is refused: {error}; make it one file with: {_one_file(path)}") from error
    except GraphError as error:
        raise ModelError(f"{path} is refused: {error}") from error
    except ExportError as error:
        raise ModelError(f"{path} {error}; {how_to_convert()}") from error
    return ModelFile(path, buffer, metadata, graph, outputs)


def _one_file(path: Path) -> str:
    """Give the command that makes a model, and the files beside it that hold its weights, one file."""
    files = f"{shlex.quote(str(path))} {shlex.quote(str(path.with_name(path.stem + '-one-file.onnx')))}"
    return f"python -c 'import onnx, sys; onnx.save(onnx.load(sys.argv[1]), sys.argv[2])' {files}"


def _walk_model(buffer: memoryview) -> tuple[dict[str, str], Graph, dict[Shape, list[Shape]]]:
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
                raise GraphError(f"it has the metadata '{escape(key, 80)}' twice")
            metadata[key] = reader.text(entry["value"], MAX_TEXT)
    producer = [
        reader.text(parts[key], MAX_NAME) for key in ("producer_name", "producer_version") if parts[key]
    ]
    metadata.setdefault("producer", " ".join(filter(None, producer)))

    for place in parts["functions"]:
        check_function(reader, place)
    graph = read_graph(reader, parts["graph"])
    outputs = {shape: check_size(graph, shape) for shape in sorted(_input_shapes(graph, metadata))}
    shape, found = next(reversed(outputs.items()))
    for place in graph.domains:
        buffer[place.tag] = HIDDEN << 3 | BYTES
    if graph.input_dims[3] in (1, 3) and graph.input_dims[1] not in (1, 3):
        raise ExportError(
            "takes its channels last, (N, H, W, C), as TensorFlow does; export it with channels first"
        )
    free = None in graph.input_dims[2:]
    told = own_metadata(metadata, (shape[2], shape[3]), free, found, input_scale(graph))
    channels = _channels(graph.input_dims[1], told)
    if channels is not None:
        told["channels"] = channels
    return told, graph, outputs


def _channels(stated: int | None, metadata: dict[str, str]) -> str | None:
    """Give the image's channels for a file that does not say them, if they are not the usual 3.

    stated: those of the graph's input. Raises GraphError if the metadata says another number.
    """
    try:
        fold = int(json.loads(metadata.get("fold", "1")))
        told = int(json.loads(metadata.get("channels", "3")))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None  # read_info says what is wrong
    if stated is None or fold < 1 or stated == told * fold**2:
        return None
    if "channels" in metadata:
        raise GraphError(f"its metadata says {told} channels, and its network's input has {stated}")
    return str(stated) if fold == 1 else None


def _input_shapes(graph: Graph, metadata: dict[str, str]) -> set[Shape]:
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
