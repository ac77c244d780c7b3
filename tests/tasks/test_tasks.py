"""The seam: a new task is one class and one row in the table, and everything else works with it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx_models

from runtime import Detector, ModelError, tasks
from runtime.results.detections import Detections
from runtime.stages.candidates import Candidates
from runtime.stages.decode import Layout, Picked, decode
from runtime.stages.letterbox import unletterbox
from runtime.tasks import Task, find_task
from runtime.tasks.anchor_free import AnchorFree
from runtime.tasks.detect import Detect
from runtime.tasks.metadata import whole
from runtime.tasks.read_info import read_info


class Corner(Detect):
    """Boxes with one point each, that lies anywhere: what keypoints will be."""

    name = "corner"
    needs = (*Detect.needs, "keypoints")

    def __init__(self, values):
        super().__init__(values)
        self.points = whole(values["keypoints"], "keypoints")
        end = 5 + 2 * self.points
        self.layout = Layout(classes=slice(end, end + len(self.names)), extra=slice(5, end))

    def decode(self, outputs, conf_thres, multi_label):
        def points(picked: Picked) -> np.ndarray:
            raw = picked.logits[:, self.layout.extra].reshape(-1, self.points, 2)
            points = raw * picked.anchors[:, None] + (picked.grid * picked.strides)[:, None]
            return points.reshape(-1, 2 * self.points)

        return decode(outputs, self.anchors, self.strides, self.layout, conf_thres, multi_label, points)

    def detections(self, kept: Candidates, outputs, placement, image_hw):
        found = super().detections(kept, outputs, placement, image_hw)
        corners = unletterbox(np.tile(kept.extra, 2), placement, image_hw)
        return found.with_columns(keypoints=corners[:, :2].reshape(-1, 1, 2))


class Whole(Task):
    """A task without boxes, as classification is."""

    name = "whole"
    needs = ("names",)
    predictor = "Guesser"
    command = "guess"
    outputs = ("out0",)
    facts = "one output"

    def __init__(self, values):
        self.names = tuple(values["names"])

    def output_shapes(self, height, width):
        return [(len(self.names),)]


@pytest.fixture(autouse=True)
def _more_tasks(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", (*tasks.TASKS, Corner, Whole))


def test_a_new_task_goes_all_the_way(tmp_path):
    """Of the red network's classes the first two become a point: logits of 10 and −10 on plain red."""
    props = onnx_models.metadata(task="corner", names=["red"], keypoints=1)
    model = onnx_models.red_network(classes=3)
    detector = Detector(onnx_models.write(tmp_path / "corner.onnx", model, props), conf_thres=0.3)
    assert detector.info.task.name == "corner"
    image = np.zeros((64, 64, 3), np.uint8)
    image[8:16, 16:24] = (0, 0, 255)
    image[40:48, 40:48] = (0, 0, 128)  # half as red: objectness σ(0), class σ(0), a score of 0.25
    found = detector(image)
    assert isinstance(found, Detections)
    (one,) = found
    assert one.box == pytest.approx((15, 5, 25, 19))
    assert one.score == pytest.approx(0.5, abs=1e-3)
    # 10 · 10 + 2 · 8 and −10 · 14 + 1 · 8, clipped to the image
    assert one.keypoints is not None
    assert one.keypoints.tolist() == [[64, 0]]
    assert found.to_dict()[0]["keypoints"] == [[64, 0]]
    assert len(detector(np.zeros((64, 64, 3), np.uint8))) == 0


def test_networks_of_one_task_are_told_apart_by_their_metadata():
    plain = read_info(onnx_models.metadata(), "a.onnx")
    other = read_info(onnx_models.metadata(anchors=None, reg_max=16), "b.onnx")
    assert (type(plain.task), type(other.task)) == (Detect, AnchorFree)
    assert plain.task.name == other.task.name == "detect"
    with pytest.raises(ModelError, match="lacks the metadata anchors"):
        read_info(onnx_models.metadata(anchors=None), "c.onnx")


def test_a_task_checks_its_own_metadata():
    with pytest.raises(ModelError, match=r"d\.onnx lacks the metadata keypoints; convert"):
        read_info(onnx_models.metadata(task="corner"), "d.onnx")
    with pytest.raises(ModelError, match=r"unusable metadata: keypoints must be whole numbers"):
        read_info(onnx_models.metadata(task="corner", keypoints=-1), "d.onnx")
    with pytest.raises(ModelError, match=r"damaged metadata: keypoints is not JSON"):
        read_info({**onnx_models.metadata(task="corner"), "keypoints": "{"}, "d.onnx")


def test_a_task_without_boxes_is_none_for_the_detector(tmp_path):
    props = {"task": '"whole"', "names": '["a", "b"]', "imgsz": "[50, 70]"}
    info = read_info(props, "whole.onnx")
    assert (info.strides, info.anchors, info.size_multiple) == ((), (), 1)
    path = onnx_models.write(tmp_path / "whole.onnx", props=props)
    with pytest.raises(ModelError, match=r"whole\.onnx is no model to detect with; it is for Guesser"):
        Detector(path)


def test_what_is_in_no_row_is_refused():
    with pytest.raises(ValueError, match=r"the task is 'pose', and only 'detect' .* or 'corner' or 'whole'"):
        find_task("pose", ())
