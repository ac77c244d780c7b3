"""A model file's bytes as other readers of ONNX than OpenCV's importer want them. No byte moves."""

from __future__ import annotations

import numpy as np

from .graph import hidden_domains
from .protobuf import BYTES, VARINT, Fields, Kind, Reader, Span
from .tensors import side_places

_MODEL = Fields({7: Kind("graph", "span"), 8: Kind("opset_import", "span", many=True)})
_OPSET = Fields({1: Kind("domain", "name"), 2: Kind("version", "int")})
_VALUES = Fields(
    {
        11: Kind("input", "span", many=True),
        12: Kind("output", "span", many=True),
        13: Kind("value_info", "span", many=True),
    }
)
_DOMAIN_TAG = 7 << 3 | BYTES
_VALUE_INFO_TAG, _NOBODYS_TAG = 13 << 3 | BYTES, 9 << 3 | BYTES  # of a GraphProto
_DIM_VALUE_TAG, _DIM_PARAM_TAG = 1 << 3 | VARINT, 2 << 3 | BYTES
_NAMES = range(ord("a"), ord("z") + 1)
SIDES = ("a", "b")  # what `for_onnxruntime` calls the height and the width of the input


def as_in_the_file(buffer: np.ndarray) -> np.ndarray:
    """The bytes as they stand in the file: `Swish` nodes have their domain again.

    buffer: uint8 (n,) from `read_model`, and left as it is. Returns as many bytes.
    """
    reader = Reader(buffer.data)
    whole = buffer.copy()
    for place in hidden_domains(reader, _graph(reader)):
        whole[place.tag] = _DOMAIN_TAG
    return whole


def for_onnxruntime(buffer: np.ndarray, dynamic: bool) -> np.ndarray:
    """The bytes for onnxruntime, which takes no other input size than the file states; OpenCV takes any.

    buffer: uint8 (n,) from `read_model`, and left as it is. dynamic: whether the network may run at other
    sizes; then the sides of the input and of the outputs become names, and the shapes of values in between
    are hidden. Returns as many bytes.
    """
    whole = as_in_the_file(buffer)
    if not dynamic:
        return whole
    reader = Reader(whole.data)
    values = reader.message(_graph(reader), _VALUES)
    for place in values["value_info"]:
        if whole[place.tag] == _VALUE_INFO_TAG:
            whole[place.tag] = _NOBODYS_TAG
    sides = side_places(reader, values["input"][0])[2:]
    for place in values["output"]:
        sides += side_places(reader, place)[1:]
    for name, (_, start, end) in zip(_NAMES, sides, strict=False):
        if end - start in (2, 3) and whole[start] == _DIM_VALUE_TAG:  # a number of one or two bytes
            whole[start:end] = [_DIM_PARAM_TAG, end - start - 2, name][: end - start]
    return whole


def opset_of(buffer: np.ndarray) -> int:
    """Give the version of ONNX's own operators that the file is written in; 0 if it says none.

    buffer: uint8 (n,) from `read_model`.
    """
    reader = Reader(buffer.data)
    imports = reader.message(Span(0, 0, len(buffer)), _MODEL)["opset_import"]
    opsets = [reader.message(place, _OPSET) for place in imports]
    return next((each["version"] or 0 for each in opsets if each["domain"] in (None, b"", b"ai.onnx")), 0)


def _graph(reader: Reader) -> Span:
    """Where the graph of a model that was checked lies."""
    graph = reader.message(Span(0, 0, len(reader.buffer)), _MODEL)["graph"]
    assert isinstance(graph, Span)
    return graph
