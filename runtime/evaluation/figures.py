"""How good detections are: COCO's figures, computed by pycocotools, and the confusion matrix."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .data import Boxes, Dataset, Results, coco_rows

# in the order of pycocotools' COCOeval.stats
NAMES = (
    ("AP", "IoU 0.50 to 0.95"),
    ("AP50", "IoU 0.50"),
    ("AP75", "IoU 0.75"),
    ("AP small", "area below 32²"),
    ("AP medium", "area 32² to 96²"),
    ("AP large", "area above 96²"),
    ("AR 1", "1 box an image"),
    ("AR 10", "10 boxes an image"),
    ("AR 100", "100 boxes an image"),
    ("AR small", "100 boxes, area below 32²"),
    ("AR medium", "100 boxes, area 32² to 96²"),
    ("AR large", "100 boxes, area above 96²"),
)


@dataclass
class ClassFigures:
    """One category's share: how many true boxes, AP over IoU 0.50 to 0.95, AP at 0.50, precision by recall.

    curve: float64 (101,), the precision at IoU 0.50 for recalls of 0, 0.01, … 1.
    """

    name: str
    boxes: int
    ap: float
    ap50: float
    curve: np.ndarray


def coco_figures(
    dataset: Dataset, results: Results, kind: Literal["bbox", "segm"] = "bbox"
) -> tuple[list[float], list[ClassFigures]]:
    """Compute COCO's twelve figures, as named in NAMES, and each category's that has true boxes.

    kind: whether boxes or masks must overlap; for masks every true object and detection needs one. A figure
    is NaN where there is nothing to find, as when no box is small.
    """
    from pycocotools import mask
    from pycocotools.cocoeval import COCOeval

    found = []
    for row in coco_rows(results):
        area = row["bbox"][2] * row["bbox"][3] if kind == "bbox" else float(mask.area(row["segmentation"]))
        found.append({**row, "area": area, "iscrowd": 0})
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints as it goes
        evaluation = COCOeval(_coco(dataset, dataset.annotations), _coco(dataset, found), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [float(value) if value >= 0 else float("nan") for value in evaluation.stats]

    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # IoU, recall, category; all areas, 100 boxes
    classes = []
    for i, category_id in enumerate(evaluation.params.catIds):
        boxes = sum(
            each["category_id"] == category_id and not each["iscrowd"] for each in dataset.annotations
        )
        if boxes:
            mine = precision[:, :, i]
            name = dataset.categories[category_id]
            classes.append(ClassFigures(name, boxes, float(mine.mean()), float(mine[0].mean()), mine[0]))
    return stats, classes


def _coco(dataset: Dataset, annotations: Iterable[dict[str, Any]]) -> Any:
    """Make pycocotools' object of true boxes or of detections."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [
            {"id": image_id, **dict(zip(("height", "width"), dataset.sizes.get(image_id, ()), strict=False))}
            for image_id in dataset.files
        ],
        "categories": [{"id": key, "name": name} for key, name in dataset.categories.items()],
        "annotations": [{**each, "id": number} for number, each in enumerate(annotations, 1)],
    }
    coco.createIndex()
    return coco


def confusion_matrix(
    dataset: Dataset, results: Results, conf_thres: float = 0.25, iou_thres: float = 0.45
) -> np.ndarray:
    """Count which categories were taken for which, as YOLOv5 does it.

    Of the detections above `conf_thres`, each is paired with at most one true box, whatever its category, the
    best overlaps first, if their IoU is above `iou_thres`. True boxes that are crowds are left out.

    Returns int64 (n + 1, n + 1): row = detected, column = true category, in the order of
    `dataset.categories`; the last row counts true boxes that were missed and the last column detections
    where nothing is.
    """
    position = {category_id: i for i, category_id in enumerate(dataset.categories)}
    nothing = len(position)
    matrix = np.zeros((nothing + 1, nothing + 1), np.int64)
    truth = true_boxes(dataset)
    for image_id in dataset.files:
        real, found = truth[image_id], results[image_id]
        certain = found.scores > conf_thres
        rows = [position[category_id] for category_id in found.category_ids[certain]]
        columns = [position[category_id] for category_id in real.category_ids]
        pairs = pair_up(iou(found.xyxy[certain], real.xyxy), iou_thres)
        for row, column in pairs:
            matrix[rows[row], columns[column]] += 1
        for row in set(range(len(rows))) - {row for row, _ in pairs}:
            matrix[rows[row], nothing] += 1
        for column in set(range(len(columns))) - {column for _, column in pairs}:
            matrix[nothing, columns[column]] += 1
    return matrix


def true_boxes(dataset: Dataset) -> Results:
    """Sort the true boxes that are no crowds by image, with a score of 1."""
    rows: dict[int, list[list[float]]] = {image_id: [] for image_id in dataset.files}
    for each in dataset.annotations:
        if not each["iscrowd"]:
            x, y, w, h = each["bbox"]
            rows[each["image_id"]].append([x, y, x + w, y + h, each["category_id"]])
    tables = {image_id: np.array(mine, np.float64).reshape(-1, 5) for image_id, mine in rows.items()}
    return {
        image_id: Boxes(table[:, :4], np.ones(len(table)), table[:, 4].astype(np.int64))
        for image_id, table in tables.items()
    }


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the intersection over union of each box with each: (n, 4) and (m, 4), xyxy, to (n, m).

    It is 0 where both boxes are without area.
    """
    a, b = first[:, None], second[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = sides.clip(0).prod(axis=2)
    union = (a[..., 2:] - a[..., :2]).prod(axis=2) + (b[..., 2:] - b[..., :2]).prod(axis=2) - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)


def pair_up(quality: np.ndarray, above: float) -> list[tuple[int, int]]:
    """Pair rows with columns, each at most once, the highest entries first, as long as they are `above`."""
    rows, columns = np.nonzero(quality > above)
    order = np.argsort(-quality[rows, columns], kind="stable")
    pairs: dict[int, int] = {}
    taken = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return list(pairs.items())
