"""Reading what was found on images, by this or another program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..results.rle import decode
from .data import Boxes, Dataset, Results, load_json


class Found(NamedTuple):
    """One box in a file: category id, or class id and name; x1, y1, x2, y2; score; and what else it has."""

    category: Any
    box: list[float]
    score: float
    mask: dict[str, Any] | None = None
    keypoints: list[list[float]] | None = None


# One image's detections in a file: the image's id or file name, and its boxes.
Row = tuple[int | str, list[Found]]


def read_rows(path: Path) -> list[Row]:
    """Read a file of detections, gzipped or not, in one of two formats.

    COCO's results format: a list of image_id, category_id, bbox (x, y, width, height) and score, perhaps with
    segmentation and keypoints; or what `runtime.detect --json` and the C++ program write: a list of file and
    detections.

    Raises InputError if the file is neither.
    """
    content = load_json(path)
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise InputError(f"{path} is not a list of detections")
    try:
        return list(_coco_rows(content) if "file" not in (content or [{}])[0] else _own_rows(content, path))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a file of detections: {error!r}") from error


def dataset_of(rows: Sequence[Row]) -> Dataset:
    """Make a Dataset, without true boxes, of the images and categories that occur in files of detections."""
    images = dict.fromkeys(image for image, _ in rows)
    kinds = dict.fromkeys(category for _, boxes in rows for category, *_ in boxes)
    return Dataset(
        files={image if isinstance(image, int) else i: str(image) for i, image in enumerate(images, 1)},
        categories=dict((kind, str(kind)) if isinstance(kind, int) else kind for kind in kinds),
        annotations=[],
        by_number=True,
    )


def collect(rows: Sequence[Row], dataset: Dataset) -> Results:
    """Sort detections by image id, without those of images or categories that the Dataset doesn't have."""
    ids = {_file_name(file): image_id for image_id, file in dataset.files.items()}
    collected: dict[int, list[Found]] = {image_id: [] for image_id in dataset.files}
    for image, boxes in rows:
        image_id = image if isinstance(image, int) else ids.get(image)
        if image_id not in collected:
            continue
        for found in boxes:
            category = found.category
            category_id = category if isinstance(category, int) else dataset.category_of(*category)
            if category_id in dataset.categories:
                collected[image_id].append(found._replace(category=category_id))
    return {image_id: _to_boxes(mine) for image_id, mine in collected.items()}


def _coco_rows(content: list[dict[str, Any]]) -> Iterator[Row]:
    for each in content:
        x, y, w, h = (float(side) for side in each["bbox"])
        points = each.get("keypoints")
        pairs = list(zip(points[::3], points[1::3], strict=True)) if points else None
        found = _found(
            int(each["category_id"]), [x, y, x + w, y + h], each["score"], each.get("segmentation"), pairs
        )
        yield int(each["image_id"]), [found]


def _found(category: Any, box: list[float], score: Any, mask: Any, keypoints: Any) -> Found:
    """Check what belongs to one box. Raises InputError or whatever else goes wrong."""
    if mask is not None:
        decode(mask)
    points = None if keypoints is None else [[float(x), float(y)] for x, y in keypoints]
    return Found(category, box, float(score), mask, points)


def _own_rows(content: list[dict[str, Any]], path: Path) -> Iterator[Row]:
    seen = set()
    for each in content:
        if "frame" in each:
            raise InputError(f"{path} holds the frames of a video; only pictures can be compared")
        name = _file_name(each["file"])
        if name in seen:
            raise InputError(f"{path} has several pictures called {name}")
        seen.add(name)
        boxes = [
            _found(
                (int(found["class_id"]), str(found["name"])),
                [float(side) for side in found["box"]],
                found["score"],
                found.get("mask"),
                found.get("keypoints"),
            )
            for found in each["detections"]
        ]
        yield name, boxes


def _file_name(path: str) -> str:
    """Take the last part of a path of any system."""
    return re.split(r"[\\/]", path)[-1]


def _to_boxes(found: Sequence[Found]) -> Boxes:
    masks = [each.mask for each in found if each.mask is not None]
    points = [each.keypoints for each in found if each.keypoints is not None]
    return Boxes(
        np.array([each.box for each in found], np.float64).reshape(-1, 4),
        np.array([each.score for each in found], np.float64),
        np.array([each.category for each in found], np.int64),
        masks if found and len(masks) == len(found) else None,
        np.array(points, np.float64) if found and len(points) == len(found) else None,
    )
