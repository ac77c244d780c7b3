"""Real checkpoints of every release and kind, against what that release's own code gave. Needs ../shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxsim")

from convert import convert  # noqa: E402
from runtime.engines.network import Network  # noqa: E402
from runtime.model.file import read_model  # noqa: E402
from runtime.tasks.read_info import read_info  # noqa: E402

RELEASES = {
    "duckie-v7.0": "YOLOv5 v7.0, by its build",
    "helmet-vest-v6.1": "YOLOv5 v6.0 to v6.1, by its build",
    "random-face-n-0.5": "yolov5-face",
    "random-face-s": "yolov5-face",
    "random-v1.0-s": "YOLOv5 v1.0, by its build",
    "random-v2.0-s": "YOLOv5 v2.0, by its build",
    "random-v3.1-s": "YOLOv5 v3.0 to v3.1, by its build",
    "random-v4.0-s": "YOLOv5 v4.0 to v5.0, by its build",
    "random-v5.0-s": "YOLOv5 v4.0 to v5.0, by its build",
    "random-v5.0-s6": "YOLOv5 v4.0 to v5.0, by its build",
    "random-v6.2-n": "YOLOv5 v6.2 to v7.0, by its build",
    "random-v6.2-n-cls": "YOLOv5 v6.2 to v7.0, by its build",
    "random-v7.0-hub-yolov5-p2": "YOLOv5 v6.2 to v7.0, by its build",
    "random-v7.0-hub-yolov5s-LeakyReLU": "YOLOv5 v6.2 to v7.0, by its build",
    "random-v7.0-hub-yolov5s-ghost": "YOLOv5 v6.2 to v7.0, by its build",
    "random-v7.0-n-cls": "YOLOv5 v7.0, by its build",
    "random-v7.0-n-seg": "YOLOv5 v7.0, by its build",
    "random-v7.0-n-seg-6c": "YOLOv5 v7.0, by its build",
    "random-v7.0-n-seg-nm16": "YOLOv5 v7.0, by its build",
    "random-v7.0-n6": "YOLOv5 v6.2 to v7.0, by its build",
    "random-yolov5nu": "yolov5n.yaml of the package ultralytics 8.4.190",
    "random-yolov5pip-7.0.14-n": "YOLOv5 of the package yolov5 7.0.14",
    "yolov5n-coco-focus-v5.0": "YOLOv5 v4.0 to v5.0, by its build",
    "yolov5n-coco-v6.0": "YOLOv5 v6.0 to v6.1, by its build",
}
"""The checkpoints, and what each must be taken for."""

FOCUS = [
    "random-v1.0-s",
    "random-v2.0-s",
    "random-v3.1-s",
    "random-v4.0-s",
    "random-v5.0-s",
    "random-v5.0-s6",
    "yolov5n-coco-focus-v5.0",
]
"""Those that begin with a Focus layer."""


class Reference:
    """What PyTorch gave; the focus-v5.0 network has v6.0's weights, rearranged, and its reference too."""

    def __init__(self, shared: Path, name: str):
        self.checkpoint = shared / "checkpoints" / f"{name}.pt"
        file = name.replace("yolov5n-coco-focus-v5.0", "yolov5n-coco-v6.0") + ".npz"
        self.values = dict(np.load(shared / "reference" / file))
        # trained networks within 1e-4; random ones, with wild activations, within 3e-4 of the largest number
        self.random = name.startswith("random-")

    @property
    def blob(self) -> np.ndarray:
        """The network's input."""
        blob = self.values["input_u8"].astype(np.float32) / 255
        if "logits" in self.values:
            blob = (blob - self.values["mean"].reshape(3, 1, 1)) / self.values["std"].reshape(3, 1, 1)
        return blob.astype(np.float32)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.values["input_u8"].shape[2:]
        return height, width

    @property
    def heads(self) -> list[np.ndarray]:
        """The raw head maps as (1, channels, ny, nx)."""
        heads = [self.values[key] for key in sorted(self.values) if key.startswith("raw")]
        return [
            raw.transpose(0, 1, 4, 2, 3).reshape(1, -1, *raw.shape[2:4]) if raw.ndim == 5 else raw
            for raw in heads
        ]

    @property
    def metadata(self) -> dict[str, Any]:
        """What the model file must say."""
        values = self.values
        if "logits" in values:
            return {"task": "classify", "crop": "square", "mean": values["mean"], "std": values["std"]}
        if "reg_max" in values:
            return {"task": "detect", "strides": values["strides"], "reg_max": values["reg_max"]}
        facts = {"task": "detect", "strides": values["strides"], "anchors": values["anchors_pixels"]}
        if "proto" in values:
            facts |= {"task": "segment", "masks": values["proto"].shape[1]}
        if "detections_xyxy_conf_landmarks_cls" in values:
            facts |= {"task": "keypoints", "keypoints": 5}
        return facts

    def compare(self, outputs: list[np.ndarray]) -> None:
        """Compare the outputs of a model file."""
        more = [self.values[key] for key in ("proto", "logits") if key in self.values]
        largest = max((float(abs(raw).max()) for raw in self.heads), default=0)
        tolerances = [largest] * len(self.heads) + [float(abs(output).max()) for output in more]
        for output, expected, scale in zip(outputs, [*self.heads, *more], tolerances, strict=True):
            tolerance = 3e-4 * scale if self.random else 1e-4
            np.testing.assert_allclose(output, expected, rtol=0, atol=tolerance)


