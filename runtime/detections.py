"""What a detector found in one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(eq=False)
class Detections:
    """The boxes of one image, best first.

    xyxy: float32 (n, 4), x1 y1 x2 y2 in the image's pixels, within the image.
    scores: float32 (n,), objectness × class probability, 0 to 1.
    class_ids: int32 (n,).
    names: the names of all the model's classes, by class id.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def to_dict(self) -> list[dict[str, Any]]:
        """Give plain values, ready for JSON: class_id, name, score and box [x1, y1, x2, y2] of each."""
        return [
            {"class_id": class_id, "name": self.names[class_id], "score": score, "box": box}
            for class_id, score, box in zip(
                self.class_ids.tolist(), self.scores.tolist(), self.xyxy.tolist(), strict=True
            )
        ]

    def draw(self, image: np.ndarray) -> np.ndarray:
        """Give a copy of `image` with the boxes and their labels drawn on it."""
        from .draw import draw  # most callers want boxes, not pictures

        return draw(image, self)

    def to_supervision(self) -> dict[str, Any]:
        """Give the arguments for supervision: `supervision.Detections(**detections.to_supervision())`."""
        names = np.array([self.names[class_id] for class_id in self.class_ids], dtype=str)
        return {
            "xyxy": self.xyxy,
            "confidence": self.scores,
            "class_id": self.class_ids.astype(int),
            "data": {"class_name": names},
        }
