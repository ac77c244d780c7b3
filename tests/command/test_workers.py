"""How many detectors many images are divided among."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx_models
from pictures import RED_BOX, red_picture

from runtime.command.pipeline import in_order
from runtime.command.workers import MAX_BYTES, detectors_for
from runtime.errors import ModelError
from runtime.predictors.detector import Detector


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return onnx_models.write(tmp_path / "red.onnx")


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    threads = cv2.getNumThreads()
    yield
    cv2.setNumThreads(threads)


@pytest.mark.parametrize(
    ("threads", "images", "count"),
    [(3, math.inf, 3), (3, 18, 3), (3, 17, 1), (2, 12, 2), (2, 1, 1), (1, math.inf, 1)],
)
def test_many_images_get_a_detector_for_each_thread(
    model: Path, threads: int, images: float, count: int
) -> None:
    cv2.setNumThreads(threads)
    first = Detector(model)
    with detectors_for(first, lambda: Detector(model), images) as detectors:
        assert len({id(detector) for detector in detectors}) == len(detectors) == count
        assert detectors[0] is first
        assert cv2.getNumThreads() == (1 if count > 1 else threads)
    assert cv2.getNumThreads() == threads


def test_they_find_the_same_at_the_same_time(model: Path) -> None:
    cv2.setNumThreads(4)
    images = [np.roll(red_picture(), 8 * shift, axis=1) for shift in range(4)] * 10
    alone = Detector(model)
    expected = [alone(image) for image in images]
    assert expected[0].xyxy[0] == pytest.approx(RED_BOX, abs=1e-3)
    with detectors_for(alone, lambda: Detector(model), len(images)) as detectors:
        found = list(in_order(detectors, images))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.xyxy, other.xyxy, atol=1e-4)
        assert one.class_ids.tolist() == other.class_ids.tolist()


def test_large_models_and_other_devices_keep_one_detector(model: Path) -> None:
    cv2.setNumThreads(2)
    detector = Detector(model)
    os.truncate(model, MAX_BYTES // 2 + 1)  # as large a file as may not be loaded twice
    with detectors_for(detector, lambda: pytest.fail("a second one"), math.inf) as detectors:
        assert detectors == [detector]
    os.truncate(model, 1000)
    detector.device = "opencl"
    with detectors_for(detector, lambda: pytest.fail("a second one"), math.inf) as detectors:
        assert detectors == [detector]


def test_threads_are_given_back_after_an_error(model: Path) -> None:
    cv2.setNumThreads(2)

    def broken() -> Detector:
        raise ModelError("the file has gone")

    with pytest.raises(ModelError), detectors_for(Detector(model), broken, math.inf):
        pass
    assert cv2.getNumThreads() == 2
    with (
        pytest.raises(OSError, match="full"),
        detectors_for(Detector(model), lambda: Detector(model), math.inf),
    ):
        raise OSError("full")
    assert cv2.getNumThreads() == 2
