"""Reading what is truly on images: COCO's annotations, YOLO's label files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..inputs.image_file import IMAGE_SUFFIXES, read_image
from ..inputs.image_header import read_header
from ..results.rle import decode
from .data import Dataset, load_json


def read_coco(path: Path) -> Dataset:
    """Read annotations in COCO's format, `instances_….json`. Raises InputError."""
    content = load_json(path)
    try:
        files = {int(image["id"]): str(image["file_name"]) for image in content["images"]}
        sizes = {
            int(image["id"]): (int(image["height"]), int(image["width"]))
            for image in content["images"]
            if "height" in image and "width" in image
        }
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
                    **_shape(each, f"{path}: annotation {number}"),
                }
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not an annotation file in COCO's format: {error!r}") from error
    return Dataset(files, categories, annotations, sizes=sizes)


def _shape(annotation: dict[str, Any], where: str) -> dict[str, Any]:
    """Take segmentation and keypoints of an annotation, as far as they are there. Raises InputError."""
    shape: dict[str, Any] = {}
    segmentation = annotation.get("segmentation")
    if segmentation:
        if isinstance(segmentation, dict):
            decode(segmentation)
        elif not all(len(part) >= 6 and len(part) % 2 == 0 and _finite(part) for part in segmentation):
            raise InputError(f"{where} has a segmentation that is neither polygons nor RLE")
        shape["segmentation"] = segmentation
    if annotation.get("keypoints"):
        points = [float(value) for value in annotation["keypoints"]]
        if len(points) % 3 or not _finite(points):
            raise InputError(f"{where} has keypoints that are not x, y and v of each")
        shape["keypoints"] = points
    return shape


def _finite(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(number) for number in numbers)


def read_yolo(labels: Path, images: Path, names: Sequence[str] | None, keypoints: int = 0) -> Dataset:
    """Read a folder of YOLO label files: for a/b.jpg among the images, a/b.txt, if it has any objects.

    names: of the classes; without them any class is accepted and called by its number. keypoints: how many
    points a line may have after its box.

    Each line is a class number and centre x, centre y, width and height in shares of the image's size, and,
    of a model with keypoints, x and y of each, below 0 where unknown; or a class number and the corners of
    a polygon, of which the bounding box is taken.

    Raises InputError, with file and line, for what is not that.
    """
    pictures = sorted(path for path in images.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    files = {number: path.relative_to(images).as_posix() for number, path in enumerate(pictures, 1)}
    annotations: list[dict[str, Any]] = []
    sizes = {}
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
        width, height = picture_size(images / file)
        sizes[image_id] = height, width
        for number, line in enumerate(lines, 1):
            if line.strip():
                read = _read_label(line, f"{label}, line {number}", names, (width, height), keypoints)
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, "iscrowd": 0, **read})
    if not found:
        raise InputError(f"{labels} has no label file for any of the {len(files)} images in {images}")
    if names is None:
        classes = sorted({each["category_id"] for each in annotations})
        names_by_id = {class_id: str(class_id) for class_id in classes}
    else:
        names_by_id = dict(enumerate(names))
    return Dataset(files, names_by_id, annotations, by_number=True, sizes=sizes)


def _read_label(
    line: str, where: str, names: Sequence[str] | None, size: tuple[int, int], keypoints: int
) -> dict[str, Any]:
    """Read a line of a label file: category_id, bbox, area, and what else it says.

    size: (w, h) of the image; keypoints: how many points may follow a box.
    """
    try:
        class_id, *shares = (float(word) for word in line.split())
    except ValueError:
        raise InputError(f"{where}: {line.strip()[:80]!r} is not a list of numbers") from None
    if not class_id.is_integer() or class_id < 0:
        raise InputError(f"{where}: {class_id:g} is no class number")
    if names is not None and class_id >= len(names):
        raise InputError(f"{where}: there is no class {class_id:g}; the model has 0 to {len(names) - 1}")
    points: list[float] = []
    if keypoints and len(shares) == 4 + 2 * keypoints:
        shares, points = shares[:4], shares[4:]
    if not all(-0.01 <= share <= 1.01 for share in shares) or not all(share <= 1.01 for share in points):
        raise InputError(f"{where}: the numbers after the class must be shares of the image, from 0 to 1")
    numbers = [share * size[i % 2] for i, share in enumerate(shares)]
    shape: dict[str, Any] = {}
    if len(numbers) == 4:
        x, y, w, h = numbers
        box = [x - w / 2, y - h / 2, w, h]
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        x1, y1 = min(numbers[::2]), min(numbers[1::2])
        box = [x1, y1, max(numbers[::2]) - x1, max(numbers[1::2]) - y1]
        shape["segmentation"] = [numbers]
    else:
        raise InputError(f"{where}: after the class there are {len(shares)} numbers, not 4 or a polygon's")
    if points:
        shape["keypoints"] = [
            value
            for x, y in zip(points[::2], points[1::2], strict=True)
            for value in (x * size[0], y * size[1], 2 if x >= 0 and y >= 0 else 0)
        ]
    return {"category_id": int(class_id), "bbox": box, "area": box[2] * box[3], **shape}


def picture_size(path: Path) -> tuple[int, int]:
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
