"""From prototypes and mask coefficients to the masks of what was found, and from the canvas to the image.

A mask is σ(coefficients · prototypes), cut to its box, scaled up to the canvas and compared with a half:
https://github.com/ultralytics/yolov5/blob/v7.0/utils/segment/general.py (`process_mask`).

Only what lies within a mask's box is ever computed, one mask after the other, and kept at the resolution of the
canvas, a byte a pixel: n masks take at most n · H · W bytes for a network input of H × W, whatever the image's
size (300 masks at 640 × 640: 123 MB, if each of them fills the picture). The image's own pixels are made when
they are asked for, mask by mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import cv2
import numpy as np

from .decode import sigmoid
from .letterbox import Placement

Bitmap = tuple[int, int, np.ndarray]
"""Where a mask may be: left, top, and bool (h, w) from there on; everything else is outside it."""


def make_bitmaps(
    prototypes: np.ndarray, coefficients: np.ndarray, xyxy: np.ndarray, canvas_hw: tuple[int, int]
) -> list[Bitmap]:
    """Compute the masks of boxes on the canvas.

    prototypes: float32 (nm, mh, mw); coefficients: float32 (n, nm), one row for each box of `xyxy`, float32
    (n, 4) in canvas pixels, not clipped and not rounded; canvas_hw: (H, W) of the canvas.
    Returns a Bitmap for each box, in canvas pixels.
    """
    height, width = prototypes.shape[1:]
    scale_y, scale_x = canvas_hw[0] / height, canvas_hw[1] / width
    to_prototypes = np.array([1 / scale_x, 1 / scale_y] * 2, np.float32)
    bitmaps = []
    for box, weights in zip(xyxy * to_prototypes, coefficients, strict=True):
        # A cell belongs to the box if its index does: the first one is the first not below the edge.
        x1, y1, x2, y2 = (int(edge) for edge in np.ceil(np.clip(box, 0, [width, height] * 2)))
        if x1 >= x2 or y1 >= y2:
            bitmaps.append((0, 0, np.zeros((0, 0), bool)))
            continue
        # One cell more on each side: scaling up mixes neighbours, and those outside the box count as 0.
        left, top, right, bottom = max(x1 - 1, 0), max(y1 - 1, 0), min(x2 + 1, width), min(y2 + 1, height)
        inside = np.zeros((bottom - top, right - left), np.float32)
        cells = prototypes[:, y1:y2, x1:x2]
        inside[y1 - top : y2 - top, x1 - left : x2 - left] = sigmoid(np.tensordot(weights, cells, 1))
        corner = round(left * scale_x), round(top * scale_y)
        size = round(right * scale_x) - corner[0], round(bottom * scale_y) - corner[1]
        bitmaps.append((*corner, cv2.resize(inside, size, interpolation=cv2.INTER_LINEAR) > 0.5))
    return bitmaps


class Masks:
    """The masks of one image's detections.

    It goes for an array, bool (n, h, w) in the image's pixels: `masks[2]` is bool (h, w), `np.asarray(masks)`
    all of it, while `masks[1:]`, `masks[[0, 3]]` and `masks[scores > 0.5]` are Masks again. What it holds is
    smaller, see the module.

    bitmaps: of each mask, on the canvas; placement: of the image on the canvas; image_hw: its (height, width).
    """

    def __init__(self, bitmaps: Sequence[Bitmap], placement: Placement, image_hw: tuple[int, int]):
        self._bitmaps = list(bitmaps)
        self._placement = placement
        self._image_hw = image_hw

    @classmethod
    def of_array(cls, masks: np.ndarray) -> Masks:
        """Make Masks of an array, bool (n, h, w)."""
        masks = np.asarray(masks, bool)
        return cls(
            [(0, 0, mask) for mask in masks], Placement(1.0, 0.0, 0.0), (masks.shape[1], masks.shape[2])
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Masks]) -> Masks:
        """Join the masks of one image. They must lie on canvases of the same placement, or are made so."""
        first = parts[0]
        bitmaps: list[Bitmap] = []
        if all(part._placement == first._placement for part in parts):
            for part in parts:
                bitmaps += part._bitmaps
            return cls(bitmaps, first._placement, first._image_hw)
        for part in parts:
            bitmaps += [part.window(i) for i in range(len(part))]
        return cls(bitmaps, Placement(1.0, 0.0, 0.0), first._image_hw)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, h, w) of the array that this goes for."""
        return len(self._bitmaps), *self._image_hw

    def __len__(self) -> int:
        return len(self._bitmaps)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: Any) -> Masks: ...

    def __getitem__(self, index: Any) -> np.ndarray | Masks:
        chosen = np.arange(len(self))[index]
        if chosen.ndim:
            return Masks([self._bitmaps[i] for i in chosen], self._placement, self._image_hw)
        left, top, part = self.window(int(chosen))
        mask = np.zeros(self._image_hw, bool)
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        return mask

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        masks = np.zeros(self.shape, bool)
        for i, mask in enumerate(self):
            masks[i] = mask
        return masks if dtype is None else masks.astype(dtype)

    def window(self, index: int) -> Bitmap:
        """Give the part of the image that holds a mask: left, top, bool (h, w); the rest is outside it."""
        left, top, bitmap = self._bitmaps[index]
        scale, pad_x, pad_y = self._placement
        height, width = self._image_hw
        # Along each axis: canvas = image · scale + pad for edges, so a pixel's centre lies half a pixel further.
        x1, x2 = _covered(left, bitmap.shape[1], scale, pad_x, width)
        y1, y2 = _covered(top, bitmap.shape[0], scale, pad_y, height)
        if x1 >= x2 or y1 >= y2:
            return 0, 0, np.zeros((0, 0), bool)
        if (scale, pad_x, pad_y) == (1, 0, 0):
            return x1, y1, bitmap[y1 - top : y2 - top, x1 - left : x2 - left]
        # Around the bitmap it is 0, but past the image's own edge, which rounding may have moved by a pixel of
        # the canvas, it is as it is there.
        bordered = np.pad(bitmap.astype(np.uint8) * 255, 1)
        if left < pad_x + 1:
            bordered[:, 0] = bordered[:, 1]
        if left + bitmap.shape[1] > width * scale + pad_x - 1:
            bordered[:, -1] = bordered[:, -2]
        if top < pad_y + 1:
            bordered[0] = bordered[1]
        if top + bitmap.shape[0] > height * scale + pad_y - 1:
            bordered[-1] = bordered[-2]
        shift_x = (x1 + 0.5) * scale + pad_x - 0.5 - (left - 1)
        shift_y = (y1 + 0.5) * scale + pad_y - 0.5 - (top - 1)
        matrix = np.array([[scale, 0, shift_x], [0, scale, shift_y]])
        grey = cv2.warpAffine(
            bordered,
            matrix,
            (x2 - x1, y2 - y1),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return x1, y1, grey > 127


def _covered(start: int, length: int, scale: float, pad: float, side: int) -> tuple[int, int]:
    """Give the range of image pixels that a range of canvas pixels reaches, along one axis."""
    first, last = (start - pad) / scale, (start + length - pad) / scale
    return int(np.clip(np.floor(first), 0, side)), int(np.clip(np.ceil(last), 0, side))
