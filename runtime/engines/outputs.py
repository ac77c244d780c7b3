"""What every engine owes: the outputs that the task names, in its order and in its shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..tasks.model_info import ModelInfo


def in_order(found: Sequence[str], info: ModelInfo, path: Path) -> list[str]:
    """Put the names of a network's outputs, as an engine lists them, into the task's order.

    Raises ModelError if there are more or fewer than the task has.
    """
    named = list(info.task.outputs)
    if len(found) != len(named):
        raise ModelError(f"{path} has {len(found)} outputs, but {info.task.facts}")
    return named if set(named) == set(found) else list(found)


def of_the_image(
    outputs: Sequence[np.ndarray], info: ModelInfo, path: Path, size: tuple[int, int]
) -> list[np.ndarray]:
    """Take the one image's outputs out of a batch of one.

    outputs: float32 (1, …), in the task's order; size: the input's height and width in pixels. A head map
    becomes (channels, ny, nx). Raises ModelError if one has another shape than the task says.
    """
    for output, shape in zip(outputs, info.task.output_shapes(*size), strict=True):
        sides = zip(output.shape, (1, *shape), strict=False)
        if output.ndim != 1 + len(shape) or any(want not in (None, side) for side, want in sides):
            wanted = ", ".join("any" if side is None else str(side) for side in (1, *shape))
            raise ModelError(
                f"{path} gives an output of shape {output.shape} where its "
                f"{', '.join(info.task.needs)} make ({wanted})"
            )
    return [output[0] for output in outputs]
