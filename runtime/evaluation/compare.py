"""Whether two files of detections agree, box by box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .data import Boxes, Dataset, Results
from .figures import iou, pair_up

MIN_IOU = 0.99
MAX_SCORE_DIFFERENCE = 1e-3


@dataclass
class Difference:
    """Where one image's detections and the others' differ.

    matched: pairs of one category with an IoU of at least MIN_IOU and scores within MAX_SCORE_DIFFERENCE.
    missing: boxes of the others without a partner here; extra: boxes here without a partner there.
    """

    image_id: int
    matched: int
    here: Boxes
    there: Boxes
    missing: list[int]
    extra: list[int]


def compare(here: Results, there: Results) -> list[Difference]:
    """Match the detections of two results, image by image, one to one."""
    differences = []
    for image_id in here:
        mine, other = here[image_id], there[image_id]
        quality = iou(other.xyxy, mine.xyxy)
        quality[other.category_ids[:, None] != mine.category_ids] = 0
        quality[np.abs(other.scores[:, None] - mine.scores) > MAX_SCORE_DIFFERENCE] = 0
        pairs = pair_up(quality, np.nextafter(MIN_IOU, 0))
        missing = sorted(set(range(len(other))) - {row for row, _ in pairs})
        extra = sorted(set(range(len(mine))) - {column for _, column in pairs})
        differences.append(Difference(image_id, len(pairs), mine, other, missing, extra))
    return differences


def explain(difference: Difference, dataset: Dataset) -> Iterator[str]:
    """Say in a line for each box that has no partner what and where it is, and what comes nearest to it."""
    for word, boxes, others, lonely in (
        ("missing", difference.there, difference.here, difference.missing),
        ("extra", difference.here, difference.there, difference.extra),
    ):
        overlap = iou(boxes.xyxy, others.xyxy)
        for i in lonely:
            category_id = boxes.category_ids[i]
            corners = " ".join(f"{x:.1f}" for x in boxes.xyxy[i])
            line = f"{word:8s}{dataset.categories[category_id]} {boxes.scores[i]:.4f} at {corners}"
            same = np.flatnonzero(others.category_ids == category_id)
            if len(same) and overlap[i, same].max() > 0:
                nearest = same[overlap[i, same].argmax()]
                line += f"; nearest has IoU {overlap[i, nearest]:.4f} and scores {others.scores[nearest]:.4f}"
            yield line
