"""Tensors of the Open Inference Protocol: pictures that come in, arrays that go out.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and Triton's extension for
binary data: numbers little-endian in row order, each element of BYTES after its length as four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import bad_request, quoted
from .json_text import read_base64
from .request import check_count

# Triton fixes the type of an input by its name, so there, pixels have another name; here, either takes both.
INPUTS = ("image", "pixels")
MAX_AXIS = 1 << 31


def read_shape(shape: Any) -> tuple[int, ...]:
    """Check a tensor's shape. Raises RequestError 400."""
    if not isinstance(shape, list) or not 1 <= len(shape) <= 8:
        raise bad_request("a tensor's shape must be a list of 1 to 8 whole numbers")
    for axis in shape:
        if isinstance(axis, bool) or not isinstance(axis, int) or not 0 <= axis < MAX_AXIS:
            raise bad_request("a tensor's shape must be a list of whole numbers, none below 0")
    return tuple(shape)


def read_binary(datatype: str, shape: tuple[int, ...], data: memoryview) -> list[bytes | np.ndarray]:
    """Read the pictures of a binary tensor.

    BYTES of shape (n,) or (n, 1) are n encoded files; UINT8 of (h, w, 3) is one picture, of (n, h, w, 3) n.
    Raises RequestError 400 if type, shape and size do not go together.
    """
    if datatype == "UINT8":
        return _pixels(np.frombuffer(data, np.uint8), shape)
    count = _files(datatype, shape)
    pictures: list[bytes | np.ndarray] = []
    position = 0
    for _ in range(count):
        if position + 4 > len(data):
            raise bad_request(f"a BYTES tensor ends before its {count} elements")
        (length,) = struct.unpack_from("<I", data, position)
        position += 4
        if position + length > len(data):
            raise bad_request("an element of a BYTES tensor is longer than the tensor")
        pictures.append(bytes(data[position : position + length]))
        position += length
    if position != len(data):
        raise bad_request(f"a BYTES tensor has {len(data) - position} bytes more than its {count} elements")
    return pictures


def read_values(datatype: str, shape: tuple[int, ...], data: Any) -> list[bytes | np.ndarray]:
    """Read the pictures of a tensor that came as JSON: numbers, nested or flat; files as texts in base64.

    Raises RequestError 400 if type, shape and values do not go together.
    """
    if datatype == "UINT8":
        return _pixels(read_pixels(data).reshape(-1), shape)
    count = _files(datatype, shape)
    if not isinstance(data, list):
        raise bad_request("the data of a tensor must be a list")
    texts = [each[0] if isinstance(each, list) and len(each) == 1 else each for each in data]
    if len(texts) != count:
        raise bad_request(f"a BYTES tensor has {len(texts)} elements where its shape asks for {count}")
    return [read_base64(text) for text in texts]


def read_pixels(data: Any) -> np.ndarray:
    """Read nested lists of whole numbers from 0 to 255 as uint8. Raises RequestError 400.

    `read_json` has read long ones already.
    """
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, list) and data and all(isinstance(each, np.ndarray) for each in data):
        raise bad_request("pixels must be lists of equal length")
    try:
        array = np.array(data)
    except (ValueError, OverflowError, RecursionError) as error:
        raise bad_request("pixels must be lists of equal length") from error
    if array.dtype.kind not in "iu" or array.size == 0 or array.min() < 0 or array.max() > 255:
        raise bad_request("pixels must be whole numbers from 0 to 255")
    return array.astype(np.uint8)


def _files(datatype: str, shape: tuple[int, ...]) -> int:
    """Count the encoded files of a BYTES tensor."""
    if datatype != "BYTES":
        raise bad_request(f"an image is BYTES (an encoded file) or UINT8 (pixels), not {quoted(datatype)}")
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise bad_request(f"encoded images have the shape [n] or [n, 1], not {list(shape)}")
    check_count(shape[0])
    return shape[0]


def _pixels(values: np.ndarray, shape: tuple[int, ...]) -> list[bytes | np.ndarray]:
    if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape:
        raise bad_request(f"pixels have the shape [h, w, 3] or [n, h, w, 3], not {list(shape)}")
    size = 1
    for axis in shape:
        size *= axis
    if size != values.size:
        raise bad_request(f"the shape {list(shape)} asks for {size} values, and there are {values.size}")
    pictures = values.reshape(shape if len(shape) == 4 else (1, *shape))
    check_count(len(pictures))
    return list(pictures)


def to_binary(array: np.ndarray) -> bytes:
    """Write an array as a binary tensor; an array of objects holds `bytes`."""
    if array.dtype != object:
        return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(part for value in array.tolist() for part in (struct.pack("<I", len(value)), value))


def only_input(names: Sequence[str]) -> None:
    """Raise RequestError 400 unless these names of inputs are one that is known."""
    if len(names) != 1 or not isinstance(names[0], str) or names[0] not in INPUTS:
        raise bad_request(
            f"a request has one input, image, not {', '.join(map(quoted, names[:5])) or 'none'}"
        )
