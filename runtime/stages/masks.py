"""From prototypes and mask coefficients to the masks of what was found, and from the canvas to the image.

A mask is σ(coefficients · prototypes), cut to its box, scaled up to the canvas and compared with a half:
https://github.com/ultralytics/yolov5/blob/v7.0/utils/segment/general.py (`process_mask`).

Only what lies within a mask's box is ever computed, one mask after the other, and kept at the resolution of
the canvas, a byte a pixel: n masks take at most n · H · W bytes for a network input of H × W, whatever the
image's size (300 masks at 640 × 640: 123 MB, if each of them fills the picture). The image's own pixels are
made when they are asked for, mask by mask.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

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


class Masks(np.lib.mixins.NDArrayOperatorsMixin):
    """The masks of one image's detections.

    It goes for an array, bool (n, h, w) in the image's pixels: `masks[2]` is bool (h, w), `np.asarray(masks)`
    all of it, while `masks[1:]`, `masks[[0, 3]]` and `masks[scores > 0.5]` are Masks again. What it holds is
    smaller, see the module.

    bitmaps: of each mask, on the canvas; placement: of the image there; image_hw: its (height, width).
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

    dtype = np.dtype(bool)
    ndim = 3

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

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [np.asarray(each) if isinstance(each, Masks) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def window(self, index: int) -> Bitmap:
        """Give the part of the image that holds a mask: left, top, bool (h, w); the rest is outside it."""
        left, top, bitmap = self._bitmaps[index]
        scale, pad_x, pad_y = self._placement
        columns = _Reach.of(left, bitmap.shape[1], scale, pad_x, self._image_hw[1])
        rows = _Reach.of(top, bitmap.shape[0], scale, pad_y, self._image_hw[0])
        size = max(columns.end - columns.start, 0), max(rows.end - rows.start, 0)
        if not bitmap.size or not all(size):
            return 0, 0, np.zeros((0, 0), bool)
        # Around the bitmap it is 0, but past the image's own edge it goes on as it is there.
        bordered = np.pad(bitmap.astype(np.uint8) * 255, 1)
        for side, beside, touches in ((0, 1, columns.first), (-1, -2, columns.last)):
            bordered[:, side] = bordered[:, beside] * touches
        for side, beside, touches in ((0, 1, rows.first), (-1, -2, rows.last)):
            bordered[side] = bordered[beside] * touches
        matrix = np.array([[scale, 0, columns.offset], [0, scale, rows.offset]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        grey = cv2.warpAffine(bordered, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return columns.start, rows.start, grey > 127

    def union(self, groups: Sequence[Sequence[int]]) -> Masks:
        """Make one mask of each group of them, at the image's own resolution."""
        bitmaps = []
        for group in groups:
            parts = [part for part in map(self.window, group) if part[2].size]
            left = min((x for x, _, _ in parts), default=0)
            top = min((y for _, y, _ in parts), default=0)
            right = max((x + part.shape[1] for x, _, part in parts), default=0)
            bottom = max((y + part.shape[0] for _, y, part in parts), default=0)
            whole = np.zeros((bottom - top, right - left), bool)
            for x, y, part in parts:
                whole[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] |= part
            bitmaps.append((left, top, whole))
        return Masks(bitmaps, Placement(1.0, 0.0, 0.0), self._image_hw)

    def polygon(self, index: int) -> np.ndarray:
        """Give the outline of a mask's largest part: int32 (m, 2), x y in the image's pixels; m may be 0."""
        left, top, mask = self.window(index)
        contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        if not contours:
            return np.empty((0, 2), np.int32)
        return np.asarray(max(contours, key=cv2.contourArea).reshape(-1, 2) + np.array([left, top]), np.int32)


class _Reach(NamedTuple):
    """What of an image a bitmap of the canvas reaches, along one axis."""

    start: int  # the pixels of the image from here …
    end: int  # … to here
    first: bool  # whether the bitmap touches the image's first pixel
    last: bool  # and its last
    offset: float  # where the centre of the pixel `start` lies in the bitmap, with a border of one

    @classmethod
    def of(cls, bitmap_start: int, length: int, scale: float, pad: float, side: int) -> _Reach:
        """Compute it. canvas = image · scale + pad holds for edges; a pixel's centre is half a pixel further.

        The picture on the canvas was rounded to whole pixels there, so its edge is meant within one of them.
        """
        first, last = bitmap_start < pad + 1, bitmap_start + length > side * scale + pad - 1
        start = 0 if first else max(math.floor((bitmap_start - pad) / scale), 0)
        end = side if last else min(math.ceil((bitmap_start + length - pad) / scale), side)
        return cls(start, end, first, last, (start + 0.5) * scale + pad - 0.5 - (bitmap_start - 1))
