"""From an image of any size to a classifier's input: its middle, scaled, with the colours normalised.

The arithmetic is YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square");
v6.2 scales the shorter side and cuts the middle then ("shorter-side"):
https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`CenterCrop`, `ToTensor`) and
https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (`classify_transforms`).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .letterbox import to_blob

CROPS = ("square", "shorter-side")


def crop_square(image: np.ndarray, size: int) -> np.ndarray:
    """Cut the largest square from the middle of an image, uint8 (h, w, 3), and scale it to (size, size)."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return square
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)


def crop_shorter_side(image: np.ndarray, size: int) -> np.ndarray:
    """Scale an image, uint8 (h, w, 3), so that its shorter side is `size`, and cut the middle square.

    Returns float32 (size, size, 3), 0 to 1: v6.2 scales floats, which are not rounded afterwards. What is cut
    off, which can be a thousand times as much, is never computed.
    """
    height, width = image.shape[:2]
    rows, columns = (_taps(side, min(height, width), size) for side in (height, width))

    def blend(at: np.ndarray) -> np.ndarray:
        left, right = (
            image[at[:, None], across] / np.float32(255) for across in (columns.first, columns.second)
        )
        return _between(left, right, columns.share)

    return _between(blend(rows.first), blend(rows.second), rows.share[:, None])


class _Taps(NamedTuple):
    """Between which two pixels of a line those of the scaled line lie, and how far from the first."""

    first: np.ndarray  # int64 (size,)
    second: np.ndarray
    share: np.ndarray  # float32 (size, 1), 0 to 1


def _taps(side: int, shorter: int, size: int) -> _Taps:
    """Find the taps of the middle `size` pixels of a line of `side`; `shorter` of them are scaled to `size`.

    In float32 throughout, as PyTorch computes it: its `interpolate`, bilinear, without aligned corners.
    """
    scaled = size if side == shorter else int(size * side / shorter)
    pixels = (np.arange(size) + round((scaled - size) / 2)).astype(np.float32)
    half = np.float32(0.5)
    positions = (pixels + half) * (np.float32(side) / np.float32(scaled)) - half
    positions = positions.clip(0, np.float32(side - 1))
    first = positions.astype(np.int64)
    share = positions - first.astype(np.float32)
    return _Taps(first, np.minimum(first + 1, side - 1), share[:, None])


def _between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return np.asarray(first * (1 - share) + second * share)


def to_classifier_blob(
    image: np.ndarray, size: int, crop: str, mean: np.ndarray, std: np.ndarray
) -> np.ndarray:
    """Turn a BGR image, uint8 (h, w, 3), into a classifier's input: float32 (1, 3, size, size), RGB.

    crop: one of CROPS; mean, std: float32 (3,), by which each colour, 0 to 1, is normalised.
    """
    if crop == "square":
        blob = to_blob(np.ascontiguousarray(crop_square(image, size)))
    else:
        middle = crop_shorter_side(image, size)
        blob = np.ascontiguousarray(middle[:, :, ::-1].transpose(2, 0, 1))[None]
    blob -= mean.reshape(1, 3, 1, 1)
    blob /= std.reshape(1, 3, 1, 1)
    return blob
