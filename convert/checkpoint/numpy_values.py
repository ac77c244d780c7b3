"""NumPy's values in a pickle, as plain Python ones: class names come as its strings, counts as its numbers.

Only what a pickle states outright is read: numbers, truth values and texts. Everything else is left empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_VALUES = 100_000  # of one array; those of longer ones are left out, as nothing here needs them

_CODE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[US]\d{1,6})")


class DType:
    """A data type, by the code that NumPy writes, such as "<f8" or "U3"; no more than that text."""

    def __init__(self, code: Any):
        self.code = code if isinstance(code, str) and _CODE.fullmatch(code) else ""

    def values(self, data: Any) -> list[Any] | None:
        """Give the values in these bytes; None for other types, and where the bytes do not fit."""
        if not self.code or not isinstance(data, bytes):
            return None
        dtype = np.dtype(self.code)
        if dtype.itemsize == 0 or len(data) % dtype.itemsize or len(data) // dtype.itemsize > MAX_VALUES:
            return None
        return [
            v.decode("latin-1") if isinstance(v, bytes) else v for v in np.frombuffer(data, dtype).tolist()
        ]


class Array(list[Any]):
    """An array: its values in memory order. Empty until its state comes, and for types that are not read."""


def build_dtype(dtype: DType, state: Any) -> None:
    """Give a type its byte order, the second value of its state."""
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else ""
    if dtype.code and order in ("<", ">", "|", "="):
        dtype.code = order + dtype.code.lstrip("<>=|")


def build_array(array: Array, state: Any) -> None:
    """Fill an array with its state: version, shape, type, order, and the bytes or the list of objects."""
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("an array without its state")
    _, shape, dtype, _, data = state
    values = dtype.values(data) if isinstance(dtype, DType) else None
    if isinstance(data, list) and len(data) <= MAX_VALUES:  # an array of objects, such as texts
        values = data
    if values is not None and isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape):
        array[:] = values if math.prod(shape) == len(values) else []


def _scalar(dtype: Any = None, data: Any = None, *_: Any) -> Any:
    values = dtype.values(data) if isinstance(dtype, DType) else None
    return values[0] if values is not None and len(values) == 1 else None


def _frombuffer(data: Any = None, dtype: Any = None, shape: Any = None, *_: Any) -> Array:
    array = Array()
    build_array(array, (1, shape, dtype, False, bytes(data) if isinstance(data, bytes | bytearray) else data))
    return array


def _encode(text: Any = "", encoding: Any = "", *_: Any) -> bytes:
    """Give the bytes that protocol 2 writes as a text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("an encoding of something else than bytes")
    return text.encode("latin-1")


CALLS: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encode,
    "numpy.dtype": lambda code="", *_: DType(code),
    "numpy.ndarray": lambda *_: Array(),
}
for _core in ("core", "_core"):
    CALLS[f"numpy.{_core}.multiarray._reconstruct"] = lambda *_: Array()
    CALLS[f"numpy.{_core}.multiarray.scalar"] = _scalar
    CALLS[f"numpy.{_core}.numeric._frombuffer"] = _frombuffer
