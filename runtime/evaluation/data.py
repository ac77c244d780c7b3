"""What an evaluation starts from: images with their true boxes, and files of detections."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..inputs.image_file import IMAGE_SUFFIXES, read_image
from ..inputs.image_header import read_header

MAX_JSON_BYTES = 1 << 30


@dataclass
class Boxes:
    """Boxes of one image, with the category ids of a Dataset.

    xyxy: float64 (n, 4), in the image's pixels; scores: float64 (n,); category_ids: int64 (n,).
    """

    xyxy: np.ndarray
    scores: np.ndarray
    category_ids: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


Results = dict[int, Boxes]  # by image id


def coco_rows(results: Results) -> list[dict[str, Any]]:
    """Give detections as COCO writes them: image_id, category_id, bbox (x, y, width, height) and score."""
    return [
        {
            "image_id": image_id,
            "category_id": category_id,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for image_id, boxes in results.items()
        for (x1, y1, x2, y2), score, category_id in zip(
            boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.category_ids.tolist(), strict=True
        )
    ]


@dataclass
class Dataset:
    """Images and their true boxes.

    files: by image id, the path relative to the folder of images.
    categories: names by category id.
    annotations: as in COCO: id, image_id, category_id, bbox (x, y, width, height), area, iscrowd.
    by_number: whether category ids are the model's class ids, as in YOLO's label files; else names decide.
    """

    files: dict[int, str]
    categories: dict[int, str]
    annotations: list[dict[str, Any]]
    by_number: bool = False

    def category_of(self, class_id: int, name: str) -> int | None:
        """Find the category that a model calls by this number and name, or None."""
        if self.by_number:
            return class_id if class_id in self.categories else None
        return next((key for key, value in self.categories.items() if value == name), None)

    def present(self, folder: Path) -> Dataset:
        """Give the same with only those images that are in the folder."""
        files = {key: file for key, file in self.files.items() if (folder / file).is_file()}
        annotations = [each for each in self.annotations if each["image_id"] in files]
        return Dataset(files, self.categories, annotations, self.by_number)


def read_coco(path: Path) -> Dataset:
    """Read annotations in COCO's format, `instances_….json`. Raises InputError."""
    content = _load_json(path)
    try:
        files = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        categories = {int(category["id"]): str(category["name"]) for category in content["categories"]}
        annotations = []
        for number, each in enumerate(content["annotations"]):
            box = [float(x) for x in each["bbox"]]
            if len(box) != 4 or not all(map(math.isfinite, box)):
                raise InputError(f"{path}: annotation {number} has the bbox {each['bbox']}, not four numbers")
            if each["image_id"] not in files or each["category_id"] not in categories:
                raise InputError(f"{path}: annotation {number} is of an unknown image or category")
            annotations.append(
                {
                    "id": number + 1,
                    "image_id": int(each["image_id"]),
                    "category_id": int(each["category_id"]),
                    "bbox": box,
                    "area": float(each.get("area", box[2] * box[3])),
                    "iscrowd": int(each.get("iscrowd", 0)),
                }
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not an annotation file in COCO's format: {error!r}") from error
    return Dataset(files, categories, annotations)


def read_yolo(labels: Path, images: Path, names: Sequence[str] | None) -> Dataset:
    """Read a folder of YOLO label files: for a/b.jpg among the images, a/b.txt, if it has any objects.

    names: of the classes; without them any class is accepted and called by its number.

    Each line is a class number and centre x, centre y, width and height in shares of the image's size; or a
    class number and the corners of a polygon, of which the bounding box is taken.

    Raises InputError, with file and line, for what is not that.
    """
    pictures = sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    files = {number: path.relative_to(images).as_posix() for number, path in enumerate(pictures, 1)}
    annotations: list[dict[str, Any]] = []
    found = 0
    for image_id, file in files.items():
        label = (labels / file).with_suffix(".txt")
        if not label.is_file():
            continue
        found += 1
        try:
            lines = label.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise InputError(f"{label} cannot be read: {error.strerror or error}") from error
        if not any(line.strip() for line in lines):
            continue
        width, height = _picture_size(images / file)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            class_id, (x1, y1, x2, y2) = _read_label(line, f"{label}, line {number}", names)
            box = [x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    if not found:
        raise InputError(f"{labels} has no label file for any of the {len(files)} images in {images}")
    if names is None:
        classes = sorted({each["category_id"] for each in annotations})
        return Dataset(files, {class_id: str(class_id) for class_id in classes}, annotations, by_number=True)
    return Dataset(files, dict(enumerate(names)), annotations, by_number=True)


def _read_label(
    line: str, where: str, names: Sequence[str] | None
) -> tuple[int, tuple[float, float, float, float]]:
    """Read a line of a label file: the class, and x1, y1, x2, y2 in shares of the image's size."""
    try:
        class_id, *shares = (float(word) for word in line.split())
    except ValueError:
        raise InputError(f"{where}: {line.strip()[:80]!r} is not a list of numbers") from None
    if not class_id.is_integer() or class_id < 0:
        raise InputError(f"{where}: {class_id:g} is no class number")
    if names is not None and class_id >= len(names):
        raise InputError(f"{where}: there is no class {class_id:g}; the model has 0 to {len(names) - 1}")
    if not all(-0.01 <= share <= 1.01 for share in shares):
        raise InputError(f"{where}: the numbers after the class must be shares of the image, from 0 to 1")
    if len(shares) == 4:
        x, y, w, h = shares
        return int(class_id), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    if len(shares) >= 6 and len(shares) % 2 == 0:
        return int(class_id), (min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2]))
    raise InputError(f"{where}: after the class there are {len(shares)} numbers, not 4 or a polygon's")


