"""JSON in and out, in steps so short that other threads, the event loop's first, are never kept waiting.

Python's own reader and writer hold its lock from the first letter to the last: a body of `[],[],[],…` that
fits into some kilobytes of gzip keeps everybody waiting for seconds. So a request is counted before it is
read: apart from pixels, it may hold only so many values. Pixels, long lists of numbers, are taken out
first and read piece by piece into arrays.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from .errors import bad_request

MAX_VALUES = 20_000  # of a request, without pixels
MAX_LISTS_OF_PIXELS = 64
CELL = 256  # bytes; a list of numbers that fills some of them is read as pixels
PIECE = 1 << 16  # bytes of a text that are read at once
NUMBERS = 4096  # that are written at once

_NUMBER_LETTERS = b"0123456789+-.eE \t\r\n"
_IN_LISTS = np.zeros(256, bool)
_IN_LISTS[list(_NUMBER_LETTERS + b"[],")] = True
_STRUCTURE = np.zeros(256, bool)
_STRUCTURE[list(b"[{,:")] = True
_TO_SPACES = bytes.maketrans(b"[]", b"  ")


def read_json(body: bytes | memoryview) -> dict[str, Any]:
    """Read a JSON object; long lists of pixels come as arrays, uint8, of their nested lists' shape.

    A list of arrays is what lists of pictures of different sizes become. Raises RequestError 400.
    """
    text = bytes(body)
    arrays: Iterator[Any] = iter(())
    if _count(text) > MAX_VALUES:
        text, found = _take_out(text)
        if _count(text) > MAX_VALUES:
            raise bad_request(f"the request has more than {MAX_VALUES} values; send pictures as binary data")
        arrays = iter(found)

    def constant(name: str) -> Any:
        for array in arrays:
            return array
        raise ValueError(name)  # JSON knows no NaN and no Infinity

    try:
        value = json.loads(text, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the request is not JSON: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise bad_request("the request must be a JSON object")
    return value


def _count(text: bytes) -> int:
    """Count a text's commas, colons and opening brackets: at least as many as its values."""
    return int(np.count_nonzero(_STRUCTURE[np.frombuffer(text, np.uint8)]))


