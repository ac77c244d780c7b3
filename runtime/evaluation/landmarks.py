"""How near keypoints come to where they truly are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .data import Dataset, Results
from .figures import iou, pair_up


class PointErrors(NamedTuple):
    """Mean distances of the points of paired boxes, as shares of a length of each.

    objects: how many boxes with known points there are; paired: how many of them were found.
    by_box: by the root of the true box's area. by_eyes: by the distance of the first two points, which of the
    five points of a face are the eyes; NaN if there are not five.
    """

    objects: int
    paired: int
    by_box: float
    by_eyes: float


def point_errors(
    dataset: Dataset, results: Results, conf_thres: float = 0.25, iou_thres: float = 0.5
) -> PointErrors:
    """Compute the normalised mean error of keypoints, over the true boxes that were found.

    Of the detections above `conf_thres`, each is paired with at most one true box of its category, the best
    overlaps first, if their IoU is above `iou_thres`. Points whose true place is not known don't count.
    https://ibug.doc.ic.ac.uk/resources/300-W/ describes the measure.
    """
    objects = paired = 0
    by_box, by_eyes = [], []
    for image_id in dataset.files:
        real = [each for each in dataset.annotations if each["image_id"] == image_id and "keypoints" in each]
        objects += len(real)
        found = results[image_id]
        if not real or found.keypoints is None:
            continue
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in (each["bbox"] for each in real)])
        overlap = iou(boxes, found.xyxy)
        overlap[np.array([each["category_id"] for each in real])[:, None] != found.category_ids] = 0
        overlap[:, found.scores <= conf_thres] = 0
        for row, column in pair_up(overlap, iou_thres):
            truth = np.array(real[row]["keypoints"]).reshape(-1, 3)
            points = found.keypoints[column]
            known = truth[:, 2] > 0
            if len(truth) != len(points) or not known.any():
                continue
            paired += 1
            error = np.linalg.norm(points - truth[:, :2], axis=1)[known].mean()
            width, height = real[row]["bbox"][2:]
            by_box.append(error / max(np.sqrt(width * height), 1e-9))
            if len(truth) == 5 and known[:2].all():
                by_eyes.append(error / max(np.linalg.norm(truth[0, :2] - truth[1, :2]), 1e-9))
    return PointErrors(objects, paired, _mean(by_box), _mean(by_eyes))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
