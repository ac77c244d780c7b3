"""What `evaluate` prints and draws: figures, accuracies, and how far two results agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..escape import escape
from .classes import ClassAccuracy
from .compare import MAX_SCORE_DIFFERENCE, MIN_IOU, compare, explain
from .data import Dataset, Results
from .figures import NAMES, ClassFigures, coco_figures, confusion_matrix
from .landmarks import point_errors

ENOUGH = 0.999  # of the boxes, both ways, must agree
SHOWN = 10  # images that are listed when results differ


def report(dataset: Dataset, results: Results, folder: Path) -> None:
    """Print the figures and draw the pictures."""
    classes = _print_figures(*coco_figures(dataset, results))
    if _have(results, "masks") and all("segmentation" in each for each in dataset.annotations):
        print("\nmasks")
        _print_figures(*coco_figures(dataset, results, "segm"))
    if _have(results, "keypoints") and any("keypoints" in each for each in dataset.annotations):
        errors = point_errors(dataset, results)
        print(
            f"\nkeypoints of {errors.paired} of {errors.objects} objects; their mean distance, as a share of"
        )
        print(f"{'the root of the box':21}{errors.by_box:.4f}\n{'the eyes apart':21}{errors.by_eyes:.4f}")

    from .plots import draw_confusion_matrix, draw_precision_recall  # matplotlib takes its time

    names = list(dataset.categories.values())
    draw_precision_recall(classes, folder / "precision-recall.png")
    draw_confusion_matrix(confusion_matrix(dataset, results), names, folder / "confusion-matrix.png")
    print(f"\npictures in {escape(str(folder), 1000)}")


def _have(results: Results, column: str) -> bool:
    """Whether all detections have it, and there are any."""
    found = [boxes for boxes in results.values() if len(boxes)]
    return bool(found) and all(getattr(boxes, column) is not None for boxes in found)


def _print_figures(figures: Sequence[float], classes: list[ClassFigures]) -> list[ClassFigures]:
    """Print a line for each class, then COCO's twelve figures. Gives the classes back."""
    shown = [escape(each.name, 60) for each in classes]
    width = max([len(name) for name in shown] + [9])
    print(f"\n{'class':{width}}  boxes     AP   AP50")
    for each, name in zip(classes, shown, strict=True):
        print(f"{name:{width}}  {each.boxes:5d}  {each.ap:.3f}  {each.ap50:.3f}")
    print()
    for (name, meaning), value in zip(NAMES, figures, strict=True):
        number = "-" if math.isnan(value) else f"{value:.4f}"
        print(f"{name:{width}}  {number:6s}  {meaning}")
    return classes


def report_classes(classes: Sequence[ClassAccuracy]) -> None:
    """Print how many pictures each class has, and how many of them are right, then all together."""
    width = max(len(escape(each.name, 60)) for each in classes)
    print(f"{'class':{width}}  pictures   top 1   top 5")
    total = ClassAccuracy(
        "all", *(sum(column) for column in zip(*(each[1:] for each in classes), strict=True))
    )
    for each in (*classes, total):
        if each.pictures:
            top1, top5 = each.top1 / each.pictures, each.top5 / each.pictures
            print(f"{escape(each.name, 60):{width}}  {each.pictures:8d}  {top1:.4f}  {top5:.4f}")


def report_agreement(results: Results, others: Results, dataset: Dataset) -> bool:
    """Print how far two results agree, and where not; returns whether that is enough."""
    differences = compare(results, others)
    matched = sum(each.matched for each in differences)
    here, there = (sum(map(len, each.values())) for each in (results, others))
    if not there or not here:
        raise InputError(
            f"nothing to compare: {here} boxes here, {there} there, of images and classes that both know"
            + ("" if dataset.annotations else "; for files of different formats give --annotations")
        )
    print(
        f"\n{matched} of {there} boxes agree ({matched / there:.3%}) in class, in place (IoU at least "
        f"{MIN_IOU:g}) and in score (within {MAX_SCORE_DIFFERENCE:g});\n"
        f"{there - matched} are missing here, {here - matched} are extra"
    )
    differing = [each for each in differences if each.missing or each.extra]
    differing.sort(key=lambda each: -len(each.missing) - len(each.extra))
    for each in differing[:SHOWN]:
        print(f"{escape(str(dataset.files[each.image_id]), 1000)}: {each.matched} agree")
        for line in explain(each, dataset):
            print(f"  {escape(line, 1000)}")
    if len(differing) > SHOWN:
        print(f"and {len(differing) - SHOWN} more images")
    return matched >= ENOUGH * max(here, there)
