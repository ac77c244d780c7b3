"""From the network's raw head maps to candidate boxes.

With σ the logistic function, an anchor of w × h pixels and the cell (column, row) of a head of stride s:

    centre = (2σ(t_xy) − 0.5 + cell) · s        size = (2σ(t_wh))² · anchor
    score  = σ(t_objectness) · σ(t_class)

https://docs.ultralytics.com/yolov5/tutorials/architecture_description/#44-eliminate-grid-sensitivity
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import NOT_FINITE, ModelError
from .candidates import Candidates


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + e⁻ˣ) in float32, for any x without overflow: from −87 down it is 2e-38."""
    return np.float32(1) / (np.float32(1) + np.exp(-np.maximum(x, np.float32(-87))))


def logit(probability: float) -> float:
    """Compute the inverse of `sigmoid`: ln(p / (1 − p)), from −∞ at 0 to +∞ at 1."""
    if probability <= 0:
        return -math.inf
    if probability >= 1:
        return math.inf
    return math.log(probability / (1 - probability))


def decode_boxes(
    logits: np.ndarray, grid: np.ndarray, anchors: np.ndarray, strides: np.ndarray | float
) -> np.ndarray:
    """Compute boxes from the four box logits of each candidate.

    logits: float32 (n, 4), t_x t_y t_w t_h; grid: (n, 2), column and row of each one's cell;
    anchors: (n, 2), width and height in pixels; strides: (n, 1) or one number, in pixels.
    Returns float32 (n, 4): x1 y1 x2 y2 in pixels of the network's input.
    """
    doubled = 2 * sigmoid(logits)
    centre = (doubled[:, :2] - np.float32(0.5) + grid) * strides
    half = doubled[:, 2:] ** 2 * anchors / 2
    return np.concatenate((centre - half, centre + half), axis=1).astype(np.float32, copy=False)


class Layout(NamedTuple):
    """Which of one anchor's outputs hold what: x, y, w, h and objectness are always the first five.

    classes: one logit for each; extra: whatever a task adds (mask coefficients, keypoints), none by default.
    """

    classes: slice
    extra: slice = slice(0, 0)

    @property
    def channels(self) -> int:
        """How many outputs an anchor has."""
        return max(5, int(self.classes.stop), int(self.extra.stop))


class Picked(NamedTuple):
    """Outputs of a network that are worth decoding, one anchor of one cell a row.

    logits: float32 (n, channels), as a Layout names them; grid: float32 (n, 2), column and row of the cell;
    anchors: float32 (n, 2), width and height in pixels; strides: float32 (n, 1), in pixels.
    """

    logits: np.ndarray
    grid: np.ndarray
    anchors: np.ndarray
    strides: np.ndarray

    def rows(self, index: np.ndarray) -> Picked:
        """Choose rows, of every column."""
        return Picked(*(column[index] for column in self))


def decode(
    heads: Sequence[np.ndarray],
    anchors: Sequence[np.ndarray],
    strides: Sequence[int],
    layout: Layout,
    conf_thres: float,
    multi_label: bool = False,
    decode_extra: Callable[[Picked], np.ndarray] | None = None,
) -> Candidates:
    """Find the candidates of one image whose score is above `conf_thres`.

    heads: for each output the raw map, float32 (na · channels, ny, nx), its channels anchor by anchor as
    `layout` says; anchors: for each output float32 (na, 2), in pixels; strides: for each output, in pixels.
    A candidate counts if its objectness and its score both are above `conf_thres`; it is given its best class
    (the first of equals), or with `multi_label` every class that is above. `decode_extra` computes the column
    `extra`, float32 (n, e), of the chosen rows; without it, it holds the layout's extra logits as they are.

    Returns the Candidates in the order head, anchor, row, column, class, boxes in pixels of the network's
    input.

    Raises ModelError if the heads don't fit the anchors and the layout, or an objectness is not a number, as
    when 16-bit arithmetic overflowed.
    """
    if not len(heads) == len(anchors) == len(strides):
        raise ModelError(
            f"the network has {len(heads)} heads, but there are anchors for {len(anchors)} and strides "
            f"for {len(strides)}"
        )
    picked = _pick(heads, anchors, strides, layout, logit(conf_thres))
    if np.isnan(picked.logits[:, 4]).any():
        raise ModelError(NOT_FINITE)

    objectness, classes = sigmoid(picked.logits[:, 4]), picked.logits[:, layout.classes]
    if multi_label:
        row, class_ids = _likely(objectness, classes, conf_thres)
    else:
        row, class_ids = np.arange(len(classes)), classes.argmax(axis=1)
    scores = objectness[row] * sigmoid(classes[row, class_ids])
    kept = scores > conf_thres
    row = row[kept]
    xyxy = decode_boxes(picked.logits[:, :4], picked.grid, picked.anchors, picked.strides)[row]
    extra = decode_extra(picked.rows(row)) if decode_extra else picked.logits[:, layout.extra][row]
    return Candidates(xyxy, scores[kept], class_ids[kept].astype(np.int32), extra)


def _pick(
    heads: Sequence[np.ndarray],
    anchors: Sequence[np.ndarray],
    strides: Sequence[int],
    layout: Layout,
    threshold: float,
) -> Picked:
    """Pick, of all heads, what has an objectness logit above a threshold, or one that is not a number."""
    chosen = []
    for head, pairs, stride in zip(heads, anchors, strides, strict=True):
        channels, ny, nx = head.shape
        na = len(pairs)
        if channels != na * layout.channels:
            raise ModelError(
                f"a head of {channels} channels does not fit {na} anchors of {layout.channels} channels each"
            )
        # Only the objectness planes are read in full; everything else just where there is something to see.
        planes = head.reshape(na, layout.channels, ny * nx)
        anchor, cell = np.divmod(np.flatnonzero(~(planes[:, 4] <= threshold)), ny * nx)
        row, column = np.divmod(cell, nx)
        steps = np.full(len(cell), stride, np.float32)
        chosen.append((planes[anchor, :, cell], column, row, pairs[anchor], steps))
    logits, columns, rows, sizes, steps = (np.concatenate(arrays) for arrays in zip(*chosen, strict=True))
    grid = np.stack((columns, rows), axis=1).astype(np.float32)
    return Picked(logits, grid, sizes, steps[:, None])


def _likely(objectness: np.ndarray, classes: np.ndarray, conf_thres: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the candidates and classes whose score may be above `conf_thres`, without computing the others'.

    objectness: float32 (n,), probabilities; classes: float32 (n, classes), logits. A class probability has to
    be above 1 / r with r = objectness / conf_thres, so its logit above −ln(r − 1). The limit is set lower by
    far more than float32 rounds, so that none is missed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # a conf_thres of 0 lets everything through
        ratio = objectness / np.float32(conf_thres)
        limit = -np.log(ratio * np.float32(1 + 1e-5) - 1) - np.float32(1e-3)
    return np.divmod(np.flatnonzero(classes > limit[:, None]), classes.shape[1])
