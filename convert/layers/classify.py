"""The head of classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .blocks import Conv
from .heads import Head, Shapes

# What every release normalises a classifier's input by: red, green, blue, each 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Classify(Head):
    """The classification head: a 1×1 convolution, the mean over the map, a linear layer."""

    task = "classify"
    default_size = 224

    def __init__(self, c1: int, c2: int, hidden: int = 1280):
        """`c1`: channels coming in; `c2`: classes."""
        super().__init__()
        self.conv = Conv(c1, hidden)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(p=0.0)
        self.linear = nn.Linear(hidden, c2)

    @property
    def nc(self) -> int:  # type: ignore[override]
        """The number of classes."""
        return self.linear.out_features

    def forward(self, x: Tensor | list[Tensor]) -> list[Tensor]:
        """Give the logits (N, nc). Several maps are joined first."""
        if isinstance(x, list):
            x = torch.cat(x, 1)
        return [self.linear(self.drop(self.pool(self.conv(x)).flatten(1)))]

    def output_shapes(self, height: int, width: int) -> Shapes:
        """Give the logits, whatever the size."""
        return {"out0": (1, self.classes())}

    def normalise(self, blob: np.ndarray) -> np.ndarray:
        """Take the mean off each colour, and divide by its deviation."""
        mean, std = (
            np.reshape(values, (3, 1, 1)).astype(np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return (blob - mean) / std

    def metadata(self) -> dict[str, Any]:
        """Give how a picture becomes the input: v7.0's crop unless told otherwise, mean and deviation."""
        return {"crop": "square", "mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