def _take_out(text: bytes) -> tuple[bytes, list[Any]]:
    """Put a NaN, which JSON does not know, in place of each long list of numbers; gives those lists, read."""
    inside = _IN_LISTS[np.frombuffer(text, np.uint8)]
    whole = inside[: len(text) // CELL * CELL].reshape(-1, CELL).all(1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], whole, [False])).astype(np.int8)))
    if len(edges) > 2 * MAX_LISTS_OF_PIXELS:
        raise bad_request(f"the request has more than {MAX_LISTS_OF_PIXELS} long lists of numbers")
    parts, arrays, done = [], [], 0
    for first, after in edges.reshape(-1, 2) * CELL:
        before, behind = inside[max(first - CELL, done) : first][::-1], inside[after : after + CELL]
        start = first - (int(np.argmin(before)) if not before.all() else len(before))
        end = after + (int(np.argmin(behind)) if not behind.all() else len(behind))
        start, end = _balanced(text, start, end)
        array = _read_lists(text[start:end])
        parts += [text[done:start], b"NaN"]
        arrays.append(array)
        done = end
    return b"".join([*parts, text[done:]]), arrays


def _balanced(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Leave out what is before and after the list that a run of numbers, commas and brackets holds."""
    start = text.find(b"[", start, end)
    if start < 0:
        raise bad_request("the request is not JSON: numbers outside of a list")
    surplus = text.count(b"[", start, end) - text.count(b"]", start, end)
    for _ in range(min(max(surplus, 0), 4)):  # lists that hold other things, too, further on
        start = text.find(b"[", start + 1, end)
    for _ in range(1 + min(max(-surplus, 0), 4)):
        end = max(text.rfind(b"]", start, end), start)
    return start, end + 1


def _read_lists(text: bytes) -> Any:
    """Read nested lists of whole numbers from 0 to 255, up to four deep."""
    numbers = np.concatenate([_read_numbers(piece) for piece in _pieces(text.translate(_TO_SPACES))])
    brackets = text.translate(None, _NUMBER_LETTERS)
    depth = len(brackets) - len(brackets.lstrip(b"["))
    if not 1 <= depth <= 4:
        raise bad_request("pixels are lists of lists of lists of numbers")
    shape = _shape(brackets, depth)
    if shape is not None and np.prod(shape) == len(numbers):
        return numbers.reshape(shape)
    if depth < 4:
        raise bad_request("pixels must be lists of equal length")
    pictures, position = [], 0
    for each in brackets[1:-1].replace(b"]]],", b"]]]\n").split(b"\n", 65)[:65]:
        shape = _shape(each, 3)
        if shape is None:
            raise bad_request("pixels must be lists of equal length")
        size = int(np.prod(shape))
        pictures.append(numbers[position : position + size])
        position += size
        if len(pictures[-1]) != size:
            raise bad_request("pixels must be lists of equal length")
        pictures[-1] = pictures[-1].reshape(shape)
    if position != len(numbers):
        raise bad_request("pixels must be lists of equal length")
    return pictures


def _pieces(text: bytes) -> Iterator[bytes]:
    """Cut a list of numbers, without its brackets, at commas."""
    start = 0
    while len(text) - start > PIECE:
        end = text.rfind(b",", start, start + PIECE)
        if end <= start:
            raise bad_request("the request is not JSON: a number that is too long")
        yield text[start:end]
        start = end + 1
    yield text[start:]


def _read_numbers(piece: bytes) -> np.ndarray:
    try:
        values = np.array(json.loads(b"[" + piece + b"]"))
    except (ValueError, OverflowError, RecursionError) as error:
        raise bad_request("pixels must be lists of equal length, of whole numbers") from error
    if values.dtype.kind not in "iu" or values.ndim != 1 or not len(values):
        raise bad_request("pixels must be whole numbers from 0 to 255")
    if values.min() < 0 or values.max() > 255:
        raise bad_request("pixels must be whole numbers from 0 to 255")
    return values.astype(np.uint8)


def _shape(brackets: bytes, depth: int) -> tuple[int, ...] | None:
    """Give the shape of nested lists of which only brackets and commas are left; None if it is not one."""
    start = depth - 1
    end = brackets.find(b"]") + 1
    inner, counts = brackets[start:end], [brackets.count(b",", start, end) + 1]
    if not brackets.startswith(b"[" * depth) or inner != b"[" + b"," * (counts[0] - 1) + b"]":
        return None
    for level in range(2, depth + 1):
        start = depth - level
        end = brackets.find(b"]" * level) + level
        count = (end - start - 1) // (len(inner) + 1)
        if end < level or count < 1 or (end - start - 1) % (len(inner) + 1):
            return None
        inner = b"[" + b",".join([inner] * count) + b"]"
        counts.append(count)
    return tuple(reversed(counts)) if inner == brackets else None


def read_base64(text: Any) -> bytes:
    """Read a file that came as text. Raises RequestError 400."""
    if not isinstance(text, str):
        raise bad_request("in JSON, an encoded image is a text in base64")
    size = 4 * PIECE
    try:
        if "=" in text[:-2]:
            raise ValueError("padding that is not at the end")
        pieces = (text[start : start + size] for start in range(0, len(text), size))
        return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except ValueError as error:
        raise bad_request("in JSON, an encoded image is a text in base64, and this one is not") from error


def write_json(value: Any) -> str:
    """Write dicts, lists, plain values and arrays of finite numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {write_json(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_json, value)) + "]"
    if not isinstance(value, np.ndarray):
        return json.dumps(value, allow_nan=False)
    if value.size <= NUMBERS:
        return json.dumps(value.tolist(), allow_nan=False)
    if value.ndim > 1:
        return "[" + ", ".join(map(write_json, value)) + "]"
    parts = (value[start : start + NUMBERS] for start in range(0, len(value), NUMBERS))
    return "[" + ", ".join(json.dumps(part.tolist(), allow_nan=False)[1:-1] for part in parts) + "]"
