from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Detection, Detections, InputError
from runtime.stages.masks import Masks


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


def make(n: int, seed: int = 0, masks: bool = False, keypoints: bool = False) -> Detections:
    rng = np.random.default_rng(seed)
    return Detections(
        rng.uniform(0, 100, (n, 4)).astype(np.float32),
        rng.random(n, np.float32),
        rng.integers(0, 2, n, np.int32),
        ("cat", "狗"),
        masks=Masks.of_array(rng.random((n, 3, 5)) < 0.5) if masks else None,
        keypoints=rng.uniform(0, 9, (n, 2, 2)).astype(np.float32) if keypoints else None,
        timings={"forward": 1.5 + seed},
    )


def assert_rows(detections: Detections, whole: Detections, numbers: list[int]) -> None:
    """Check that every column holds the rows of those numbers."""
    assert len(detections) == len(numbers)
    assert detections.names == whole.names
    for column in ("xyxy", "scores", "class_ids", "masks", "keypoints"):
        mine, theirs = getattr(detections, column), getattr(whole, column)
        if theirs is None:
            assert mine is None
        else:
            assert mine.dtype == theirs.dtype
            assert mine.shape == (len(numbers), *theirs.shape[1:])
            assert all(np.array_equal(mine[i], theirs[number]) for i, number in enumerate(numbers))


@given(n=st.integers(0, 12), masks=st.booleans(), keypoints=st.booleans(), data=st.data())
def test_an_index_chooses_whole_rows(n, masks, keypoints, data):
    whole = make(n, 0, masks, keypoints)
    numbers = data.draw(st.lists(st.integers(-n, n - 1), max_size=20)) if n else []
    assert_rows(whole[numbers], whole, numbers)
    assert_rows(whole[np.array(numbers, int)], whole, numbers)
    part = data.draw(st.slices(n))
    assert_rows(whole[part], whole, list(range(n))[part])
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    assert_rows(whole[mask], whole, [i for i in range(n) if mask[i]])
    assert whole[part].timings == whole.timings
    for number in numbers:
        one = whole[number]
        assert isinstance(one, Detection)
        assert one.box == tuple(whole.xyxy[number].tolist())
        assert (one.score, one.class_id) == (whole.scores[number], whole.class_ids[number])
        assert one.name == whole.names[one.class_id]
        assert (one.mask is None) != masks
        assert (one.keypoints is None) != keypoints


@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=4), masks=st.booleans(), keypoints=st.booleans()
)
def test_joining(counts, masks, keypoints):
    parts = [make(count, seed, masks, keypoints) for seed, count in enumerate(counts)]
    whole = Detections.concatenate(parts)
    start = 0
    for part in parts:
        assert_rows(part, whole, list(range(start, start + len(part))))
        start += len(part)
    assert len(whole) == start
    assert whole.timings == {"forward": sum(1.5 + seed for seed in range(len(parts)))}


def test_a_loop_gives_each_detection(found):
    assert [one.name for one in found] == ["狗", "cat"]
    assert [one.box for one in found] == [(1, 2, 30.5, 40), (5, 6, 7, 8)]
    assert found[-1] == found[np.int64(1)] == list(found)[1]
    assert all(isinstance(edge, float) for edge in found[0].box)


@pytest.mark.parametrize("index", [2, -3, np.int64(7)])
def test_rows_that_there_are_not(found, index):
    with pytest.raises(IndexError):
        found[index]


def test_what_is_no_index(found):
    for index in (True, 0.5, "0", None):
        with pytest.raises((TypeError, IndexError)):
            found[index]
    with pytest.raises(IndexError):
        found[[[0, 1]]]


def test_what_does_not_join(found):
    with pytest.raises(InputError, match="no detections"):
        Detections.concatenate([])
    with pytest.raises(InputError, match="different classes"):
        Detections.concatenate([found, Detections(found.xyxy, found.scores, found.class_ids, ("a", "b"))])
    with pytest.raises(InputError, match="with and without masks"):
        Detections.concatenate([make(1), make(1, masks=True)])


def test_counts_and_label_lines(found, nothing):
    assert found.counts() == {0: 1, 1: 1}
    assert nothing.counts() == {}
    assert found.label_lines((40, 61)) == [
        "1 0.258197 0.525000 0.483607 0.950000",
        "0 0.098361 0.175000 0.032787 0.050000",
    ]
    assert [line.split()[-1] for line in found.label_lines((40, 61), scores=True)] == ["0.750000", "0.500000"]
    assert nothing.label_lines((40, 61)) == []


def test_keypoints_are_told():
    with_points = make(2, keypoints=True)
    assert with_points.keypoints is not None
    assert [each["keypoints"] for each in with_points.to_dict()] == with_points.keypoints.tolist()


def test_a_column_of_ones_own_goes_everywhere(found: Detections) -> None:
    """Numbers that no task gives: chosen, joined, written, and given to supervision."""
    tracked = found.with_columns(track_ids=np.array([7, 12]), speeds=np.array([[0.5, 1], [2, 3]]))
    assert found.track_ids is None
    assert (tracked[0].track_id, found[0].track_id) == (7, None)
    assert tracked[[1]].track_ids.tolist() == [12]
    assert Detections.concatenate([tracked, tracked[:1]]).track_ids.tolist() == [7, 12, 7]
    plain = json.loads(json.dumps(tracked.to_dict()))
    assert [(each["track_id"], each["speeds"]) for each in plain] == [(7, [0.5, 1]), (12, [2, 3])]
    assert tracked.header[7:] == ("track_id", "speeds0", "speeds1")
    assert [row[7:] for row in tracked.rows()] == [(7, 0.5, 1), (12, 2, 3)]
    assert [line.split()[-1] for line in tracked.label_lines((40, 61), scores=True)] == ["7", "12"]
    arguments = tracked.to_supervision()
    assert arguments["tracker_id"].tolist() == [7, 12]
    assert arguments["data"]["speeds"].shape == (2, 2)
    assert tracked.with_columns(track_ids=None).to_dict()[0].keys() == {*found.to_dict()[0], "speeds"}
    with pytest.raises(AttributeError, match="no 'depth'"):
        _ = tracked.depth


def test_track_ids_are_drawn(found: Detections) -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    drawn = [found.with_columns(track_ids=np.array(ids)).draw(image) for ids in ([1, 2], [1, 3])]
    assert (drawn[0] != found.draw(image)).any()
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"track_ids": [1]}, "a row for each of 2"),
        ({"track_ids": [0.5, 1]}, "whole numbers"),
        ({"speeds": [float("nan"), 1]}, "finite"),
        ({"speeds": [None, {}]}, "numbers or texts"),
        ({"masks": np.zeros((3, 4, 5), bool)}, "a row for each of 2"),
        ({"keypoints": np.zeros((2, 3))}, r"must be \(n, k, 2\)"),
        ({"xyxy": [1, 2]}, "cannot be called 'xyxy'"),
        ({"draw": [1, 2]}, "cannot be called 'draw'"),
    ],
)
def test_columns_that_do_not_fit(found: Detections, columns: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        found.with_columns(**columns)
    with pytest.raises(AttributeError):
        found.masks = None  # type: ignore[attr-defined]
        # columns are not assigned: a slice would leave them behind
