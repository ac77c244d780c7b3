"""From an image of any size to the network's input, and back again for boxes.

The arithmetic, rounding included, is YOLOv5's, so that boxes agree with PyTorch's:
https://github.com/ultralytics/yolov5/blob/v7.0/utils/augmentations.py (`letterbox`) and
https://github.com/ultralytics/yolov5/blob/v7.0/utils/general.py (`scale_boxes`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..errors import InputError

GREY = 114  # of the padding, in all three channels
MAX_SIDE = 8192  # of the network's input, in pixels: a wrong size should not fill the memory

# What /255 makes of each byte. Looking it up is exact and costs one pass over the pixels.
_UNIT = (np.arange(256, dtype=np.float32) / np.float32(255)).astype(np.float32)


class Placement(NamedTuple):
    """Where an image lies on its canvas: canvas = image · scale + pad, for x and y alike.

    The pads are not rounded to whole pixels, although the picture itself is: that is how YOLOv5 maps
    boxes back.
    """

    scale: float
    pad_x: float
    pad_y: float


def to_bgr(image: Any) -> np.ndarray:
    """Bring an image into the one form that everything here works on: uint8, (h, w, 3), BGR.

    Takes uint8 or uint16, (h, w), (h, w, 1), (h, w, 3) BGR or (h, w, 4) BGRA. Alpha is dropped and 16 bits
    become 8 by leaving out the low byte, both as `cv2.imread` does it. An image that has the form already is
    returned itself, anything else as a copy.

    Raises InputError for anything else.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image must be a NumPy array, not {type(image).__name__}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise InputError(
            f"an image must have the shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4), not {image.shape}"
        )
    if image.size == 0:
        raise InputError(f"the image is empty: its shape is {image.shape}")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise InputError(f"an image must hold uint8 or uint16, not {image.dtype}")
    if image.ndim == 2 or image.shape[2] == 1:
        return cv2.cvtColor(image.reshape(image.shape[:2]), cv2.COLOR_GRAY2BGR)
    return image if image.shape[2] == 3 else np.ascontiguousarray(image[:, :, :3])


def to_channels(image: Any, channels: int) -> np.ndarray:
    """Bring an image into the form for a network that takes so many channels: uint8, (h, w, channels).

    For 3 it is `to_bgr`, and for 1 its result as grey, by OpenCV's `COLOR_BGR2GRAY`. For any other number the
    image must have as many channels, uint8 or uint16, which are taken in their order.

    Raises InputError for anything else.
    """
    if channels == 3:
        return to_bgr(image)
    if channels == 1:
        if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size and image.ndim == 2:
            return image[:, :, None]
        return cv2.cvtColor(to_bgr(image), cv2.COLOR_BGR2GRAY)[:, :, None]
    if not isinstance(image, np.ndarray):
        raise InputError(f"an image must be a NumPy array, not {type(image).__name__}")
    if image.ndim not in (2, 3) or image.size == 0:
        raise InputError(f"an image must have the shape (h, w, {channels}), not {image.shape}")
    given = 1 if image.ndim == 2 else image.shape[2]
    if given != channels:
        raise InputError(f"the image has {given} channels, and the model takes {channels}")
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise InputError(f"an image must hold uint8 or uint16, not {image.dtype}")
    return np.ascontiguousarray(image)


def letterbox_shape(
    image_hw: tuple[int, int], imgsz: tuple[int, int], multiple: int | None
) -> tuple[int, int]:
    """Size (H, W) of the canvas for an image of size (h, w).

    Without a `multiple` it is `imgsz`. With one, each side is the smallest multiple of it that holds the
    image once it has been scaled to fit into `imgsz`.
    """
    return imgsz if multiple is None else round_up(_resized_shape(image_hw, imgsz), multiple)