def names_of_outputs(path: Path) -> list[str]:
    return [output.name for output in onnx.load(path).graph.output]


@pytest.mark.parametrize("name", RELEASES)
def test_outputs(name: str, shared: Path, tmp_path: Path) -> None:
    reference = Reference(shared, name)
    report = convert(reference.checkpoint, tmp_path / "a.onnx", reference.size)
    assert report.checkpoint.release == RELEASES[name]
    assert report.dynamic == (name not in FOCUS)

    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    for key, value in reference.metadata.items():
        np.testing.assert_array_equal(np.asarray(metadata[key], getattr(value, "dtype", None)), value)
    if "names" in reference.values:
        assert metadata["names"] == reference.values["names"].tolist()
    assert (
        not metadata.keys()
        - reference.metadata.keys()
        - {
            "names",
            "imgsz",
            "dynamic",
            "source",
            "size_multiple",
        }
    )

    net = cv2.dnn.readNetFromONNX(str(tmp_path / "a.onnx"))
    net.setInput(reference.blob)
    reference.compare(list(net.forward(names_of_outputs(tmp_path / "a.onnx"))))


@pytest.mark.parametrize("name", FOCUS)
def test_outputs_with_focus_as_a_convolution(name: str, shared: Path, tmp_path: Path) -> None:
    """The input size is free then: the network is converted for another than the reference's."""
    reference = Reference(shared, name)
    height, width = reference.size
    assert convert(reference.checkpoint, tmp_path / "a.onnx", (height + 64, width), "conv").dynamic
    net = cv2.dnn.readNetFromONNX(str(tmp_path / "a.onnx"))
    net.setInput(reference.blob)
    reference.compare(list(net.forward(names_of_outputs(tmp_path / "a.onnx"))))


@pytest.mark.parametrize("name", RELEASES)
def test_outputs_of_the_fast_graph(name: str, shared: Path, tmp_path: Path) -> None:
    """Through the runtime, from a file that was converted for another size."""
    reference = Reference(shared, name)
    convert(reference.checkpoint, tmp_path / "a.onnx", 128, target="fast")
    file = read_model(tmp_path / "a.onnx")
    buffer, properties = file.buffer, file.metadata
    info = read_info(properties, tmp_path / "a.onnx")
    network = Network(buffer, info, "cpu", tmp_path / "a.onnx")
    f = info.fold
    squares = [reference.blob[:, :, row::f, column::f] for column in range(f) for row in range(f)]
    outputs = network(np.ascontiguousarray(np.concatenate(squares, 1)))
    reference.compare([output[None] for output in outputs])
