from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import ModelError
from runtime.stages.candidates import Candidates
from runtime.stages.decode import Layout, decode, decode_boxes, logit, sigmoid

ANCHORS = [np.array([[10, 13], [16, 30]], np.float32), np.array([[30, 61], [62, 45]], np.float32)]
STRIDES = [8, 16]
LAYOUT = Layout(classes=slice(5, 8))


def columns(candidates: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the columns that plain detection has."""
    assert candidates.extra.shape == (len(candidates), 0)
    return candidates.xyxy, candidates.scores, candidates.class_ids


def random_heads(seed: int, classes: int = 3, spread: float = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, spread, (2 * (5 + classes), 4, 6)).astype(np.float32),
        rng.normal(0, spread, (2 * (5 + classes), 2, 3)).astype(np.float32),
    ]


def decode_slowly(heads, anchors, strides, conf_thres, multi_label):
    """Follow the formulas in double precision, one number at a time."""

    def s(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    found = []
    for head, pairs, stride in zip(heads, anchors, strides, strict=True):
        channels = head.shape[0] // len(pairs)
        for a, (aw, ah) in enumerate(pairs):
            for row in range(head.shape[1]):
                for column in range(head.shape[2]):
                    x, y, w, h, objectness, *classes = map(
                        float, head[a * channels : (a + 1) * channels, row, column]
                    )
                    cx, cy = (2 * s(x) - 0.5 + column) * stride, (2 * s(y) - 0.5 + row) * stride
                    bw, bh = (2 * s(w)) ** 2 * aw, (2 * s(h)) ** 2 * ah
                    if s(objectness) <= conf_thres:
                        continue
                    if not multi_label:
                        classes = [
                            c if i == classes.index(max(classes)) else -99 for i, c in enumerate(classes)
                        ]
                    for i, c in enumerate(classes):
                        if s(objectness) * s(c) > conf_thres:
                            box = (cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2)
                            found.append((box, s(objectness) * s(c), i))
    return found


@given(
    seed=st.integers(0, 10**6), conf=st.sampled_from([0.001, 0.1, 0.25, 0.5, 0.9]), multi_label=st.booleans()
)
@settings(deadline=None, max_examples=30)
def test_as_the_formulas_say(seed, conf, multi_label):
    heads = random_heads(seed)
    xyxy, scores, class_ids = columns(decode(heads, ANCHORS, STRIDES, LAYOUT, conf, multi_label))
    assert (xyxy.dtype, scores.dtype, class_ids.dtype) == (np.float32, np.float32, np.int32)
    assert xyxy.shape == (len(scores), 4)
    expected = decode_slowly(heads, ANCHORS, STRIDES, conf, multi_label)
    assert class_ids.tolist() == [i for _, _, i in expected]
    np.testing.assert_allclose(scores, [score for _, score, _ in expected], atol=1e-6)
    np.testing.assert_allclose(xyxy, np.reshape([box for box, _, _ in expected], (-1, 4)), atol=1e-3)


def test_one_box_by_hand():
    """Logits of 0 put a box of the anchor's size into the middle of its cell, here column 5 and row 2."""
    head = np.full((2 * 8, 4, 6), -50, np.float32)
    head[8:12, 2, 5] = 0
    head[12, 2, 5] = head[14, 2, 5] = 50
    nothing = np.full((16, 2, 3), -50, np.float32)
    xyxy, scores, class_ids = columns(decode([head, nothing], ANCHORS, STRIDES, LAYOUT, 0.25))
    assert xyxy.tolist() == [[44 - 8, 20 - 15, 44 + 8, 20 + 15]]
    assert scores.tolist() == [1]
    assert class_ids.tolist() == [1]


def test_the_threshold_itself_is_not_above_it():
    head = np.zeros((16, 1, 1), np.float32)
    head[1:8], head[9:16] = -50, -50
    head[4], head[5] = 0, 100  # objectness 0.5, class 0 certain: a score of exactly 0.5
    for multi_label in (False, True):
        assert len(decode([head], ANCHORS[:1], [8], LAYOUT, 0.5, multi_label)) == 0
        assert len(decode([head], ANCHORS[:1], [8], LAYOUT, 0.4999, multi_label)) == 1


def test_equal_classes_give_the_first():
    head = np.full((2 * 8, 1, 1), 5, np.float32)
    assert decode([head], ANCHORS[:1], [8], LAYOUT, 0.25).class_ids.tolist() == [0, 0]
    every = decode([head], ANCHORS[:1], [8], LAYOUT, 0.25, multi_label=True)
    assert every.class_ids.tolist() == [0, 1, 2] * 2


@pytest.mark.parametrize("conf", [0.0, 1.0])
def test_extreme_thresholds(conf):
    heads = random_heads(0)
    count = len(decode(heads, ANCHORS, STRIDES, LAYOUT, conf))
    assert count == (2 * 24 + 2 * 6 if conf == 0 else 0)


def test_one_class():
    heads = random_heads(1, classes=1)
    xyxy, scores, class_ids = columns(decode(heads, ANCHORS, STRIDES, Layout(slice(5, 6)), 0.25))
    assert len(xyxy) == len(scores) > 0
    assert not class_ids.any()


def test_infinite_logits_give_finite_boxes():
    head = np.full((16, 2, 2), np.inf, np.float32)
    head[0:4] = -np.inf
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        xyxy, scores, _ = columns(decode([head], ANCHORS[:1], [8], LAYOUT, 0.25))
    assert np.isfinite(xyxy).all()
    assert (scores == 1).all()


def test_not_a_number_is_reported():
    heads = random_heads(0)
    heads[1][4, 1, 1] = np.nan
    with pytest.raises(ModelError, match="not a number"):
        decode(heads, ANCHORS, STRIDES, LAYOUT, 0.25)


@pytest.mark.parametrize(
    ("heads", "anchors", "strides"),
    [
        (random_heads(0)[:1], ANCHORS, STRIDES),
        (random_heads(0), ANCHORS[:1], STRIDES),
        (random_heads(0), ANCHORS, STRIDES[:1]),
        ([random_heads(0)[0][:15]], ANCHORS[:1], [8]),
        ([random_heads(0)[0][:10]], ANCHORS[:1], [8]),
    ],
)
def test_heads_that_do_not_fit(heads, anchors, strides):
    with pytest.raises(ModelError, match=r"heads|channels"):
        decode(heads, anchors, strides, LAYOUT, 0.25)


@given(st.lists(st.floats(-30, 80, width=32), min_size=1))
@settings(deadline=None)
def test_sigmoid_and_logit_undo_each_other(values):
    for probability in sigmoid(np.array(values, np.float32)).tolist():
        assert sigmoid(np.array([logit(probability)], np.float32))[0] == pytest.approx(probability, rel=1e-4)


def test_boxes_alone():
    boxes = decode_boxes(
        np.array([[0, 0, 0, 0], [100, -100, 100, -100]], np.float32),
        np.array([[3, 4], [3, 4]], np.float32),
        np.array([[10, 20], [10, 20]], np.float32),
        np.array([[8], [16]], np.float32),
    )
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, [[23, 26, 33, 46], [72 - 20, 56, 72 + 20, 56]], atol=1e-4)
