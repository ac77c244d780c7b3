"""Masks: from prototypes, on the canvas, in the image."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.stages.letterbox import Placement, letterbox
from runtime.stages.masks import Masks, make_bitmaps

WHOLE = Placement(1.0, 0.0, 0.0)


def slow_masks(prototypes: np.ndarray, coefficients: np.ndarray, xyxy: np.ndarray, size: int) -> np.ndarray:
    """Compute the same with whole maps: σ, cut to the box cell by cell, scale up, compare with a half."""
    _, mh, mw = prototypes.shape
    found = []
    for weights, box in zip(coefficients, xyxy, strict=True):
        total = sum(w * plane for w, plane in zip(weights, prototypes, strict=True))
        values = (1 / (1 + np.exp(-np.asarray(total, np.float64)))).astype(np.float32)
        for row in range(mh):
            for column in range(mw):
                x1, y1, x2, y2 = box / (size / mw)
                if not (x1 <= column < x2 and y1 <= row < y2):
                    values[row, column] = 0
        found.append(cv2.resize(values, (size, size), interpolation=cv2.INTER_LINEAR) > 0.5)
    return np.array(found).reshape(-1, size, size)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(*[st.floats(-20, 84, width=32)] * 4), max_size=4),
    st.sampled_from([2, 4]),
)
def test_windows_give_what_whole_maps_give(seed: int, boxes: list[tuple[float, ...]], scale: int) -> None:
    rng = np.random.default_rng(seed)
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    prototypes = rng.normal(0, 2, (3, 64 // scale, 64 // scale)).astype(np.float32)
    coefficients = rng.normal(0, 1, (len(xyxy), 3)).astype(np.float32)
    masks = Masks(make_bitmaps(prototypes, coefficients, xyxy, (64, 64)), WHOLE, (64, 64))
    different = np.asarray(masks) != slow_masks(prototypes, coefficients, xyxy, 64)
    assert different.sum() <= 1  # a value at a half may round either way


@pytest.mark.parametrize("name", ["random-v7.0-n-seg-6c", "random-v7.0-n-seg-nm16"])
def test_masks_are_those_of_the_release(shared: Path, name: str) -> None:
    reference = np.load(shared / "reference" / f"{name}.npz")
    found = reference["detections_xyxy_conf_cls_coeffs"]
    size = reference["input_u8"].shape[2:]
    bitmaps = make_bitmaps(reference["proto"][0], found[:, 6:], found[:, :4], size)
    assert len(bitmaps) == len(found) > 10
    expected = reference["masks"].astype(bool)
    assert expected.any()
    assert (np.asarray(Masks(bitmaps, WHOLE, size)) == expected).mean() >= 0.99999


def test_masks_go_for_an_array() -> None:
    array = np.random.default_rng(1).random((5, 7, 9)) < 0.4
    masks = Masks.of_array(array)
    assert masks.shape == array.shape
    assert len(masks) == 5
    assert np.array_equal(np.asarray(masks), array)
    assert np.array_equal(masks[3], array[3])
    assert np.array_equal(masks[-1], array[-1])
    for index in (slice(1, 4), [4, 0], np.array([True, False, True, False, True]), slice(0, 0)):
        chosen = masks[index]
        assert isinstance(chosen, Masks)
        assert np.array_equal(np.asarray(chosen), array[index])
    both = Masks.concatenate([masks[:2], masks[2:]])
    assert np.array_equal(np.asarray(both), array)
    with pytest.raises(IndexError):
        masks[5]


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 200), st.integers(8, 200), st.integers(0, 2**32 - 1), st.sampled_from([None, 32]))
def test_a_mask_comes_back_to_where_it_lies_in_the_image(
    height: int, width: int, seed: int, stride: int | None
) -> None:
    """A filled ellipse in the image, found on the canvas as it looks there, is that ellipse again."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.uint8)
    centre = (int(rng.integers(width)), int(rng.integers(height)))
    axes = (int(rng.integers(3, width)), int(rng.integers(3, height)))
    cv2.ellipse(image, centre, axes, 0, 0, 360, (255, 255, 255), cv2.FILLED)
    canvas, placement = letterbox(image, (96, 96), stride)
    on_canvas = canvas[..., 0] > 127
    rows, columns = np.nonzero(on_canvas)
    top, left = (int(rows.min()), int(columns.min())) if len(rows) else (0, 0)
    bitmap = on_canvas[top : rows.max(initial=-1) + 1, left : columns.max(initial=-1) + 1]
    mask = Masks([(left, top, bitmap)], placement, (height, width))[0]
    # Only where the edge passes may they differ, by what a pixel of the coarser of the two covers.
    reach = 2 * int(np.ceil(max(1, 1 / placement.scale))) + 3
    kernel = np.ones((reach, reach), np.uint8)
    truth = image[..., 0]
    assert not (mask & (cv2.dilate(truth, kernel) == 0)).any()
    assert not (~mask & (cv2.erode(truth, kernel, borderValue=255) > 0)).any()


def test_what_is_kept_does_not_grow_with_the_image() -> None:
    prototypes = np.ones((1, 40, 40), np.float32)
    coefficients, boxes = (
        np.ones((30, 1), np.float32),
        np.tile(np.array([0, 0, 160, 160], np.float32), (30, 1)),
    )
    bitmaps = make_bitmaps(prototypes, coefficients, boxes, (160, 160))
    assert sum(bitmap.nbytes for _, _, bitmap in bitmaps) <= 30 * 160 * 160
    masks = Masks(bitmaps, Placement(160 / 4000, 0.0, 0.0), (4000, 4000))
    assert masks.shape == (30, 4000, 4000)
    assert masks[0].all()
