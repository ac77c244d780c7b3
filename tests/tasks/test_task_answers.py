"""What each task makes of a network's outputs: the answers of the releases' own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.stages.letterbox import Placement
from runtime.stages.nms import nms
from runtime.tasks import TASKS, BoxTask, find_task

WHOLE = Placement(1.0, 0.0, 0.0)


def heads(reference: Any) -> list[np.ndarray]:
    """Give the raw maps as a network gives them: anchors and their channels in one axis."""
    raw = [reference[f"raw{i}"][0] for i in range(len(reference["strides"]))]
    return [
        each if each.ndim == 3 else each.transpose(0, 3, 1, 2).reshape(-1, *each.shape[1:3]) for each in raw
    ]


def task_of(name: str, reference: Any, **more: Any) -> BoxTask:
    """Make the task that a model file of this checkpoint would name."""
    values = {
        "names": [str(each) for each in reference["names"]],
        "strides": [int(stride) for stride in reference["strides"]],
        **more,
    }
    if "anchors_pixels" in reference:
        values["anchors"] = list(reference["anchors_pixels"])
    task = find_task(name, values)(values)
    assert isinstance(task, BoxTask)
    return task


def find(task: BoxTask, outputs: list[np.ndarray], reference: Any, iou_thres: float) -> Any:
    """Decode, suppress, and give the detections in the network's input."""
    size = reference["input_u8"].shape[2:]
    for output, shape in zip(outputs, task.output_shapes(*size), strict=True):
        assert all(want in (None, side) for side, want in zip(output.shape, shape, strict=True))
    candidates = task.decode(outputs, float(reference["conf_thres"]), False)
    kept = candidates[nms(candidates, iou_thres, 1000)]
    return kept, task.detections(kept, outputs, WHOLE, size)


def same_boxes(kept: Any, expected: np.ndarray, class_column: int) -> np.ndarray:
    """Check boxes, scores and classes, in any order of equal scores; give the order of ours."""
    assert len(kept) == len(expected) > 5
    distance = np.abs(kept.xyxy[:, None] - expected[None, :, :4]).max(axis=2)
    order = distance.argmin(axis=0)
    assert len(set(order.tolist())) == len(expected)
    assert np.abs(kept.xyxy[order] - expected[:, :4]).max() < 0.01
    assert np.abs(kept.scores[order] - expected[:, 4]).max() < 1e-5
    assert np.array_equal(kept.class_ids[order], expected[:, class_column].astype(int))
    return order


@pytest.mark.parametrize("name", ["random-v7.0-n-seg-6c", "random-v7.0-n-seg-nm16"])
def test_segmentation(shared: Path, name: str) -> None:
    reference = np.load(shared / "reference" / f"{name}.npz")
    task = task_of("segment", reference, masks=int(reference["nm"]))
    outputs = [*heads(reference), reference["proto"][0]]
    expected = reference["detections_xyxy_conf_cls_coeffs"]
    kept, found = find(task, outputs, reference, float(reference["iou_thres"]))
    order = same_boxes(kept, expected, 5)
    assert np.abs(kept.extra[order] - expected[:, 6:]).max() < 1e-4
    masks, truth = np.asarray(found.masks)[order], reference["masks"].astype(bool)
    assert (masks != truth).sum() <= 0.001 * truth.sum()


@pytest.mark.parametrize("name", ["random-face-n-0.5", "random-face-s"])
def test_keypoints(shared: Path, name: str) -> None:
    reference = np.load(shared / "reference" / f"{name}.npz")
    task = task_of("keypoints", reference, keypoints=5)
    expected = reference["detections_xyxy_conf_landmarks_cls"]
    kept, found = find(task, heads(reference), reference, float(reference["iou_thres"]))
    order = same_boxes(kept, expected, 15)
    assert np.abs(kept.extra[order] - expected[:, 5:15]).max() < 0.1
    assert found.keypoints.shape == (len(expected), 5, 2)


@pytest.mark.parametrize("iou_thres", [0.7, 0.45])
def test_without_anchors(shared: Path, iou_thres: float) -> None:
    reference = np.load(shared / "reference" / "random-yolov5nu.npz")
    task = task_of("detect", reference, reg_max=int(reference["reg_max"]))
    key = "detections_xyxy_conf_cls" if iou_thres == 0.7 else "detections_iou45_xyxy_conf_cls"
    kept, _ = find(task, heads(reference), reference, iou_thres)
    same_boxes(kept, reference[key], 5)
    everything = task.decode(heads(reference), 0.0, False)
    cx, cy, w, h = reference["decoded"][0, :4]
    boxes = np.stack((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), axis=1)
    assert np.abs(everything.xyxy - boxes).max() < 0.01


def test_every_task_has_a_row_and_a_way_to_be_told_from_the_others() -> None:
    assert {task.name for task in TASKS} == {"detect", "segment", "keypoints", "classify"}
    for task in TASKS:
        assert find_task(task.name, task.needs) is task
    with pytest.raises(ValueError, match="'pose'"):
        find_task("pose", ())
