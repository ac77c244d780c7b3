"""Where the labels of boxes go, so that no label covers another one and each hides as little as it can.

Labels are placed one after the other, best detection first, in whole pixels and whole numbers: the C++ header
comes to the same places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_WHOLE = 50  # parts of a box that are told apart: hiding less than one of them counts nothing


def place_labels(
    boxes: np.ndarray, sizes: Sequence[tuple[int, int]], image_hw: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Find a place for the label of each box.

    boxes: int (n, 4), x1 y1 x2 y2, in the order in which labels choose; sizes: (width, height) of each one's.
    A label is tried above its box, below it, within its upper and its lower edge, at the box's left, its
    right and its middle, and beside it, moved into the image where its box reaches out of it. Of the places
    that lie in the image and meet no label placed before, it takes the one that hides least of all boxes,
    counted in shares of each box; of equals, the first.

    Returns (left, top) of each label, or None where every place is taken.
    """
    height, width = image_hw
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    x1, y1, x2, y2 = boxes.T
    areas = np.maximum((x2 - x1) * (y2 - y1), 1)
    taken = np.empty((0, 4), np.int64)
    places: list[tuple[int, int] | None] = []
    for box, (label_w, label_h) in zip(boxes.tolist(), sizes, strict=True):
        corners = np.array(_corners(box, label_w, label_h, image_hw), np.int64)
        rects = np.concatenate((corners, corners + np.array([label_w, label_h])), axis=1)
        inside = (rects[:, :2] >= 0).all(axis=1) & (rects[:, 2:] <= (width, height)).all(axis=1)
        free = inside & ~(_intersections(rects, taken) > 0).any(axis=1)
        if not free.any():
            places.append(None)
            continue
        hidden = (_intersections(rects, boxes) * _WHOLE // areas).sum(axis=1)
        best = int(np.where(free, hidden, np.iinfo(np.int64).max).argmin())
        places.append((int(corners[best, 0]), int(corners[best, 1])))
        taken = np.concatenate((taken, rects[best : best + 1]))
    return places


def _corners(
    box: Sequence[int], label_w: int, label_h: int, image_hw: tuple[int, int]
) -> list[tuple[int, int]]:
    """Name the upper left corners that a label may have, in the order of preference."""
    x1, y1, x2, y2 = box
    last_top, last_left = max(image_hw[0] - label_h, 0), max(image_hw[1] - label_w, 0)
    lefts = [min(max(left, 0), last_left) for left in (x1, x2 - label_w, (x1 + x2 - label_w) // 2)]
    tops = [y1 - label_h, y2, *(min(max(top, 0), last_top) for top in (y1, y2 - label_h))]
    corners = [(left, top) for left in lefts[:1] for top in tops]
    corners += [(left, top) for top in tops for left in lefts[1:]]
    corners += [(x2, y1), (x1 - label_w, y1), (x2, y2 - label_h), (x1 - label_w, y2 - label_h)]
    return corners


def _intersections(rects: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute the areas in which rectangles (m, 4) and (n, 4) meet. Returns int64 (m, n)."""
    low = np.maximum(rects[:, None, :2], others[None, :, :2])
    high = np.minimum(rects[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])
