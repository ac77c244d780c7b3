"""What an evaluation works with: images with what is truly on them, and what was found there."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..results.detections import Detections

MAX_JSON_BYTES = 1 << 30


@dataclass
class Boxes:
    """Boxes of one image, with the category ids of a Dataset.

    xyxy: float64 (n, 4), in the image's pixels; scores: float64 (n,); category_ids: int64 (n,).
    masks: of each, COCO's RLE, {"size": [h, w], "counts": text}; keypoints: float64 (n, k, 2), in the image's
        pixels; None if there are none.
    """

    xyxy: np.ndarray
    scores: np.ndarray
    category_ids: np.ndarray
    masks: list[dict[str, Any]] | None = None
    keypoints: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.scores)


Results = dict[int, Boxes]  # by image id


def to_boxes(found: Detections, category_ids: np.ndarray) -> Boxes:
    """Give an image's detections, all of whose categories are known, int64 (n,), for an evaluation."""
    masks = None if found.masks is None else [each["mask"] for each in found.to_dict()]
    points = None if found.keypoints is None else found.keypoints.astype(float)
    return Boxes(found.xyxy.astype(float), found.scores.astype(float), category_ids, masks, points)


def coco_rows(results: Results) -> list[dict[str, Any]]:
    """Give detections as COCO writes them: image_id, category_id, bbox (x, y, width, height) and score.

    Masks follow as segmentation, RLE; keypoints as x, y and 2, "visible", of each.
    """
    rows = []
    for image_id, boxes in results.items():
        columns = boxes.xyxy.tolist(), boxes.scores.tolist(), boxes.category_ids.tolist()
        for i, ((x1, y1, x2, y2), score, category_id) in enumerate(zip(*columns, strict=True)):
            row: dict[str, Any] = {
                "image_id": image_id,
                "category_id": category_id,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": score,
            }
            if boxes.masks is not None:
                row["segmentation"] = boxes.masks[i]
            if boxes.keypoints is not None:
                row["keypoints"] = [value for x, y in boxes.keypoints[i].tolist() for value in (x, y, 2)]
            rows.append(row)
    return rows


@dataclass
class Dataset:
    """Images and their true boxes.

    files: by image id, the path relative to the folder of images.
    categories: names by category id.
    annotations: as in COCO: id, image_id, category_id, bbox (x, y, width, height), area, iscrowd, and, where
        it is known, segmentation (polygons or RLE) and keypoints (x, y and whether known, of each).
    by_number: whether category ids are the model's class ids, as in YOLO's label files; else names decide.
    sizes: by image id, (h, w), where it is known.
    """

    files: dict[int, str]
    categories: dict[int, str]
    annotations: list[dict[str, Any]]
    by_number: bool = False
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def category_of(self, class_id: int, name: str) -> int | None:
        """Find the category that a model calls by this number and name, or None."""
        if self.by_number:
            return class_id if class_id in self.categories else None
        return next((key for key, value in self.categories.items() if value == name), None)

    def present(self, folder: Path) -> Dataset:
        """Give the same with only those images that are in the folder.

        Raises InputError for a file name that leads out of it.
        """
        top = Path(os.path.normpath(folder.absolute()))
        for file in self.files.values():  # links within the folder may lead wherever its owner wants
            if not Path(os.path.normpath(top / file)).is_relative_to(top):
                raise InputError(f"the image {file!r} of the annotations lies outside the folder {folder}")
        files = {key: file for key, file in self.files.items() if (folder / file).is_file()}
        annotations = [each for each in self.annotations if each["image_id"] in files]
        return Dataset(files, self.categories, annotations, self.by_number, self.sizes)


def load_json(path: Path) -> Any:
    """Read a JSON file, gzipped or not. Raises InputError."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            data = bytearray()
            while part := stream.read(1 << 20):  # a single read would take all of that memory
                data += part
                if len(data) > MAX_JSON_BYTES:
                    raise InputError(f"{path} holds more than the {MAX_JSON_BYTES} bytes that are read")
        return json.loads(data)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not JSON: {error}") from error
