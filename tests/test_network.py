"""What the network does to the process that it runs in."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from runtime import Detector


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
