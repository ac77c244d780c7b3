"""Tiles: what they cover, and one answer from all of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

import onnx_models

from runtime import Detections, Detector, InputError
from runtime.predictors.tiles import OVERLAP, Window, merge_windows, tile_windows


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(32, 900))
def test_tiles_cover_the_image_and_overlap(height: int, width: int, side: int) -> None:
    whole, *tiles = tile_windows((height, width), side)
    assert whole == (0, 0, width, height)
    assert bool(tiles) == (max(height, width) > side)
    for axis, length in ((0, width), (1, height)):
        spans = sorted({(tile[axis], tile[axis + 2]) for tile in tiles})
        if not spans:
            continue
        assert spans[0][0] == 0
        assert spans[-1][1] == length
        assert all(end - start == min(side, length) for start, end in spans)
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= OVERLAP * side - 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(100, 400))
def test_what_every_window_sees_is_found_once(seed: int, side: int) -> None:
    """Objects far apart, each window finding what is in it, cut at its edges: all of them, whole, once."""
    rng = np.random.default_rng(seed)
    size = 900
    grid = [(x, y) for x in range(0, size, 180) for y in range(0, size, 180)]
    truth = []
    for x, y in grid:
        w, h = rng.uniform(8, 130, 2)
        x1, y1 = x + rng.uniform(0, 170 - w), y + rng.uniform(0, 170 - h)
        truth.append((x1, y1, min(x1 + w, size), min(y1 + h, size)))
    windows = tile_windows((size, size), side)
    parts = []
    for window in windows:
        left, top, right, bottom = window
        boxes = []
        for x1, y1, x2, y2 in truth:
            box = max(x1, left), max(y1, top), min(x2, right), min(y2, bottom)
            if window == windows[0] and max(x2 - x1, y2 - y1) < 60:
                continue  # too small to be seen in the whole picture
            if box[2] - box[0] > 4 and box[3] - box[1] > 4:
                boxes.append([box[0] - left, box[1] - top, box[2] - left, box[3] - top])
        count = len(boxes)
        parts.append(
            Detections(
                np.array(boxes, np.float32).reshape(-1, 4),
                rng.uniform(0.3, 1, count).astype(np.float32),
                np.zeros(count, np.int32),
                ("thing",),
            )
        )
    merged = merge_windows(parts, windows, (size, size), 0.45, 1000)
    assert (np.diff(merged.scores) <= 0).all()
    assert len(merged) == len(truth)
    for box in truth:
        assert np.abs(merged.xyxy - np.array(box)).max(axis=1).min() < 1


def test_pieces_of_one_thing_become_one_box_and_one_mask() -> None:
    """Too long for the overlap, and not seen in the whole picture."""
    windows = [Window(0, 0, 180, 60), Window(0, 0, 100, 60), Window(80, 0, 180, 60)]

    def part(boxes: list[list[float]], score: float) -> Detections:
        masks = np.zeros((len(boxes), 60, 100), bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
            mask[int(y1) : int(y2), int(x1) : int(x2)] = True
        count = len(boxes)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(count, score, np.float32),
            np.zeros(count, np.int32),
            ("snake",),
            masks=masks if count else np.zeros((0, 60, 180), bool),
        )

    parts = [part([], 0), part([[20, 20, 100, 40]], 0.6), part([[0, 20, 70, 40]], 0.8)]
    merged = merge_windows(parts, windows, (60, 180), 0.45, 10)
    (one,) = merged
    assert one.box == (20, 20, 150, 40)
    assert one.score == pytest.approx(0.8)
    assert one.mask is not None
    expected = np.zeros((60, 180), bool)
    expected[20:40, 20:150] = True
    assert np.array_equal(one.mask, expected)


def test_a_detector_finds_in_tiles_what_is_lost_in_the_whole(tmp_path: Path) -> None:
    """The network of the tests sees red squares of 8 pixels; scaled down, these are grey."""
    path = onnx_models.write(tmp_path / "red.onnx", onnx_models.red_network(), onnx_models.metadata())
    image = np.zeros((256, 256, 3), np.uint8)
    image[8:16, 16:24] = image[200:208, 40:48] = image[120:128, 232:240] = (0, 0, 255)
    whole, tiled = Detector(path), Detector(path, tiles=64)
    assert len(whole(image)) == 0
    found = tiled(image)
    assert len(found) == 3
    assert found.timings.keys() == whole(image).timings.keys()
    small = image[:64, :64]
    assert np.array_equal(tiled(small).xyxy, whole(small).xyxy)


@pytest.mark.parametrize("tiles", [0, 31, 1.5, "64", True])
def test_wrong_sizes_of_tiles(tmp_path: Path, tiles: object) -> None:
    with pytest.raises(InputError, match="tiles"):
        Detector(tiles=tiles)  # type: ignore[arg-type]
