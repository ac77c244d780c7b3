"""What a model file says about its network, and the sizes of input that fit it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import InputError, ModelError
from ..program import program
from ..stages.letterbox import MAX_SIDE, round_up
from . import Task

T = TypeVar("T", bound=Task)


@dataclass(frozen=True, eq=False)
class ModelInfo:
    """What a model file says about its network.

    task: what the network is for: it knows what the outputs mean, and the rest of the metadata; `task.name`
        is its name, "detect".
    imgsz: (height, width) the network was converted for.
    size_multiple: what the input's height and width must be divisible by.
    dynamic: whether the input may have another size.
    channels: how many channels the input has: 3, R G B; 1, grey; others are taken as they are given.
    fold: 1 if the network takes the three colours, 2 if squares of 2 × 2 pixels as `to_blob` folds them.
    source: file name and SHA-256 of the checkpoint, if known.
    producer: the program that wrote the file, and its version.
    """

    task: Task
    imgsz: tuple[int, int]
    size_multiple: int
    dynamic: bool = False
    fold: int = 1
    source: dict[str, str] | None = None
    producer: str = ""
    channels: int = 3

    def input_shape(self, imgsz: tuple[int, int]) -> tuple[int, int, int, int]:
        """Give the shape (N, C, H, W) of the network's input for an image of `imgsz`, (h, w) in pixels."""
        return (1, self.channels * self.fold**2, imgsz[0] // self.fold, imgsz[1] // self.fold)

    def require(self, kind: type[T], what: str, path: Path) -> T:
        """Give the task if it is of this kind, which is called `what`: "classifier".

        Raises ModelError (wrong task) otherwise, which names the class and the command for such a model.
        """
        task = self.task
        if isinstance(task, kind):
            return task
        raise ModelError(f"{path} is no {what}; it is for {task.predictor}, or `{program(task.command)}`")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the classes, by class id."""
        return self.task.names

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each head map, in pixels."""
        return self.task.strides

    @property
    def anchors(self) -> tuple[np.ndarray, ...]:
        """The anchors of each head map, float32 (na, 2): widths and heights in pixels of the input."""
        return self.task.anchors


def input_size(imgsz: int | Sequence[int] | None, info: ModelInfo, free: bool) -> tuple[int, int]:
    """Choose the input's size (h, w): the model's own, or `imgsz`, a side or (h, w), rounded up to what fits.

    free: whether the model takes another size than its own. Raises InputError for a size that it can't have.
    """
    if imgsz is None:
        return info.imgsz
    try:
        sides = [operator.index(side) for side in (imgsz if isinstance(imgsz, Sequence) else [imgsz])]
    except TypeError:
        sides = []
    if len(sides) == 1:
        sides *= 2
    if len(sides) != 2 or not all(0 < side <= MAX_SIDE for side in sides):
        raise InputError(f"imgsz must be one or two whole numbers from 1 to {MAX_SIDE}, not {imgsz!r}")
    height, width = round_up((sides[0], sides[1]), info.size_multiple)
    if (height, width) != info.imgsz and not free:
        raise InputError(
            f"this model takes {info.imgsz[0]} × {info.imgsz[1]} only, not {height} × {width}; convert its "
            f"checkpoint with --imgsz {height} {width}, or with --focus conv for a free size"
        )
    return height, width
