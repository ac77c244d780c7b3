"""From the raw head maps of an anchor-free network (yolov5u, YOLOv8) to candidate boxes.

With the cell (column, row) of a head of stride s, and for each side the distance d = Σ k · softmax(bins)_k:

    x1 = (column + 0.5 − d_left) · s    y1 = (row + 0.5 − d_top) · s
    x2 = (column + 0.5 + d_right) · s   y2 = (row + 0.5 + d_bottom) · s
    score = σ(t_class)

Distribution focal loss, https://arxiv.org/abs/2006.04388 (section 3.2): bin k stands for the distance k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ModelError
from .candidates import Candidates
from .decode import logit, sigmoid


def decode_distances(bins: np.ndarray, grid: np.ndarray, strides: np.ndarray | float) -> np.ndarray:
    """Compute boxes from the distributions of each candidate's four distances.

    bins: float32 (n, 4, reg_max), logits for left, top, right, bottom; grid: (n, 2), column and row of each
    one's cell; strides: (n, 1) or one number.
    Returns float32 (n, 4): x1 y1 x2 y2 in pixels of the network's input.
    """
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    numbers = np.arange(bins.shape[2], dtype=np.float32)
    distances = (weights @ numbers) / weights.sum(axis=2)
    centre = grid + np.float32(0.5)
    xyxy = np.concatenate((centre - distances[:, :2], centre + distances[:, 2:]), axis=1) * strides
    return xyxy.astype(np.float32, copy=False)


def decode_anchor_free(
    heads: Sequence[np.ndarray],
    strides: Sequence[int],
    reg_max: int,
    conf_thres: float,
    multi_label: bool = False,
) -> Candidates:
    """Find the candidates of one image whose score is above `conf_thres`.

    heads: for each output the raw map, float32 (4 · reg_max + classes, ny, nx): the bins of the left, top,
    right and bottom distance, then the classes; strides: for each output, in pixels. A candidate is given its
    best class (the first of equals), or with `multi_label` every class that is above.

    Returns Candidates in the order head, row, column, class, without anything extra.

    Raises ModelError if a class logit is not a number, as when 16-bit arithmetic overflowed.
    """
    threshold = np.nextafter(np.float32(logit(conf_thres)), np.float32(-np.inf))  # none is lost to rounding
    boxes, scores, class_ids = [], [], []
    for head, stride in zip(heads, strides, strict=True):
        channels, _, nx = head.shape
        maps = head.reshape(channels, -1)
        classes = maps[4 * reg_max :]
        # A class logit that is not a number is in no order with anything: it makes the largest one so, too.
        if np.isnan(classes.max(initial=-np.inf)):
            raise ModelError("the network's output is not a number: on a 16-bit device, try the 32-bit one")
        if multi_label:
            cell, class_id = np.nonzero(threshold < classes.T)
        else:
            cell = np.flatnonzero(classes.max(axis=0) > threshold)
            class_id = classes[:, cell].argmax(axis=0)
        row, column = np.divmod(cell, nx)
        grid = np.stack((column, row), axis=1).astype(np.float32)
        bins = maps[: 4 * reg_max, cell].T.reshape(-1, 4, reg_max)
        boxes.append(decode_distances(bins, grid, np.float32(stride)))
        scores.append(sigmoid(classes[class_id, cell]))
        class_ids.append(class_id.astype(np.int32))
    joined = np.concatenate(boxes), np.concatenate(scores), np.concatenate(class_ids)
    found = Candidates(*joined, extra=np.empty((len(joined[0]), 0), np.float32))
    return found[found.scores > conf_thres]
