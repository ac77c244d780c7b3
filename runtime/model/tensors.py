"""The tensors of a model file's graph: their types, their shapes, and that their numbers are all there.

Point 3 and 4 of what `graph` promises. Weights are looked at where they lie, and not copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..escape import escape
from .protobuf import Fields, Kind, Reader, Span

MAX_DIMENSIONS = 8
MAX_VALUES = 4096  # of a list among the attributes, and of a tensor that is not weights

_INPUT = Fields({1: Kind("name", "name"), 2: Kind("type", "span")})
_TYPE = Fields({1: Kind("tensor_type", "span")})
_TENSOR_TYPE = Fields({1: Kind("elem_type", "int"), 2: Kind("shape", "span")})
_SHAPE = Fields({1: Kind("dim", "span", many=True)})
_DIM = Fields({1: Kind("dim_value", "int"), 2: Kind("dim_param", "name")})
_TENSOR = Fields(
    {
        1: Kind("dims", "int", many=True),
        2: Kind("data_type", "int"),
        3: Kind("segment", "span"),
        4: Kind("float_data", "span"),
        5: Kind("int32_data", "span"),
        6: Kind("string_data", "span", many=True),
        7: Kind("int64_data", "span"),
        8: Kind("name", "name"),
        9: Kind("raw_data", "span"),
        10: Kind("double_data", "span"),
        11: Kind("uint64_data", "span"),
        13: Kind("external_data", "span", many=True),
        14: Kind("data_location", "int"),
    }
)

# By data_type: name, how raw_data holds it, and the other field that may hold it.
_TYPES: dict[int, tuple[str, str, str]] = {
    1: ("float32", "<f4", "float_data"),
    2: ("uint8", "u1", "int32_data"),
    3: ("int8", "i1", "int32_data"),
    6: ("int32", "<i4", "int32_data"),
    7: ("int64", "<i8", "int64_data"),
    9: ("bool", "u1", "int32_data"),
    10: ("float16", "<f2", ""),
    11: ("float64", "<f8", "double_data"),
}
_PAYLOADS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data")
_BLOCK = 1 << 16  # numbers looked at in one go: they fit a processor's cache


class GraphError(ValueError):
    """The graph is one that no converter writes; the text says what is wrong with it."""


class ExternalDataError(GraphError):
    """A tensor keeps its numbers in another file."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers that stand in the file.

    dims: their shape. values: the numbers, flat; empty if there are more than MAX_VALUES: weights.
    """

    dims: tuple[int, ...]
    values: np.ndarray


def stated_value(reader: Reader, span: Span) -> tuple[bytes, tuple[int | None, ...]]:
    """Give name and shape of one of the graph's inputs or outputs, a ValueInfoProto; None is a free side.

    Raises GraphError or WireError.
    """
    name, elem_type, dims = _stated(reader, span)
    if len(dims) > MAX_DIMENSIONS or elem_type not in _TYPES:
        raise GraphError(f"its value {show(name)} has {len(dims)} dimensions of the type {elem_type}")
    shape = tuple(reader.message(dim, _DIM)["dim_value"] for dim in dims)
    if any(side is not None and not 0 <= side < 1 << 31 for side in shape):
        raise GraphError(f"its value {show(name)} has a dimension below 0 or too large")
    return name, tuple(side or None for side in shape)


def side_places(reader: Reader, span: Span) -> list[Span]:
    """Where the sides of the shape stand that the file states of a value. Raises GraphError or WireError."""
    return _stated(reader, span)[2]


def _stated(reader: Reader, span: Span) -> tuple[bytes, int, list[Span]]:
    """The name of a value, the type of its numbers, and where the sides of its shape stand."""
    parts = reader.message(span, _INPUT)
    name = parts["name"] or b""
    tensor = reader.message(parts["type"], _TYPE)["tensor_type"] if parts["type"] else None
    if tensor is None:
        raise GraphError(f"its value {show(name)} is not a tensor")
    stated = reader.message(tensor, _TENSOR_TYPE)
    dims = reader.message(stated["shape"], _SHAPE)["dim"] if stated["shape"] else []
    return name, stated["elem_type"] or 0, dims


def read_tensor(reader: Reader, span: Span) -> tuple[bytes, Tensor]:
    """Read the TensorProto that lies there: its name, and its numbers. Raises GraphError or WireError."""
    parts = reader.message(span, _TENSOR)
    name = parts["name"] or b""
    if parts["external_data"] or parts["data_location"]:
        raise ExternalDataError(f"the tensor {show(name)} keeps its numbers in another file")
    kind = _TYPES.get(parts["data_type"] or 0)
    if kind is None or parts["segment"] or parts["string_data"] or parts["uint64_data"]:
        raise _unusable(name, f"is of the type {parts['data_type'] or 0}, which no network needs")
    type_name, dtype, other = kind
    dims = tuple(parts["dims"])
    if len(dims) > MAX_DIMENSIONS or not all(0 <= side < 1 << 31 for side in dims):
        raise _unusable(name, "has unusable dimensions")
    count = math.prod(dims)
    payloads = [label for label in _PAYLOADS if parts[label] is not None]
    if not payloads and not count:
        return name, Tensor(dims, np.empty(0, dtype))
    if len(payloads) != 1 or payloads[0] not in ("raw_data", other):
        raise _unusable(name, f"does not keep its numbers where the type {type_name} has them")
    place = parts[payloads[0]]
    payload = reader.buffer[place.start : place.end]
    if payloads[0] in ("int32_data", "int64_data"):
        found = int(np.count_nonzero(np.frombuffer(payload, np.uint8) < 0x80))  # each varint ends with one
        complete = not len(payload) or payload[-1] < 0x80
    else:
        found, rest = divmod(len(payload), np.dtype(dtype).itemsize)
        complete = not rest
    if found != count or not complete:
        reason = f"has {len(payload)} bytes, not the {count} numbers of type {type_name} that it states"
        raise _unusable(name, reason)
    if payloads[0] in ("int32_data", "int64_data"):
        few = reader.integers(place) if count <= MAX_VALUES else []
        return name, Tensor(dims, np.array(few, np.int64))
    numbers = np.frombuffer(payload, dtype)
    if numbers.dtype.kind == "f":
        for start in range(0, count, _BLOCK):
            if not np.isfinite(numbers[start : start + _BLOCK]).all():
                raise _unusable(name, "holds numbers that are not finite")
    return name, Tensor(dims, numbers if count <= MAX_VALUES else numbers[:0])


def _unusable(name: bytes, reason: str) -> GraphError:
    return GraphError(f"the tensor {show(name)} {reason}")


def show(name: bytes) -> str:
    """A name within a message."""
    return f"'{escape(name.decode('utf-8', 'replace'), 80)}'"
