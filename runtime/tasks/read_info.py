"""From a model file's metadata, JSON of a file that may say anything, to what it says about its network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..program import how_to_convert
from . import Task, find_task
from .metadata import items, whole
from .model_info import ModelInfo

# Where `foreign` makes no names up.
_ORIENTED = "with 181 to 200 columns for classes it could be a network for oriented boxes (yolov5_obb); "

MAX_CHANNELS = 16  # of the input

# What every file may say, and what counts where it does not.
_COMMON: dict[str, Any] = {
    "imgsz": [640, 640],
    "size_multiple": None,  # the largest stride
    "dynamic": False,
    "fold": 1,
    "channels": 3,
    "source": None,
}


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
        kind = find_task(name, {*metadata, *values})
        missing = [key for key in kind.needs if key not in values and key not in metadata]
        if missing:
            also = set(missing) <= set(given)
            raise ModelError(
                f"{path} lacks the metadata {', '.join(missing)}; "
                + (_ORIENTED if metadata.get("decoded") == '"yolov5"' else "")
                + how_to_convert()
                + (", or give Detector the arguments names, anchors and strides" if also else "")
            )
        for key in (*kind.needs, *kind.optional, *_COMMON):
            if key not in values and key in metadata:
                values[key] = _from_json(metadata, key)
        return _check_info(kind(values), {**_COMMON, **values}, metadata.get("producer", ""))
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


def _check_info(task: Task, values: dict[str, Any], producer: str) -> ModelInfo:
    """Check what every file has. Raises ValueError or TypeError for what is not right."""
    coarsest = max(task.strides, default=1)
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
    fold, finest = whole(values["fold"], "fold"), min(task.strides, default=multiple)
    if finest % fold:
        raise ValueError(f"fold {fold} does not divide the stride {finest}")
    channels = whole(values["channels"], "channels", most=MAX_CHANNELS)
    if channels != 3 and fold != 1:
        raise ValueError(f"an input of {channels} channels cannot be folded")
    if channels != 3 and not task.any_channels:
        raise ValueError(f"the task {task.name} takes 3 channels, not {channels}")
    if not isinstance(values["source"], dict | None):
        raise ValueError("source must be an object")
    return ModelInfo(
        task, (height, width), multiple, values["dynamic"], fold, values["source"], producer, channels
    )
