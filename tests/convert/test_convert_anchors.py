"""Anchors for labels: how they fit, against the plainest way to count it; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convert import cli
from convert.autoanchor import find_anchors, fit
from runtime.errors import InputError

SIDES = st.floats(2, 1000)
SIZES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(SIZES, SIZES)
def test_fit(boxes: list[tuple[float, float]], anchors: list[tuple[float, float]]) -> None:
    fitting = []
    for w, h in boxes:
        fitting.append(
            sum(max(w / aw, aw / w, h / ah, ah / h) < 4 * (1 - 1e-12) for aw, ah in anchors),
        )
    found = fit(np.array(boxes), np.array(anchors))
    exact = all(abs(max(w / aw, aw / w, h / ah, ah / h) - 4) > 1e-9 for w, h in boxes for aw, ah in anchors)
    if exact:
        assert found.recall == pytest.approx(sum(n > 0 for n in fitting) / len(boxes))
        assert found.anchors == pytest.approx(sum(fitting) / len(boxes))


def clusters() -> np.ndarray:
    """Boxes of three kinds, each within a few percent of one size."""
    random = np.random.default_rng(1)
    kinds = np.array([[12, 20], [60, 40], [300, 350]])
    return (kinds[:, None] * random.normal(1, 0.05, (3, 80, 2))).reshape(-1, 2)


def test_anchors_are_the_sizes_of_the_boxes() -> None:
    anchors = find_anchors(clusters(), 3)
    np.testing.assert_allclose(anchors, [[12, 20], [60, 40], [300, 350]], rtol=0.05)
    assert fit(clusters(), anchors).recall == 1
    np.testing.assert_array_equal(anchors, find_anchors(clusters(), 3))


def test_more_anchors_fit_no_worse_and_go_from_small_to_large() -> None:
    random = np.random.default_rng(2)
    sizes = np.exp(random.normal(4, 1, (300, 2))).clip(2, 640)
    anchors = find_anchors(sizes, 9)
    areas = anchors.prod(axis=1)
    assert (np.diff(areas) >= 0).all()
    assert fit(sizes, anchors).recall > max(0.95, fit(sizes, find_anchors(sizes, 2)).recall)


def test_too_few_boxes() -> None:
    with pytest.raises(InputError, match="9 anchors need 9 boxes or more, and there are 2"):
        find_anchors(np.ones((2, 2)), 9)


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """A folder of YOLO labels, with images of 320 × 160 in the folder beside it; one has no objects."""
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "labels" / "a").mkdir(parents=True)
    for i in range(4):
        cv2.imwrite(str(tmp_path / "images" / "a" / f"{i}.png"), np.zeros((160, 320, 3), np.uint8))
    for i in range(3):
        size = [(0.1, 0.1), (0.2, 0.5), (0.5, 0.9)][i]
        lines = [f"0 0.5 0.5 {size[0] + j / 1000} {size[1]}" for j in range(4)]
        (tmp_path / "labels" / "a" / f"{i}.txt").write_text("\n".join(lines))
    return tmp_path / "labels" / "a"


def test_command(yolo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The longer side, 320, becomes 640: a box of 0.1 × 0.1 is 64 × 32 then."""
    assert cli.main(["anchors", str(yolo), "-n", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12 boxes in 4 images, whose longer side becomes 640 pixels"
    assert lines[-1] == "best possible recall 1.0000, 1.67 anchors fit a box on average"
    levels = [line.strip(" -[]").split(",") for line in lines if line.startswith("  - ")]
    np.testing.assert_allclose(np.array(levels, float), [[65, 32], [129, 160], [321, 288]], rtol=0.02)


def test_command_with_coco_annotations(
    yolo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A crowd doesn't count, nor does a box too small."""
    boxes = [[0, 0, 32, 16], [5, 5, 64, 80], [0, 0, 0.5, 0.5], [0, 0, 320, 160]]
    content = {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 8, "file_name": "missing.png"}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": i, "image_id": 7, "category_id": 1, "bbox": box, "iscrowd": int(i == 3)}
            for i, box in enumerate(boxes)
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    images = str(tmp_path / "images" / "a")
    assert cli.main(["anchors", str(tmp_path / "instances.json"), "--images", images, "-n", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 boxes in 1 images")
    assert "  - [64,32, 128,160]\n" in out


def test_command_with_a_checkpoint(yolo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    import networks

    from convert import save_checkpoint

    save_checkpoint(tmp_path / "a.pt", networks.build("p34"))
    assert cli.main(["anchors", str(yolo), "-n", "3", "--checkpoint", str(tmp_path / "a.pt")]) == 0
    out = capsys.readouterr().out
    # of YOLOv5's anchors up to 59 × 119, which are none for boxes of 321 × 288
    assert (
        "a.pt:\nanchors:\n  - [10,13, 16,30, 33,23]\n  - [30,61, 62,45, 59,119]\nbest possible recall 0.6667"
        in out
    )
    save_checkpoint(tmp_path / "b.pt", networks.build("yolov5u"))
    assert cli.main(["anchors", str(yolo), "--checkpoint", str(tmp_path / "b.pt")]) == 2
    assert "its network has no anchors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none"], "where are the images? Give their folder with --images"),
        (["labels/none"], "there is no such folder of images"),
        (["none.json", "--images", "."], "none.json: there is no such file or folder of labels"),
        ([".", "--images", "."], "has no label file for any of the 0 images"),
        ([".", "--images", ".", "--imgsz", "1"], "--imgsz must be from 32 to 8192, not 1"),
        ([".", "--images", ".", "-n", "0"], "-n must be from 1 to 100, not 0"),
    ],
)
def test_bad_usage(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["anchors", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert sentence in err