def _picture_size(path: Path) -> tuple[int, int]:
    """Find the width and height of a picture as it is shown, if possible without decoding it."""
    try:
        header = None if path.suffix.lower() in (".tif", ".tiff") else read_header(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if header is None:
        height, width = read_image(path).shape[:2]
        return width, height
    # orientations 5 to 8 lie on their side
    return (header.height, header.width) if header.orientation > 4 else (header.width, header.height)


# One image's detections in a file: the image's id or file name; and for each box its category id, or class id
# and name; x1, y1, x2, y2; and score.
Row = tuple[int | str, list[tuple[Any, list[float], float]]]


def read_rows(path: Path) -> list[Row]:
    """Read a file of detections, gzipped or not, in one of two formats.

    COCO's results format: a list of image_id, category_id, bbox (x, y, width, height) and score; or what
    `runtime.detect --json` and the C++ program write: a list of file and detections.

    Raises InputError if the file is neither.
    """
    content = _load_json(path)
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
    kinds = dict.fromkeys(category for _, boxes in rows for category, _, _ in boxes)
    return Dataset(
        files={image if isinstance(image, int) else i: str(image) for i, image in enumerate(images, 1)},
        categories=dict((kind, str(kind)) if isinstance(kind, int) else kind for kind in kinds),
        annotations=[],
        by_number=True,
    )


def collect(rows: Sequence[Row], dataset: Dataset) -> Results:
    """Sort detections by image id, without those of images or categories that the Dataset doesn't have."""
    ids = {_file_name(file): image_id for image_id, file in dataset.files.items()}
    collected: dict[int, list[list[float]]] = {image_id: [] for image_id in dataset.files}
    for image, boxes in rows:
        image_id = image if isinstance(image, int) else ids.get(image)
        if image_id not in collected:
            continue
        for category, box, score in boxes:
            category_id = category if isinstance(category, int) else dataset.category_of(*category)
            if category_id in dataset.categories:
                collected[image_id].append([*box, score, category_id])
    return {image_id: _to_boxes(mine) for image_id, mine in collected.items()}


def _coco_rows(content: list[dict[str, Any]]) -> Iterator[Row]:
    for each in content:
        x, y, w, h = (float(side) for side in each["bbox"])
        yield int(each["image_id"]), [(int(each["category_id"]), [x, y, x + w, y + h], float(each["score"]))]


def _own_rows(content: list[dict[str, Any]], path: Path) -> Iterator[Row]:
    seen = set()
    for each in content:
        if "frame" in each:
            raise InputError(f"{path} holds the frames of a video; only pictures can be compared")
        name = _file_name(each["file"])
        if name in seen:
            raise InputError(f"{path} has several pictures called {name}")
        seen.add(name)
        boxes = []
        for found in each["detections"]:
            x1, y1, x2, y2 = (float(side) for side in found["box"])
            boxes.append(
                ((int(found["class_id"]), str(found["name"])), [x1, y1, x2, y2], float(found["score"]))
            )
        yield name, boxes


def _file_name(path: str) -> str:
    """Take the last part of a path of any system."""
    return re.split(r"[\\/]", path)[-1]


def _to_boxes(rows: Sequence[Sequence[float]]) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def _load_json(path: Path) -> Any:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise InputError(f"{path} holds more than the {MAX_JSON_BYTES} bytes that are read")
        return json.loads(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not JSON: {error}") from error
