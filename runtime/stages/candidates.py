"""What decoding finds and NMS chooses from: boxes, their scores and classes, and what a task adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(eq=False)
class Candidates:
    """Boxes in pixels of the network's input, one a row in each column.

    xyxy: float32 (n, 4), x1 y1 x2 y2.
    scores: float32 (n,), 0 to 1.
    class_ids: int32 (n,).
    extra: float32 (n, e), what else the task knows of each box: mask coefficients, keypoints; e is 0 for
        plain detection.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    extra: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> Candidates:
        """Choose rows, of every column: by a slice, a bool mask or an array of indices."""
        return Candidates(self.xyxy[index], self.scores[index], self.class_ids[index], self.extra[index])

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """Join the rows of one or more, in their order; all must have as many columns in `extra`."""
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.extra for part in parts]),
        )
