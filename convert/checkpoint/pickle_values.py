"""Build the plain values and tensors of a checkpoint, from what a pickle would hand to their constructors.

Each function takes what a hostile file may say, and raises ValueError for what is no such value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from . import numpy_values
from .pickle_names import PATHS

MAX_RANGE = 10_000
MAX_PATH = 4096  # letters


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> torch.Tensor:
    """Make a view of a storage, all of whose elements must lie inside it."""
    if not isinstance(storage, torch.Tensor):
        raise ValueError("a tensor without a storage")
    if not (isinstance(size, tuple | list) and isinstance(stride, tuple | list) and len(size) <= 8):
        raise ValueError("a tensor of an impossible shape")
    if len(size) != len(stride) or any(
        type(v) is not int or not 0 <= v < 1 << 40 for v in (offset, *size, *stride)
    ):
        raise ValueError("a tensor of an impossible shape")
    if 0 in size:
        return storage.new_empty(size)
    if offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) >= storage.numel():
        raise ValueError("a tensor that reaches beyond its storage")
    return storage.as_strided(size, stride, offset)


def _parameter(tensor: Any, *_: Any) -> nn.Parameter:
    if not isinstance(tensor, torch.Tensor):
        raise ValueError("a parameter that is not a tensor")
    return nn.Parameter(tensor, requires_grad=False)


def _mapping(*args: Any) -> dict[Any, Any]:
    pairs = next((items for items in args if isinstance(items, list)), [])
    return {plain_key(name): value for name, value in pairs}


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple | set):
        raise ValueError("a set of something else than a list")
    return {plain_key(item) for item in items}


def _range(*bounds: Any) -> range:
    """Give a range, which is soon written and long to walk through."""
    if not all(type(bound) is int for bound in bounds) or len(range(*bounds)) > MAX_RANGE:
        raise ValueError("a range that is too long")
    return range(*bounds)


def _size(sides: Any = ()) -> tuple[Any, ...]:
    if not isinstance(sides, list | tuple):
        raise ValueError("a size of something else than a list")
    return tuple(sides)


def plain_key(value: Any) -> Any:
    """Let plain values pass: hashing a nested tuple from a hostile file could take forever.

    So could numbers that are chosen to have the same hash; those below 2^61 - 1 are their own.
    """
    if value is None or isinstance(value, str | bytes):
        return value
    if isinstance(value, int) and abs(value) < (1 << 61) - 1:
        return value
    raise ValueError("a dictionary key that is not a plain value")


def _path(*parts: Any) -> str:
    texts = [part for part in parts if isinstance(part, str)]
    if sum(map(len, texts)) > MAX_PATH:
        raise ValueError("a path that is too long")
    return "/".join(texts)


CALLS: dict[str, Callable[..., Any]] = {
    **numpy_values.CALLS,
    "builtins.range": _range,
    "builtins.set": _set,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
    "torch.Size": _size,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    **dict.fromkeys(PATHS, _path),
}
