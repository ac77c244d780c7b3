"""Annotations and detections that would take memory, or files from elsewhere."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from runtime.errors import InputError
from runtime.evaluation.annotations import read_coco
from runtime.evaluation.results_file import read_rows
from runtime.results.rle import MAX_PIXELS, decode

SIDE = 99_000  # squared they are 9.8 GB


@pytest.mark.parametrize("size", [[SIDE, SIDE], [MAX_PIXELS + 1, 1], [-1, -5], [10**400, 1]])
def test_a_mask_of_few_bytes_takes_no_memory(tmp_path: Path, size: list[int]) -> None:
    rle = {"size": size, "counts": [size[0] * size[1]]}
    row = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1, "segmentation": rle}
    (tmp_path / "found.json").write_text(json.dumps([row]))
    annotation = {**row, "id": 1, "area": 1, "iscrowd": 0}
    images = [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 4}]
    content = {"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": [annotation]}
    (tmp_path / "true.json").write_text(json.dumps(content))
    tracemalloc.start()
    try:
        for read, name in ((read_rows, "found.json"), (read_coco, "true.json")):
            with pytest.raises(InputError, match=r"a mask of|not a file of|not an annotation file"):
                read(tmp_path / name)  # type: ignore[operator]
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_whole_mask_within_the_budget_is_read() -> None:
    assert decode({"size": [3, 2], "counts": [1, 5]}).sum() == 5


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname", "a/../../secret.jpg"])
def test_a_file_name_outside_the_images_is_refused(tmp_path: Path, name: str) -> None:
    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    (images / "a" / "b.jpg").touch()
    (tmp_path / "secret.jpg").touch()
    content = {"images": [{"id": 1, "file_name": name}], "categories": [], "annotations": []}
    annotations = tmp_path / "true.json"
    annotations.write_text(json.dumps(content))
    with pytest.raises(InputError, match="lies outside the folder"):
        read_coco(annotations).present(images)
    for inside in ("a/b.jpg", "a/../a/b.jpg", str(images / "a" / "b.jpg")):
        content["images"] = [{"id": 1, "file_name": inside}]
        annotations.write_text(json.dumps(content))
        assert read_coco(annotations).present(images).files == {1: inside}
