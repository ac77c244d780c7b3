"""What the network does to the process that it runs in, and the engines that it may run in."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime import Detector, DeviceError
from runtime.engines.devices import available_devices
from runtime.engines.network import Network
from runtime.inputs.image_file import read_image

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(cv2.dnn, "ENGINE_CLASSIC"),
    reason="only OpenCV 5's new engine asks for its buffers anew, and only glibc is told to keep them",
)
def test_a_forward_pass_touches_no_new_pages() -> None:
    import resource

    def faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    detector = Detector(imgsz=640)
    image = np.full((640, 640, 3), 90, np.uint8)
    for _ in range(4):
        detector(image)
    before = faults()
    for _ in range(5):
        detector(image)
    assert (faults() - before) / 5 < 200, "it was over a thousand"


@pytest.mark.skipif(
    "onnxruntime" not in available_devices(), reason="this OpenCV was built without onnxruntime"
)
def test_onnxruntime_within_opencv_finds_the_same() -> None:
    image = read_image(SAMPLES / "cluttered.jpg")
    expected, found = Detector()(image), Detector(device="onnxruntime", load=Network)(image)
    assert len(expected.scores) == 8
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    assert np.abs(found.xyxy - expected.xyxy).max() < 0.05
    assert np.abs(found.scores - expected.scores).max() < 1e-4


@pytest.mark.skipif("onnxruntime" in available_devices(), reason="this OpenCV was built with onnxruntime")
def test_a_build_without_onnxruntime_says_so() -> None:
    with pytest.raises(DeviceError, match="cannot use the device 'onnxruntime'; it can use cpu"):
        Detector(device="onnxruntime", load=Network)
