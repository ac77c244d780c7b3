from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import InputError
from runtime.stages import nms as nms_module
from runtime.stages.candidates import Candidates
from runtime.stages.nms import MAX_NMS

SCORES = np.array([0.9, 0.8], np.float32)


def nms(xyxy, scores, class_ids, iou_thres, max_det, agnostic=False) -> np.ndarray:
    """Suppress among candidates of plain detection."""
    candidates = Candidates(xyxy, scores, class_ids, np.empty((len(scores), 0), np.float32))
    return nms_module.nms(candidates, iou_thres, max_det, agnostic)


def nms_slowly(xyxy, scores, class_ids, iou_thres, max_det, agnostic=False):
    """Follow the definition, one pair of boxes after the other."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:MAX_NMS]
    kept: list[int] = []
    for i in order:
        if len(kept) == max_det:
            break
        for j in kept:
            if (agnostic or class_ids[i] == class_ids[j]) and float(iou_of(xyxy[i], xyxy[j])) > iou_thres:
                break
        else:
            kept.append(i)
    return kept


def iou_of(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), np.float32(0))
    height = max(min(a[3], b[3]) - max(a[1], b[1]), np.float32(0))
    intersection = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection
    return intersection / union if union else np.float32(0)


def crowd(
    seed: int, n: int, classes: int, side: float, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make boxes that overlap much, on whole pixels and with few different scores, so that there are ties."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, max(int(side), 1), (n, 2))
    xyxy = np.hstack((corner, corner + rng.integers(0, 25, (n, 2)))).astype(np.float32)
    return (
        xyxy,
        (rng.integers(1, steps + 1, n) / steps).astype(np.float32),
        rng.integers(0, classes, n, np.int32),
    )


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 60),
    classes=st.integers(1, 4),
    side=st.sampled_from([5, 30, 100]),
    steps=st.sampled_from([1, 5, 10**6]),
    iou_thres=st.sampled_from([0, 0.1, 0.45, 0.5, 0.6, 1]),
    max_det=st.sampled_from([1, 5, 300]),
    agnostic=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_as_the_definition_says(seed, n, classes, side, steps, iou_thres, max_det, agnostic):
    boxes = crowd(seed, n, classes, side, steps)
    keep = nms(*boxes, iou_thres, max_det, agnostic)
    assert keep.tolist() == nms_slowly(*boxes, iou_thres, max_det, agnostic)


@pytest.mark.parametrize("n", [255, 256, 257, 900])
@pytest.mark.parametrize("agnostic", [False, True])
def test_many_boxes_as_the_definition_says(n, agnostic):
    """Enough of them for several blocks."""
    boxes = crowd(n, n, 3, 200, 50)
    assert nms(*boxes, 0.45, 300, agnostic).tolist() == nms_slowly(*boxes, 0.45, 300, agnostic)


def test_a_chain_falls_alternately():
    """Each box overlaps its neighbours: the first stands, the second falls, so the third stands again."""
    x = np.arange(300, dtype=np.float32) * 4
    xyxy = np.stack((x, x * 0, x + 10, x * 0 + 10), axis=1)
    scores = np.linspace(0.9, 0.1, 300, dtype=np.float32)
    assert nms(xyxy, scores, np.zeros(300, int), 0.4, 1000).tolist() == list(range(0, 300, 2))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), agnostic=st.booleans())
@settings(deadline=None, max_examples=50)
def test_the_order_given_does_not_matter(seed, n, agnostic):
    """Without ties, that is."""
    xyxy, _, class_ids = crowd(seed, n, 3, 40, 1)
    rng = np.random.default_rng(seed)
    scores = (rng.permutation(n) + 1).astype(np.float32) / n
    shuffled = rng.permutation(n)
    keep = nms(xyxy, scores, class_ids, 0.45, 300, agnostic)
    again = nms(xyxy[shuffled], scores[shuffled], class_ids[shuffled], 0.45, 300, agnostic)
    assert shuffled[again].tolist() == keep.tolist()


@given(seed=st.integers(0, 10**6), n=st.integers(0, 80))
@settings(deadline=None, max_examples=50)
def test_what_is_kept_keeps(seed, n):
    """Suppressing again changes nothing; scores fall; nothing kept overlaps; all that fell had a reason."""
    xyxy, scores, class_ids = crowd(seed, n, 2, 40, 10)
    keep = nms(xyxy, scores, class_ids, 0.45, 300)
    assert nms(xyxy[keep], scores[keep], class_ids[keep], 0.45, 300).tolist() == list(range(len(keep)))
    assert (np.diff(scores[keep]) <= 0).all()
    fallen = np.setdiff1d(np.arange(n), keep)
    for i in fallen:
        assert any(iou_of(xyxy[i], xyxy[j]) > 0.45 for j in keep if class_ids[i] == class_ids[j])


def test_iou_at_the_threshold_is_not_above_it():
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    assert nms(xyxy, SCORES, np.zeros(2, int), 0.5, 10).tolist() == [0, 1]
    assert nms(xyxy, SCORES, np.zeros(2, int), 0.49, 10).tolist() == [0]


def test_a_threshold_without_float32_is_compared_exactly():
    """An IoU of 3 / 5 is 0.60000002 in float32 and above 0.6; one of 9 / 20 is 0.44999999, below 0.45."""
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 6]], np.float32)
    assert nms(xyxy, SCORES, np.zeros(2, int), 0.6, 10).tolist() == [0]
    xyxy = np.array([[0, 0, 10, 10], [0, 0, 10, 4.5]], np.float32)
    assert nms(xyxy, SCORES, np.zeros(2, int), 0.45, 10).tolist() == [0, 1]


def test_boxes_without_area_suppress_nothing():
    xyxy = np.array([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10]], np.float32)
    assert nms(xyxy, np.array([0.9, 0.8, 0.7], np.float32), np.zeros(3, int), 0, 10).tolist() == [0, 1, 2]


def test_only_the_best_candidates_are_looked_at():
    """Box MAX_NMS overlaps nothing, yet comes too late."""
    n = MAX_NMS + 1
    xyxy = np.tile(np.array([0, 0, 10, 10], np.float32), (n, 1))
    xyxy[-1] += 1000
    scores = np.linspace(1, 0.5, n, dtype=np.float32)
    assert nms(xyxy, scores, np.zeros(n, int), 0.5, 300).tolist() == [0]
    assert nms(xyxy[1:], scores[1:], np.zeros(n - 1, int), 0.5, 300).tolist() == [0, n - 2]


@pytest.mark.parametrize("lengths", [(2, 3, 3), (3, 2, 3), (3, 3, 2)])
def test_lengths_that_do_not_match(lengths):
    boxes, scores, classes = lengths
    with pytest.raises(InputError, match="match"):
        nms(np.zeros((boxes, 4), np.float32), np.zeros(scores, np.float32), np.zeros(classes, int), 0.5, 10)
