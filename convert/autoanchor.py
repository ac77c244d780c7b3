"""Anchors for one's own labels, as YOLOv5's autoanchor finds them, and how well anchors fit labels.

An anchor fits a box if neither its width nor its height is off by more than a factor of 4: training assigns
no other boxes to it. The share of boxes that some anchor fits is the best possible recall.
https://github.com/ultralytics/yolov5/blob/v7.0/utils/autoanchor.py
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from runtime.errors import InputError
from runtime.evaluation.annotations import picture_size
from runtime.evaluation.data import Dataset

THRESHOLD = 4.0  # by what factor a box's sides may differ from an anchor's
MIN_SIDE = 2.0  # pixels of the network's input: smaller boxes don't count, and no anchor is smaller
GENERATIONS = 1000
MUTATED = 0.9  # the probability with which a generation changes each number,
SPREAD = 0.1  # and the deviation of the factor


class Fit(NamedTuple):
    """How anchors fit boxes.

    recall: the share of boxes that some anchor fits: the best possible recall.
    anchors: how many anchors fit a box, on average.
    """

    recall: float
    anchors: float


def box_sizes(dataset: Dataset, images: Path, imgsz: int) -> np.ndarray:
    """Give widths and heights of all boxes as the network sees them, float64 (n, 2), in pixels.

    Every image is scaled so that its longer side is `imgsz`, as letterboxing does it. Crowds don't count, nor
    do boxes that are smaller than `MIN_SIDE` then. Raises InputError if no box is left.
    """
    by_image: dict[int, list[list[float]]] = {}
    for each in dataset.annotations:
        if not each["iscrowd"]:
            by_image.setdefault(each["image_id"], []).append(each["bbox"][2:])
    sizes = [
        np.array(boxes) * (imgsz / max(picture_size(images / dataset.files[image_id])))
        for image_id, boxes in by_image.items()
    ]
    found = np.concatenate(sizes) if sizes else np.empty((0, 2))
    found = found[(found >= MIN_SIDE).any(axis=1) & (found > 0).all(axis=1)]
    if not len(found):
        raise InputError(f"the labels have no box of {MIN_SIDE:g} pixels or more")
    return found


def fit(sizes: np.ndarray, anchors: np.ndarray) -> Fit:
    """Tell how anchors (n, 2) fit boxes of these sizes (m, 2)."""
    fits = _closeness(sizes, anchors) > 1 / THRESHOLD
    return Fit(float(fits.any(axis=1).mean()), float(fits.sum(axis=1).mean()))


def find_anchors(sizes: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Find anchors for boxes of these sizes (n, 2): float64 (count, 2), smallest area first.

    The centres of k-means, refined by mutation: of each generation, a change that makes boxes closer to the
    anchors that fit them is kept. The same labels and seed give the same anchors.

    Raises InputError if there are fewer boxes than anchors.
    """
    if len(sizes) < count:
        raise InputError(f"{count} anchors need {count} boxes or more, and there are {len(sizes)}")
    spread = np.maximum(sizes.std(axis=0), 1e-6)
    cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-3)
    points = (sizes / spread).astype(np.float32)
    _, _, centres = cv2.kmeans(points, count, None, criteria, 10, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    best = np.maximum(centres * spread, MIN_SIDE)
    best_fitness = _fitness(sizes, best)
    random = np.random.default_rng(seed)
    for _ in range(GENERATIONS):
        mutates = random.random(best.shape) < MUTATED
        factors = 1 + mutates * random.random() * random.normal(0, SPREAD, best.shape)
        changed = np.maximum(best * np.clip(factors, 0.3, 3), MIN_SIDE)
        fitness = _fitness(sizes, changed)
        if fitness > best_fitness:
            best, best_fitness = changed, fitness
    return best[np.argsort(best.prod(axis=1))]


def _closeness(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Give, for each box and anchor, the factor (0 to 1) of the sides that differ most: (boxes, anchors)."""
    ratios = sizes[:, None] / anchors[None]
    return np.minimum(ratios, 1 / ratios).min(axis=2)


def _fitness(sizes: np.ndarray, anchors: np.ndarray) -> float:
    """Give the mean closeness of each box's best anchor, 0 where none fits."""
    best = _closeness(sizes, anchors).max(axis=1)
    return float((best * (best > 1 / THRESHOLD)).mean())
