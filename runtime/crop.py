"""From an image of any size to a classifier's input: its middle, scaled, with the colours normalised.

The arithmetic is YOLOv5's. Release v7.0 cuts the largest square from the middle and scales that ("square");
v6.2 scales the shorter side and cuts the middle then ("shorter-side"):
https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`CenterCrop`, `ToTensor`) and
https://github.com/ultralytics/yolov5/blob/v6.2/utils/augmentations.py (`classify_transforms`).
"""

from __future__ import annotations

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

    Returns float32 (size, size, 3), 0 to 1: v6.2 scales floats, which are not rounded afterwards.
    """
    height, width = image.shape[:2]
    if height <= width:
        new_h, new_w = size, int(size * width / height)
    else:
        new_h, new_w = int(size * height / width), size
    scaled = image.astype(np.float32) / np.float32(255)
    if (new_h, new_w) != (height, width):
        scaled = cv2.resize(scaled, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
    top, left = round((new_h - size) / 2), round((new_w - size) / 2)
    return scaled[top : top + size, left : left + size]


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
