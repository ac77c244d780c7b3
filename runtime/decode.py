"""From the network's raw head maps to candidate boxes.

With σ the logistic function, an anchor of w × h pixels and the cell (column, row) of a head of stride s:

    centre = (2σ(t_xy) − 0.5 + cell) · s        size = (2σ(t_wh))² · anchor
    score  = σ(t_objectness) · σ(t_class)

https://docs.ultralytics.com/yolov5/tutorials/architecture_description/#44-eliminate-grid-sensitivity
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .errors import ModelError


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
    anchors: (n, 2), width and height in pixels; strides: (n, 1) or one number.
    Returns float32 (n, 4): x1 y1 x2 y2 in pixels of the network's input.
    """
    doubled = 2 * sigmoid(logits)
    centre = (doubled[:, :2] - np.float32(0.5) + grid) * strides
    half = doubled[:, 2:] ** 2 * anchors / 2
    return np.concatenate((centre - half, centre + half), axis=1).astype(np.float32, copy=False)


def decode(
    heads: Sequence[np.ndarray],
    anchors: Sequence[np.ndarray],
    strides: Sequence[int],
    conf_thres: float,
    multi_label: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the candidates of one image whose score is above `conf_thres`.

    heads: for each output the raw map, float32 (na · (5 + classes), ny, nx), its channels anchor by anchor
    as x, y, w, h, objectness, classes…; anchors: for each output float32 (na, 2), in pixels; strides: for
    each output, in pixels. A candidate counts if its objectness and its score both are above `conf_thres`;
    it is given its best class (the first of equals), or with `multi_label` every class that is above.

    Returns xyxy float32 (n, 4) in pixels of the network's input, scores float32 (n,), class ids int32 (n,),
    in the order head, anchor, row, column, class.

    Raises ModelError if the heads don't fit the anchors or an objectness is not a number, as when
    16-bit arithmetic overflowed.
    """
    if not len(heads) == len(anchors) == len(strides):
        raise ModelError(
            f"the network has {len(heads)} heads, but there are anchors for {len(anchors)} and strides "
            f"for {len(strides)}"
        )
    threshold = logit(conf_thres)
    chosen = [_above(*head, threshold) for head in zip(heads, anchors, strides, strict=True)]
    logits, columns, rows, sizes, steps = (np.concatenate(arrays) for arrays in zip(*chosen, strict=True))
    if np.isnan(logits[:, 4]).any():
        raise ModelError("the network's output is not a number: on a 16-bit device, try the 32-bit one")

    objectness, classes = sigmoid(logits[:, 4]), logits[:, 5:]
    if multi_label:
        candidate, class_ids = _likely(objectness, classes, conf_thres)
    else:
        candidate, class_ids = np.arange(len(classes)), classes.argmax(axis=1)
    scores = objectness[candidate] * sigmoid(classes[candidate, class_ids])
    kept = scores > conf_thres
    grid = np.stack((columns, rows), axis=1).astype(np.float32)
    xyxy = decode_boxes(logits[:, :4], grid, sizes, steps[:, None])[candidate[kept]]
    return xyxy, scores[kept], class_ids[kept].astype(np.int32)


def _above(
    head: np.ndarray, anchors: np.ndarray, stride: int, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pick the candidates of a head whose objectness logit is above a threshold, or not a number.

    Returns of each its logits (n, 5 + classes), its cell's column (n,) and row (n,), its anchor (n, 2) and
    its stride (n,).
    """
    channels, ny, nx = head.shape
    na = len(anchors)
    if channels % na or channels // na < 6:
        raise ModelError(f"a head of {channels} channels does not fit {na} anchors with 5 + classes channels")
    # Only the objectness planes are read in full; everything else just where there is something to see.
    planes = head.reshape(na, channels // na, ny * nx)
    anchor, cell = np.divmod(np.flatnonzero(~(planes[:, 4] <= threshold)), ny * nx)
    row, column = np.divmod(cell, nx)
    return planes[anchor, :, cell], column, row, anchors[anchor], np.full(len(cell), stride, np.float32)


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
