"""Checkpoints of every task, converted and run: the answers of the releases' own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxsim")

import convert
from runtime import Classifier, Detector, ModelError
from runtime.inputs.image_file import read_image

Converted = Callable[[str], Path]


@pytest.fixture(scope="module")
def converted(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Convert a checkpoint when it is first asked for."""
    folder = tmp_path_factory.mktemp("models")

    def make(name: str, target: Any = "portable") -> Path:
        path = folder / f"{name}-{target}.onnx"
        if not path.exists():
            convert.convert(shared / "checkpoints" / f"{name}.pt", path, target=target)
        return path

    return make


def reference_of(shared: Path, name: str) -> Any:
    return np.load(shared / "reference" / f"{name}.npz")


def picture_of(reference: Any) -> np.ndarray:
    """Give the network's input as the BGR picture that it is."""
    return np.ascontiguousarray(reference["input_u8"][0].transpose(1, 2, 0)[:, :, ::-1])


def in_order(found: Any, expected: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Match boxes by place and score; gives our order, and the expected boxes clipped to the image."""
    assert len(found) == len(expected) > 5
    height, width = image.shape[:2]
    boxes = np.clip(expected[:, :4], 0, [width, height, width, height])
    ours = np.column_stack((found.xyxy, 100 * found.scores))
    theirs = np.column_stack((boxes, 100 * expected[:, 4]))
    order = np.abs(ours[:, None] - theirs[None]).max(axis=2).argmin(axis=0)
    assert sorted(order.tolist()) == list(range(len(expected)))
    assert np.abs(found.scores[order] - expected[:, 4]).max() < 1e-4
    assert np.abs(found.xyxy[order] - boxes).max() < 0.05
    return order, boxes


@pytest.mark.parametrize("target", ["portable", "fast"])
@pytest.mark.parametrize("name", ["random-v7.0-n-seg-6c", "random-v7.0-n-seg-nm16"])
def test_segmentation(shared: Path, converted: Any, name: str, target: str) -> None:
    reference = reference_of(shared, name)
    image = picture_of(reference)
    detector = Detector(
        converted(name, target),
        imgsz=image.shape[:2],
        conf_thres=float(reference["conf_thres"]),
        iou_thres=float(reference["iou_thres"]),
    )
    found = detector(image)
    order, _ = in_order(found, reference["detections_xyxy_conf_cls_coeffs"], image)
    masks, truth = np.asarray(found.masks)[order], reference["masks"].astype(bool)
    assert (masks != truth).sum() <= 0.001 * truth.sum()


@pytest.mark.parametrize("name", ["random-face-n-0.5", "random-face-s"])
def test_faces_in_a_photograph(shared: Path, converted: Any, name: str) -> None:
    reference = reference_of(shared, name)
    image = read_image(shared / "images" / str(reference["e2e_image"]))
    detector = Detector(
        converted(name),
        conf_thres=float(reference["e2e_conf_thres"]),
        iou_thres=float(reference["iou_thres"]),
        imgsz=reference["e2e_input_u8"].shape[2:],
        rect=False,
    )
    found, expected = detector(image), reference["e2e_detections_in_image"]
    order, _ = in_order(found, expected, image)
    assert found.keypoints is not None
    assert np.abs(found.keypoints[order].reshape(-1, 10) - expected[:, 5:15]).max() < 0.1
    assert (detector.settings["iou_thres"], Detector(converted(name)).settings["conf_thres"]) == (0.5, 0.6)


def test_without_anchors(shared: Path, converted: Any) -> None:
    reference = reference_of(shared, "random-yolov5nu")
    image = picture_of(reference)
    detector = Detector(
        converted("random-yolov5nu"), imgsz=image.shape[:2], conf_thres=float(reference["conf_thres"])
    )
    assert detector.settings["iou_thres"] == 0.7
    _, boxes = in_order(detector(image), reference["detections_xyxy_conf_cls"], image)
    assert len(boxes) == 27


@pytest.mark.parametrize(
    ("name", "crop"), [("random-v7.0-n-cls", None), ("random-v6.2-n-cls", "shorter-side")]
)
@pytest.mark.parametrize("picture", ["bus", "zidane"])
def test_classes_of_a_photograph(
    shared: Path, converted: Any, name: str, crop: str | None, picture: str
) -> None:
    reference = reference_of(shared, name)
    classifier = Classifier(converted(name), crop=crop)
    assert classifier.imgsz == int(reference["imgsz"])
    found = classifier(read_image(shared / "images" / f"{picture}.jpg"))
    assert np.abs(found.probabilities - reference[f"{picture}_softmax"][0]).max() < 1e-4
    assert [guess.class_id for guess in found.top(5)] == reference[f"{picture}_top5"][0].tolist()


def test_each_names_the_other(converted: Any) -> None:
    with pytest.raises(ModelError, match=r"runtime\.classify"):
        Detector(converted("random-v7.0-n-cls"))
    with pytest.raises(ModelError, match=r"runtime\.detect"):
        Classifier(converted("random-yolov5nu"))
