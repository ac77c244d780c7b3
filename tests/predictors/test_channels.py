"""Networks whose input has another number of channels than 3."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

import onnx_models

from runtime import Detector, InputError, ModelError
from runtime.detect import main
from runtime.stages.letterbox import letterbox, to_blob, to_channels


def test_each_channel_comes_where_it_belongs(tmp_path: Path) -> None:
    for channels in (2, 4, 5, 16):
        for which in (0, channels - 1):
            detector = Detector(onnx_models.write_channels(tmp_path / "n.onnx", channels, which))
            assert detector.info.channels == channels
            image = np.zeros((64, 64, channels), np.uint8)
            image[24:32, 16:24, which] = 255
            (found,) = detector(image)
            assert found.box == (15, 21, 25, 35)
            others = np.full_like(image, 255)
            others[..., which] = 0
            assert not len(detector(others))
            assert (detector(image.astype(np.uint16) << 8)[0].box) == found.box
            assert detector(image).draw(image).shape == (64, 64, 3)


def test_grey_is_made_by_opencv(tmp_path: Path) -> None:
    detector = Detector(onnx_models.write_channels(tmp_path / "grey.onnx", 1, 0))
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    for each in (image, grey, grey[..., None], np.dstack((image, grey))):
        blob, _ = detector.prepare(each)
        assert np.array_equal(blob, grey[None, None] / np.float32(255))


@pytest.mark.parametrize(("given", "text"), [(3, "has 3 channels, and the model takes 4"), (1, "has 1 ")])
def test_another_number_says_both(tmp_path: Path, given: int, text: str) -> None:
    detector = Detector(onnx_models.write_channels(tmp_path / "four.onnx", 4, 0))
    with pytest.raises(InputError, match=text):
        detector(np.zeros((64, 64, given), np.uint8))


@pytest.mark.parametrize("channels", [0, 17, "x"])
def test_metadata_that_cannot_be(tmp_path: Path, channels: object) -> None:
    with pytest.raises(ModelError, match="channels"):
        Detector(onnx_models.write_channels(tmp_path / "n.onnx", 3, 0, channels=channels))


def test_metadata_that_contradicts_the_network(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="says 4 channels, and its network's input has 5"):
        Detector(onnx_models.write_channels(tmp_path / "n.onnx", 5, 0, channels=4))


def test_the_command_takes_a_picture_of_four_channels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx_models.write_channels(tmp_path / "four.onnx", 4, 3)
    image = np.zeros((64, 64, 4), np.uint8)
    image[24:32, 16:24, 3] = 255
    cv2.imwrite("four.png", image)
    cv2.imwrite("three.png", image[..., :3])
    given = ["four.png", "three.png", "--weights", "four.onnx", "--json", "found.json"]
    assert main(given) == 1
    assert "three.png: the image has 3 channels, and the model takes 4" in capsys.readouterr().err
    (only,) = json.loads((tmp_path / "found.json").read_text())
    assert [each["box"] for each in only["detections"]] == [[15, 21, 25, 35]]
    assert (tmp_path / "runs" / "detect" / "four.png").is_file()


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_channels_are_letterboxed_like_colours(height: int, width: int, seed: int) -> None:
    """Three channels by the way of any number are those of the way of three, up to their order."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    expected, placement = letterbox(image, (64, 64))
    canvas, same = letterbox(to_channels(np.dstack((image, image[..., :1])), 4), (64, 64))
    assert same == placement
    assert np.array_equal(canvas[..., :3], expected)
    assert np.array_equal(to_blob(canvas)[:, [2, 1, 0]], to_blob(expected))
