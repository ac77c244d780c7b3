"""Checking the values that a model file's metadata holds: plain JSON of a file that may say anything."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..escape import escape_value
from ..stages.letterbox import MAX_SIDE


def whole(value: Any, name: str, most: int = MAX_SIDE) -> int:
    """Take a whole number from 1 to `most`. Raises ValueError, or TypeError or OverflowError from `int`."""
    if isinstance(value, bool | str) or int(value) != value or not 0 < value <= most:
        raise ValueError(f"{name} must be whole numbers from 1 to {most}, not {escape_value(value)}")
    return int(value)


def items(value: Any, name: str) -> Sequence[Any]:
    """Take a list, or what a caller may give in its place. Raises ValueError."""
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise ValueError(f"{name} must be a list")
    return value  # type: ignore[return-value]


def real_numbers(value: Any, name: str) -> np.ndarray:
    """Take numbers, in lists within each other: float32, of their shape; too large ones are infinite.

    Raises ValueError for anything else, also for texts of digits, which NumPy would take.
    """
    entries = np.asarray(value, object)
    if not all(isinstance(each, Real) and not isinstance(each, bool) for each in entries.flat):
        raise ValueError(f"{name} must be numbers")
    with np.errstate(over="ignore"):
        return entries.astype(np.float32)


def class_names(value: Any) -> tuple[str, ...]:
    """Take the names of the classes, at least one. Raises ValueError."""
    names = items(value, "names")
    if not len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError("names must be a list of strings")
    return tuple(names)


def output_strides(value: Any) -> tuple[int, ...]:
    """Take the stride of each output, in pixels. Raises ValueError."""
    return tuple(whole(stride, "strides") for stride in items(value, "strides"))


def output_anchors(value: Any) -> tuple[np.ndarray, ...]:
    """Take the anchors of each output: float32 (na, 2), widths and heights in pixels. Raises ValueError."""
    anchors = [real_numbers(pairs, "anchors") for pairs in items(value, "anchors")]
    for pairs in anchors:
        if pairs.size == 0 or pairs.size % 2 or not (np.isfinite(pairs) & (pairs >= 0)).all():
            raise ValueError("anchors must be, for each output, pairs of numbers, none below 0")
    return tuple(pairs.reshape(-1, 2) for pairs in anchors)
