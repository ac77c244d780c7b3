"""What a classifier is shown of an image."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.inputs.image_file import read_image
from runtime.results.classification import Classification, softmax
from runtime.stages.crop import crop_shorter_side, crop_square, to_classifier_blob


@pytest.mark.parametrize("picture", ["bus", "zidane"])
def test_the_square_is_that_of_release_7(shared: Path, picture: str) -> None:
    reference = np.load(shared / "reference" / "random-v7.0-n-cls.npz")
    image = read_image(shared / "images" / f"{picture}.jpg")
    expected = reference[f"{picture}_crop_u8"][0]
    crop = crop_square(image, expected.shape[1])[:, :, ::-1].transpose(2, 0, 1)
    if cv2.__version__ >= "5":
        assert np.array_equal(crop, expected)
    assert np.abs(crop.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("picture", ["bus", "zidane"])
def test_the_shorter_side_is_that_of_release_6_2(shared: Path, picture: str) -> None:
    reference = np.load(shared / "reference" / "random-v6.2-n-cls.npz")
    image = read_image(shared / "images" / f"{picture}.jpg")
    expected = reference[f"{picture}_preprocessed"]
    blob = to_classifier_blob(image, expected.shape[2], "shorter-side", reference["mean"], reference["std"])
    assert blob.shape == expected.shape
    assert np.abs(blob - expected).max() < 1e-6


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40))
def test_any_image_gives_a_square(height: int, width: int, size: int) -> None:
    image = np.full((height, width, 3), 7, np.uint8)
    square = crop_square(image, size)
    assert square.shape == (size, size, 3)
    assert (square == 7).all()
    middle = crop_shorter_side(image, size)
    assert middle.shape == (size, size, 3)
    assert np.allclose(middle, 7 / 255)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_shorter_side_is_scaled_as_opencv_scales_all_of_it(
    height: int, width: int, size: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    shorter = min(height, width)
    whole = tuple(int(size * side / shorter) for side in (width, height))
    scaled = cv2.resize(image.astype(np.float32) / 255, whole, interpolation=cv2.INTER_LINEAR)
    top, left = (round((side - size) / 2) for side in scaled.shape[:2])
    expected = scaled[top : top + size, left : left + size]
    assert np.abs(crop_shorter_side(image, size) - expected).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 30000), (30000, 1)])
def test_of_a_long_line_only_the_middle_is_computed(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    image.reshape(-1, 3)[14990:15010] = 255
    tracemalloc.start()
    try:
        middle = crop_shorter_side(image, 224)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (middle == 1).all()
    assert peak < 20e6  # the whole picture scaled would take 18 GB


def test_the_middle_is_kept_and_the_ends_are_cut() -> None:
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    assert (crop_square(image, 10) == 255).all()
    assert (crop_shorter_side(image, 10) == 1).all()
    upright = image.transpose(1, 0, 2)
    assert (crop_square(upright, 10) == 255).all()
    assert (crop_shorter_side(upright, 10) == 1).all()


def test_colours_are_normalised_in_the_order_red_green_blue() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[:] = (0, 51, 255)  # blue, green, red
    mean, std = np.array([0.5, 0.1, 0.0], np.float32), np.array([0.5, 0.1, 2.0], np.float32)
    blob = to_classifier_blob(image, 4, "square", mean, std)
    assert np.allclose(blob[0, :, 0, 0], [1.0, 1.0, 0.0])


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9))
def test_probabilities_add_up_to_one(logits: list[float]) -> None:
    probabilities = softmax(np.array(logits, np.float32))
    assert probabilities.dtype == np.float32
    assert abs(float(probabilities.sum()) - 1) < 1e-5
    assert probabilities[int(np.argmax(logits))] == probabilities.max()


def test_the_best_classes_come_first() -> None:
    found = Classification(np.array([0.1, 0.4, 0.1, 0.4], np.float32), ("a", "b", "c", "d"))
    assert [guess.name for guess in found.top(3)] == ["b", "d", "a"]
    assert [guess.class_id for guess in found.top(9)] == [1, 3, 0, 2]
    assert replace(found, shown=1).to_dict() == [
        {"class_id": 1, "name": "b", "probability": pytest.approx(0.4)}
    ]
