"""Non-maximum suppression: of boxes that overlap too much, keep the one with the highest score."""

from __future__ import annotations

import numpy as np

from .errors import InputError

MAX_NMS = 30000  # only so many of the best candidates are looked at, as in YOLOv5
_BLOCK = 256


def nms(
    xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    iou_thres: float,
    max_det: int,
    agnostic: bool = False,
) -> np.ndarray:
    """Choose boxes greedily by score; suppress those whose IoU with a chosen one is above `iou_thres`.

    xyxy: float32 (n, 4); scores: float32 (n,); class_ids: int (n,). A box suppresses others of its own class
    only, or of all classes if `agnostic`. Equal scores are taken in the order given. IoU is
    intersection / (area + area − intersection) in float32, compared with the threshold exactly, as
    torchvision does it; boxes without any area suppress nothing.

    Returns the indices of the chosen boxes, int64 (k,), best first, at most `max_det`.
    """
    if not len(xyxy) == len(scores) == len(class_ids):
        raise InputError(f"{len(xyxy)} boxes, {len(scores)} scores and {len(class_ids)} classes don't match")
    threshold = np.float32(iou_thres)
    if float(threshold) > iou_thres:  # 0.6 is 0.6000000238 in float32: an IoU of that very value is above 0.6
        threshold = np.nextafter(threshold, np.float32(0))
    order = np.argsort(-scores, kind="stable")[:MAX_NMS]
    boxes = xyxy[order].astype(np.float32, copy=False)
    classes = np.zeros(len(order), np.int32) if agnostic else class_ids[order]

    kept = np.empty(0, np.int64)  # positions in `order`
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        block = block[~_suppresses(boxes, classes, kept, block, threshold).any(axis=0)]
        # Within the block a box falls to any earlier one that itself stands. Start with all standing and
        # repeat until nothing changes: each round settles at least one more box, and most blocks take three.
        suppresses = np.triu(_suppresses(boxes, classes, block, block, threshold), 1)
        stands: np.ndarray = np.ones(len(block), bool)
        while True:
            settled: np.ndarray = ~suppresses[stands].any(axis=0)
            if np.array_equal(settled, stands):
                break
            stands = settled
        kept = np.concatenate((kept, block[stands]))
        if len(kept) >= max_det:
            break
    return order[kept[:max_det]]


def _suppresses(
    boxes: np.ndarray, classes: np.ndarray, first: np.ndarray, second: np.ndarray, threshold: np.float32
) -> np.ndarray:
    """Tell of each box in `first` (rows) and `second` (columns) whether they overlap too much."""
    return (iou(boxes[first], boxes[second]) > threshold) & (classes[first][:, None] == classes[second])


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the intersection over union of each box with each: xyxy (n, 4) and (m, 4) to float32 (n, m).

    It is NaN where both boxes are without area.
    """
    a, b = first[:, None], second[None]
    width = np.maximum(np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]), 0)
    height = np.maximum(np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]), 0)
    intersection = width * height
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return intersection / (area_a + area_b - intersection)
