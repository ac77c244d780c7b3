"""Small objects in large pictures: overlapping tiles at full resolution, the whole picture as well, and one
answer from all of them.

What a tile's edge cuts through is found in part. A neighbour holds it whole if it is no larger than the
overlap, and the whole picture shows it if it is large; what is left are pieces of things in between, which
are put together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..results.columns import column_of
from ..results.detections import Detections
from ..stages.nms import nms

MIN_TILE = 32  # pixels
OVERLAP = 0.25  # of a tile's side that its neighbour shows, too, at least
_EDGE = 0.015  # of a window's side: a box that comes so near to an edge of it is cut there
_SAME = 0.6  # of the smaller one's area, in what two windows both see: two boxes there show the same thing


class Window(NamedTuple):
    """A part of an image: its left, top, right and bottom in pixels."""

    left: int
    top: int
    right: int
    bottom: int


def tile_windows(image_hw: tuple[int, int], side: int) -> list[Window]:
    """Lay tiles of `side` × `side` pixels over an image of (h, w), evenly, as few as overlap by OVERLAP.

    Returns the whole image first, then the tiles row by row; for an image no larger than a tile, only itself.
    """
    height, width = image_hw
    windows = [Window(0, 0, width, height)]
    if max(height, width) > side:
        for top in _starts(height, side):
            for left in _starts(width, side):
                windows.append(Window(left, top, min(left + side, width), min(top + side, height)))
    return windows


def _starts(length: int, side: int) -> list[int]:
    """Say where tiles start along an axis."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side * (1 - OVERLAP))) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def merge_windows(
    parts: Sequence[Detections],
    windows: Sequence[Window],
    image_hw: tuple[int, int],
    iou_thres: float,
    max_det: int,
    agnostic: bool = False,
) -> Detections:
    """Make one answer of what was found in each window, each in its own window's pixels.

    Whole boxes compete as in `nms`. A piece, cut off by a tile's edge, that shows the same as a whole box of
    its class in what both their windows see, gives way to it; pieces that show the same become one box around
    all of them, with the best one's score. (With `agnostic`, of any class.) A mask becomes the union of its
    pieces; keypoints are those of the best piece.

    Returns Detections in the image's pixels, best first, at most `max_det`.
    """
    joined = Detections.concatenate(
        [_moved(part, window, image_hw) for part, window in zip(parts, windows, strict=True)]
    )
    cut = np.concatenate([_cut(part, window, image_hw) for part, window in zip(parts, windows, strict=True)])
    seen = np.repeat(np.array(windows, np.float32).reshape(-1, 4), [len(part) for part in parts], axis=0)
    classes = np.zeros(len(joined), int) if agnostic else joined.class_ids

    whole = np.flatnonzero(~cut)
    groups = [[i] for i in whole[nms(joined[whole], iou_thres, max_det, agnostic)].tolist()]
    group_of = {group[0]: group for group in groups}
    pieces = np.flatnonzero(cut)
    for i in pieces[np.argsort(-joined.scores[pieces], kind="stable")].tolist():
        others = np.array([j for j in group_of if classes[j] == classes[i]], int)
        same = _same(joined.xyxy[i], seen[i], joined.xyxy[others], seen[others])
        if same.max(initial=0) <= _SAME:
            group_of[i] = [i]
            groups.append(group_of[i])
            continue
        group = group_of[int(others[same.argmax()])]
        if cut[group[0]]:  # of one thing, whose other pieces this one may lead to
            group.append(i)
            group_of[i] = group
    groups.sort(key=lambda group: -joined.scores[group[0]])
    return _united(joined, groups[:max_det])


def _moved(part: Detections, window: Window, image_hw: tuple[int, int]) -> Detections:
    """Bring what was found in a window to the image's pixels."""
    left, top = window[:2]
    columns = {
        name: column_of(name).moved(values, left, top, image_hw) for name, values in part.columns.items()
    }
    xyxy = part.xyxy + np.array([left, top] * 2, np.float32)
    return Detections(xyxy, part.scores, part.class_ids, part.names, timings=part.timings, **columns)


def _cut(part: Detections, window: Window, image_hw: tuple[int, int]) -> np.ndarray:
    """Tell which boxes, in their window's pixels, reach an edge of it that is not the image's: bool (n,)."""
    left, top, right, bottom = window
    height, width = image_hw
    near = _EDGE * max(right - left, bottom - top)
    x1, y1, x2, y2 = part.xyxy.T
    return (
        ((left > 0) & (x1 < near))
        | ((top > 0) & (y1 < near))
        | ((right < width) & (x2 > right - left - near))
        | ((bottom < height) & (y2 > bottom - top - near))
    )


def _same(box: np.ndarray, window: np.ndarray, boxes: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Compute what a box, (4,), and each of others, (n, 4), have in common where both their windows see.

    Returns shares of the smaller one's area there, (n,).
    """
    low, high = np.maximum(window[:2], windows[:, :2]), np.minimum(window[2:], windows[:, 2:])
    first = np.concatenate((np.clip(box[:2], low, high), np.clip(box[2:], low, high)), axis=1)
    second = np.concatenate((np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)), axis=1)
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    common = np.maximum(sides, 0).prod(axis=1)
    areas = [np.maximum(each[:, 2:] - each[:, :2], 0).prod(axis=1) for each in (first, second)]
    return np.asarray(common / np.maximum(np.minimum(*areas), 1e-9))


def _united(joined: Detections, groups: list[list[int]]) -> Detections:
    """Make one row of each group, that of its first member, with the box and the mask of all."""
    united = joined[np.array([group[0] for group in groups], int)]
    for row, group in zip(united.xyxy, groups, strict=True):
        row[:2], row[2:] = joined.xyxy[group, :2].min(axis=0), joined.xyxy[group, 2:].max(axis=0)
    rows = {name: column_of(name).united(values, groups) for name, values in joined.columns.items()}
    return united.with_columns(**rows)
