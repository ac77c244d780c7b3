"""Classification: one answer for the whole image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import NOT_FINITE, ModelError
from ..escape import escape_value
from ..results.classification import Classification, softmax
from ..stages.crop import CROPS, to_classifier_blob
from .metadata import class_names, items, real_numbers
from .task import Task


class Classify(Task):
    """One output, the logits of the classes, for a square cut from the image, with its colours normalised."""

    name = "classify"
    needs = ("names", "crop", "mean", "std")
    predictor = "Classifier"
    command = "classify"
    outputs = ("out0",)
    facts = "a classifier has 1"

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names = class_names(values["names"])
        self.crop = values["crop"]
        if self.crop not in CROPS:
            raise ValueError(f"crop must be {' or '.join(CROPS)}, not {escape_value(self.crop)}")
        self.mean, self.std = (_colours(values[key], key) for key in ("mean", "std"))
        if (self.std <= 0).any():
            raise ValueError("std must be above 0")

    def output_shapes(self, height: int, width: int) -> list[tuple[int | None, ...]]:
        """Give the shape of the logits, whatever the input's size."""
        return [(len(self.names),)]

    def prepare(self, image: np.ndarray, size: int, crop: str) -> np.ndarray:
        """Turn an image, uint8 (h, w, 3) BGR, into the network's input, float32 (1, 3, size, size)."""
        return to_classifier_blob(image, size, crop, self.mean, self.std)

    def classification(self, outputs: Sequence[np.ndarray]) -> Classification:
        """Turn the logits into probabilities. Raises ModelError if they are not numbers."""
        logits = outputs[0].astype(np.float32, copy=False)
        if not np.isfinite(logits).all():
            raise ModelError(NOT_FINITE)
        return Classification(softmax(logits), self.names)


def _colours(value: Any, name: str) -> np.ndarray:
    """Take a number for red, green and blue: float32 (3,). Raises ValueError."""
    numbers = real_numbers(items(value, name), name)
    if numbers.shape != (3,) or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be three numbers")
    return numbers
