"""Non-maximum suppression: of boxes that overlap too much, keep the one with the highest score."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..errors import InputError

MAX_NMS = 30000  # only so many of the best candidates are looked at, as in YOLOv5
_BLOCK = 192  # candidates that are compared at once; 128 to 256 are about equally fast
_EARLIER = np.triu(np.ones((_BLOCK, _BLOCK), bool), 1)  # row before column


class Boxes(Protocol):
    """Candidates, Detections, or whatever else has these columns."""

    xyxy: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def nms(
    candidates: Boxes,
    iou_thres: float,
    max_det: int,
    agnostic: bool = False,
) -> np.ndarray:
    """Choose boxes greedily by score; suppress those whose IoU with a chosen one is above `iou_thres`.

    candidates: their columns xyxy, scores and class_ids count; Detections do as well. A box suppresses others
    of its own class only, or of all classes if `agnostic`. Equal scores are taken in the order given. IoU is
    intersection / (area + area − intersection) in float32, compared with the threshold exactly, as
    torchvision does it; boxes without any area suppress nothing.

    Returns the indices of the chosen boxes, int64 (k,), best first, at most `max_det`: `candidates[kept]` has
    them. Raises InputError if the columns differ in length.
    """
    xyxy, scores, class_ids = candidates.xyxy, candidates.scores, candidates.class_ids
    if not len(xyxy) == len(scores) == len(class_ids):
        raise InputError(f"{len(xyxy)} boxes, {len(scores)} scores and {len(class_ids)} classes don't match")
    threshold = np.float32(iou_thres)
    if float(threshold) > iou_thres:  # 0.6 is 0.6000000238 in float32: an IoU of that very value is above 0.6
        threshold = np.nextafter(threshold, np.float32(0))
    order = np.argsort(-scores, kind="stable")[:MAX_NMS]
    x1, y1, x2, y2 = np.ascontiguousarray(xyxy[order].T, np.float32)
    area = (x2 - x1) * (y2 - y1)
    classes = np.zeros(len(order), np.int32) if agnostic else class_ids[order]

    def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Tell of each box in `first` (rows) and `second` (columns) whether they overlap too much."""
        width = np.minimum(x2[first, None], x2[second])
        width -= np.maximum(x1[first, None], x1[second])
        height = np.minimum(y2[first, None], y2[second])
        height -= np.maximum(y1[first, None], y1[second])
        intersection = np.maximum(width, 0, out=width)
        intersection *= np.maximum(height, 0, out=height)
        union = np.add(area[first, None], area[second], out=height)
        union -= intersection
        with np.errstate(invalid="ignore"):  # 0 / 0 of boxes without area
            iou = np.divide(intersection, union, out=intersection)
        return (iou > threshold) & (classes[first, None] == classes[second])

    kept = np.empty(0, np.int64)  # positions in `order`
    for start in range(0, len(order), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(order)))
        if len(kept):
            block = block[~overlap(kept, block).any(axis=0)]
        # Within the block a box falls to any earlier one that itself stands. Start with all standing and
        # repeat until nothing changes: each round settles at least one more box, and most blocks take three.
        suppresses = overlap(block, block) & _EARLIER[: len(block), : len(block)]
        stands: np.ndarray = np.ones(len(block), bool)
        while True:
            settled: np.ndarray = ~suppresses[stands].any(axis=0)
            if (settled == stands).all():
                break
            stands = settled
        kept = np.concatenate((kept, block[stands]))
        if len(kept) >= max_det:
            break
    return order[kept[:max_det]]
