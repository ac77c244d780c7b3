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
    """Compute 1 / (1 + e⁻ˣ) in float32; far outside ±88 it is exactly 0 or 1, without a warning."""
    with np.errstate(over="ignore"):
        return np.float32(1) / (np.float32(1) + np.exp(-x))


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
    parts = [
        _decode_head(head, head_anchors, stride, conf_thres, multi_label)
        for head, head_anchors, stride in zip(heads, anchors, strides, strict=True)
    ]
    xyxy, scores, class_ids = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return xyxy, scores, class_ids


def _decode_head(
    head: np.ndarray, anchors: np.ndarray, stride: int, conf_thres: float, multi_label: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    channels, ny, nx = head.shape
    na = len(anchors)
    if channels % na or channels // na < 6:
        raise ModelError(
            f"a head of {channels} channels does not fit {na} anchors with 5 + classes channels each"
        )
    planes = head.reshape(na, channels // na, ny * nx)
    objectness_logits = planes[:, 4]
    if np.isnan(objectness_logits.min()):
        raise ModelError("the network's output is not a number: on a 16-bit device, try the 32-bit one")

    # Only the objectness planes are read in full; everything else just where there is something to see.
    anchor, cell = np.nonzero(objectness_logits > logit(conf_thres))
    candidates = planes[anchor, :, cell]
    objectness = sigmoid(candidates[:, 4])
    if multi_label:
        scores = objectness[:, None] * sigmoid(candidates[:, 5:])
        kept, class_ids = np.nonzero(scores > conf_thres)
        scores = scores[kept, class_ids]
    else:
        class_ids = candidates[:, 5:].argmax(axis=1)
        scores = objectness * sigmoid(candidates[np.arange(len(candidates)), 5 + class_ids])
        kept = np.flatnonzero(scores > conf_thres)
        scores, class_ids = scores[kept], class_ids[kept]
    cell = cell[kept]
    grid = np.stack((cell % nx, cell // nx), axis=1).astype(np.float32)
    xyxy = decode_boxes(candidates[kept, :4], grid, anchors[anchor[kept]], stride)
    return xyxy, scores, class_ids.astype(np.int32)
