"""Evaluating masks, keypoints and classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("pycocotools")
pytest.importorskip("matplotlib")

from runtime.errors import InputError
from runtime.evaluate import main
from runtime.evaluation.annotations import read_coco, read_yolo
from runtime.evaluation.classes import class_accuracy, read_class_folders
from runtime.evaluation.data import Boxes
from runtime.evaluation.figures import coco_figures
from runtime.evaluation.landmarks import point_errors
from runtime.evaluation.results_file import collect, read_rows
from runtime.results.classification import Classification
from runtime.results.rle import encode


def shapes(folder: Path) -> tuple[Path, list[dict[str, Any]], list[np.ndarray]]:
    """Write annotations of ellipses, polygons and one RLE; gives them and their masks."""
    rng = np.random.default_rng(4)
    annotations, masks = [], []
    for number in range(12):
        mask = np.zeros((90, 120), np.uint8)
        centre, axes = rng.integers(20, 80, 2).tolist(), rng.integers(6, 25, 2).tolist()
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, cv2.FILLED)
        x, y, w, h = cv2.boundingRect(mask)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        segmentation: Any = [contours[0].reshape(-1).tolist()]
        if number == 3:
            segmentation = encode(mask.astype(bool), 0, 0, mask.shape)
        annotations.append(
            {
                "id": number,
                "image_id": 1 + number % 3,
                "category_id": 7,
                "bbox": [x, y, w, h],
                "area": int(mask.sum()),
                "iscrowd": 0,
                "segmentation": segmentation,
            }
        )
        masks.append(mask.astype(bool))
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 90, "width": 120} for i in (1, 2, 3)],
        "categories": [{"id": 7, "name": "blob"}],
        "annotations": annotations,
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path, annotations, masks


def results_of(annotations: list[dict[str, Any]], masks: list[np.ndarray], path: Path) -> Path:
    rows = [
        {
            "image_id": each["image_id"],
            "category_id": 7,
            "bbox": each["bbox"],
            "score": 0.9 - 0.01 * i,
            "segmentation": encode(mask, 0, 0, mask.shape),
        }
        for i, (each, mask) in enumerate(zip(annotations, masks, strict=True))
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_masks_are_measured_beside_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, annotations, masks = shapes(tmp_path)
    good = results_of(annotations, masks, tmp_path / "good.json")
    arguments = ["--annotations", str(path), "--output", str(tmp_path / "out"), "--results"]
    assert main([*arguments, str(good)]) == 0
    boxes, _, of_masks = capsys.readouterr().out.partition("\nmasks\n")
    assert "AP         1.0000" in boxes
    assert "AP50       1.0000" in of_masks

    half = [np.pad(mask[:, :-9], ((0, 0), (9, 0))) for mask in masks]  # the right boxes, masks shifted
    dataset = read_coco(path)
    results = collect(read_rows(results_of(annotations, half, tmp_path / "half.json")), dataset)
    assert coco_figures(dataset, results)[0][0] == pytest.approx(1)
    assert coco_figures(dataset, results, "segm")[0][0] < 0.5


def test_the_same_masks_from_the_detector_s_json(tmp_path: Path) -> None:
    path, annotations, masks = shapes(tmp_path)
    entries: dict[int, dict[str, Any]] = {}
    for each, mask in zip(annotations, masks, strict=True):
        x, y, w, h = each["bbox"]
        entry = entries.setdefault(each["image_id"], {"file": f"{each['image_id']}.png", "detections": []})
        entry["detections"].append(
            {
                "class_id": 0,
                "name": "blob",
                "score": 0.9,
                "box": [x, y, x + w, y + h],
                "mask": encode(mask, 0, 0, mask.shape),
            }
        )
    own = tmp_path / "own.json"
    own.write_text(json.dumps(list(entries.values())), encoding="utf-8")
    dataset = read_coco(path)
    assert coco_figures(dataset, collect(read_rows(own), dataset), "segm")[0][1] == pytest.approx(1)


def test_a_polygon_of_a_label_file_is_a_mask(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((50, 100, 3), np.uint8))
    (tmp_path / "labels" / "a.txt").write_text("0 0.1 0.2 0.5 0.2 0.5 0.8 0.1 0.8\n", encoding="utf-8")
    dataset = read_yolo(tmp_path / "labels", tmp_path / "images", ["blob"])
    mask = np.zeros((50, 100), bool)
    mask[10:40, 10:50] = True
    box = np.array([[10.0, 10.0, 50.0, 40.0]])
    results = {1: Boxes(box, np.ones(1), np.zeros(1, int), [encode(mask, 0, 0, mask.shape)])}
    assert coco_figures(dataset, results, "segm")[0][0] == pytest.approx(1)


def test_how_far_points_are_off(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((100, 200, 3), np.uint8))
    points = "0.2 0.4 0.3 0.4 0.25 0.5 -1 -1 0.3 0.6"  # eyes 20 pixels apart; one point unknown
    (tmp_path / "labels" / "a.txt").write_text(f"0 0.25 0.5 0.2 0.4 {points}\n", encoding="utf-8")
    dataset = read_yolo(tmp_path / "labels", tmp_path / "images", ["face"], keypoints=5)
    found = np.array([[[40, 42], [60, 42], [50, 52], [0, 0], [60, 62]]], float)  # 2 pixels too low
    boxes = np.array([[30.0, 30, 70, 70]])
    errors = point_errors(dataset, {1: Boxes(boxes, np.array([0.9]), np.zeros(1, int), keypoints=found)})
    assert (errors.objects, errors.paired) == (1, 1)
    assert errors.by_box == pytest.approx(2 / 40)
    assert errors.by_eyes == pytest.approx(2 / 20)
    elsewhere = {1: Boxes(boxes + 60, np.array([0.9]), np.zeros(1, int), keypoints=found)}
    assert point_errors(dataset, elsewhere).paired == 0


def test_top_1_and_top_5() -> None:
    names = tuple("abcdefg")

    def say(*order: int) -> Classification:
        probabilities = np.zeros(7, np.float32)
        probabilities[list(order)] = np.linspace(0.5, 0.1, len(order))
        return Classification(probabilities, names)

    outcomes = [
        (0, say(0, 1, 2, 3, 4)),
        (0, say(1, 2, 3, 4, 0)),
        (0, say(1, 2, 3, 4, 5, 0)),
        (1, say(1, 0, 2, 3, 4)),
    ]
    a, b, *rest = class_accuracy(outcomes, names)
    assert a == ("a", 3, 1, 2)
    assert b == ("b", 1, 1, 1)
    assert all(each.pictures == 0 for each in rest)


def test_class_folders(tmp_path: Path) -> None:
    for name in ("unripe", "ripe"):
        (tmp_path / "val" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "val" / name / "1.png"), np.zeros((9, 9, 3), np.uint8))
    by_name = read_class_folders(tmp_path, ["ripe", "rotten", "unripe"])
    assert [(path.parent.name, class_id) for path, class_id in by_name] == [("ripe", 0), ("unripe", 2)]
    by_order = read_class_folders(tmp_path, ["class0", "class1"])
    assert [(path.parent.name, class_id) for path, class_id in by_order] == [("ripe", 0), ("unripe", 1)]
    with pytest.raises(InputError, match="called after no class"):
        read_class_folders(tmp_path, ["ripe", "rotten"])
    with pytest.raises(InputError, match="no folder of pictures"):
        read_class_folders(tmp_path / "val" / "ripe", ["ripe"])


def test_a_classifier_goes_without_annotations(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--images", str(tmp_path)])
    assert "--weights of a classifier" in capsys.readouterr().err
    assert main(["--images", str(tmp_path), "--weights", "weights/codes.onnx"]) == 2
    assert "is no classifier" in capsys.readouterr().err
