from __future__ import annotations

import json

import numpy as np
import pytest

from runtime import Detections


@pytest.fixture
def found() -> Detections:
    return Detections(
        xyxy=np.array([[1, 2, 30.5, 40], [5, 6, 7, 8]], np.float32),
        scores=np.array([0.75, 0.5], np.float32),
        class_ids=np.array([1, 0], np.int32),
        names=("cat", "狗"),
    )


@pytest.fixture
def nothing() -> Detections:
    return Detections(
        np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32), ("cat", "狗")
    )


def test_to_dict_is_plain(found, nothing):
    assert json.loads(json.dumps(found.to_dict())) == [
        {"class_id": 1, "name": "狗", "score": 0.75, "box": [1, 2, 30.5, 40]},
        {"class_id": 0, "name": "cat", "score": 0.5, "box": [5, 6, 7, 8]},
    ]
    assert nothing.to_dict() == []


def test_length(found, nothing):
    assert len(found) == 2
    assert len(nothing) == 0
    assert not nothing


def test_drawing_leaves_the_image_alone(found):
    image = np.zeros((60, 60, 3), np.uint8)
    drawn = found.draw(image)
    assert drawn.shape == image.shape
    assert drawn.any()
    assert not image.any()


def test_supervision_takes_it(found, nothing):
    supervision = pytest.importorskip("supervision")
    for detections in (found, nothing):
        taken = supervision.Detections(**detections.to_supervision())
        assert len(taken) == len(detections)
        assert taken.xyxy.tolist() == detections.xyxy.tolist()
        assert taken.confidence.tolist() == detections.scores.tolist()
        assert taken.class_id.tolist() == detections.class_ids.tolist()
    assert supervision.Detections(**found.to_supervision())["class_name"].tolist() == ["狗", "cat"]