def round_up(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    """Round both sides up to multiples."""
    return math.ceil(size[0] / multiple) * multiple, math.ceil(size[1] / multiple) * multiple


def letterbox(
    image: np.ndarray, imgsz: tuple[int, int], multiple: int | None = None, out: np.ndarray | None = None
) -> tuple[np.ndarray, Placement]:
    """Scale an image into `imgsz` (h, w), keeping its aspect ratio, and centre it on a grey canvas.

    image: uint8, (h, w, c). With a `multiple` (a network's size_multiple) the canvas is only as large as
    `letterbox_shape` says; without one it is exactly `imgsz`. `out` is a canvas to write to, uint8 of that
    very shape.

    Returns the canvas, uint8 (H, W, c), channels in the image's order, and the Placement for `unletterbox`.
    """
    h, w, channels = image.shape
    height, width = letterbox_shape((h, w), imgsz, multiple)
    new_h, new_w = _resized_shape((h, w), imgsz)
    shape = (height, width, channels)
    canvas = np.empty(shape, np.uint8) if out is None else out
    if canvas.shape != shape or canvas.dtype != np.uint8:
        raise InputError(f"the canvas must be uint8 {shape}, not {canvas.dtype} {canvas.shape}")

    top, left = round((height - new_h) / 2 - 0.1), round((width - new_w) / 2 - 0.1)
    bottom, right = top + new_h, left + new_w
    if new_h < height:
        canvas[:top] = canvas[bottom:] = GREY
    if new_w < width:
        canvas[top:bottom, :left] = canvas[top:bottom, right:] = GREY
    inside = canvas[top:bottom, left:right]
    if (new_h, new_w) == (h, w) or h == w == 1:  # OpenCV 4.5.4 fails on a single pixel
        inside[:] = image
    elif channels == 3:
        cv2.resize(image, (new_w, new_h), dst=inside, interpolation=cv2.INTER_LINEAR)
    else:  # plane by plane: OpenCV does not write to every number of channels
        for c in range(channels):
            plane = np.ascontiguousarray(image[:, :, c])
            inside[:, :, c] = cv2.resize(plane, (new_w, new_h), interpolation=cv2.INTER_LINEAR)

    # YOLOv5 takes the scale for the way back from the canvas, not from the resize. They differ when
    # rounding brought the shorter side down to a multiple.
    scale = min(height / h, width / w)
    return canvas, Placement(scale, (width - w * scale) / 2, (height - h * scale) / 2)


def _resized_shape(image_hw: tuple[int, int], imgsz: tuple[int, int]) -> tuple[int, int]:
    """Size (h, w) of the scaled image itself, without padding: at least one pixel each way."""
    h, w = image_hw
    scale = min(imgsz[0] / h, imgsz[1] / w)
    return max(round(h * scale), 1), max(round(w * scale), 1)


def unletterbox(xyxy: np.ndarray, placement: Placement, image_hw: tuple[int, int]) -> np.ndarray:
    """Move boxes from canvas pixels to image pixels and clip them to the image.

    xyxy: float32 (n, 4). Returns a new float32 (n, 4) with 0 ≤ x ≤ w and 0 ≤ y ≤ h.
    """
    scale, pad_x, pad_y = placement
    h, w = image_hw
    boxes = (xyxy - np.array([pad_x, pad_y, pad_x, pad_y], np.float32)) / np.float32(scale)
    return np.clip(boxes, 0, np.array([w, h, w, h], np.float32), out=boxes)


def to_blob(
    canvas: np.ndarray, fold: int = 1, out: np.ndarray | None = None, planes: np.ndarray | None = None
) -> np.ndarray:
    """Turn a BGR canvas, uint8 (H, W, 3), into the network's input: float32, RGB, 0 to 1.

    With fold 1 its shape is (1, 3, H, W). With fold f, each f × f square of pixels becomes one pixel of
    3f² channels, (1, 3f², H/f, W/f), as YOLOv5's Focus layer does for f = 2: colour c of the pixel (dx, dy)
    of a square is channel (dx · f + dy) · 3 + c. H and W must be divisible by f.

    A canvas of another number of channels, (H, W, c), becomes (1, c, H, W) in the order of its channels;
    it is never folded.

    `out` is a blob of that shape to write to, and `planes` memory for a step between, uint8 (3f², H/f, W/f).
    """
    if canvas.shape[2] != 3:
        floats = _UNIT[canvas.transpose(2, 0, 1)][None]
        if out is None:
            return floats
        out[:] = floats
        return out
    height, width = canvas.shape[0] // fold, canvas.shape[1] // fold
    blob = np.empty((1, 3 * fold * fold, height, width), np.float32) if out is None else out
    planes = np.empty(blob.shape[1:], np.uint8) if planes is None else planes
    squares = canvas.reshape(height, fold, width, 3 * fold)  # row, dy, column, dx and B G R
    for dy in range(fold):
        cv2.split(
            squares[:, dy], [planes[(dx * fold + dy) * 3 + 2 - c] for dx in range(fold) for c in range(3)]
        )
    # All planes side by side are one picture to cv2.LUT, which divides its rows between threads.
    cv2.LUT(planes.reshape(-1, width), _UNIT, dst=blob.reshape(-1, width))
    return blob


class Letterboxer:
    """Places images on the canvas and turns that into the network's input, in memory that all images share.

    imgsz: (h, w) to scale into; multiple: what the canvas's sides are rounded up to, or None for a canvas of
    exactly `imgsz`; fold: see `to_blob`.

    """

    def __init__(self, imgsz: tuple[int, int], multiple: int | None, fold: int = 1) -> None:
        self._imgsz, self._multiple, self._fold = imgsz, multiple, fold
        self._bytes, self._floats = np.empty((2, 0), np.uint8), np.empty(0, np.float32)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """Place an image, uint8 (h, w, c), BGR if c is 3.

        Returns the blob, float32 (1, c · f², H/f, W/f), valid until the next call, and the Placement.
        """
        height, width = letterbox_shape((image.shape[0], image.shape[1]), self._imgsz, self._multiple)
        channels = image.shape[2]
        size, fold = height * width * channels, self._fold
        if self._floats.size < size:
            self._bytes, self._floats = np.empty((2, size), np.uint8), np.empty(size, np.float32)
        shape = (channels * fold * fold, height // fold, width // fold)
        canvas = self._bytes[0, :size].reshape(height, width, channels)
        _, placement = letterbox(image, self._imgsz, self._multiple, out=canvas)
        blob = self._floats[:size].reshape(1, *shape)
        to_blob(canvas, fold, out=blob, planes=self._bytes[1, :size].reshape(shape))
        return blob, placement
