from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import evaluate
from runtime.errors import InputError
from runtime.evaluation.annotations import read_coco, read_yolo
from runtime.evaluation.compare import compare
from runtime.evaluation.data import Boxes
from runtime.evaluation.figures import confusion_matrix, iou, pair_up
from runtime.evaluation.results_file import collect, dataset_of, read_rows


def coco(boxes: list[tuple[int, int, list[float]]], **changes: Any) -> dict[str, Any]:
    """Make COCO annotations from (image, category, x y w h); the categories are 7, a cat, and 9, a dog."""
    return {
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": box} for image, category, box in boxes
        ],
        **changes,
    }


def found(image: int, category: int, box: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def figures(printed: str) -> dict[str, str]:
    """Read the twelve figures from what the command prints."""
    return {
        name.strip(): value
        for name, value in re.findall(r"^(A[PR][\w ]*?)\s+([\d.]+|-)\s+(?:IoU|area|\d+ box)", printed, re.M)
    }


TRUTH = [(1, 7, [10.0, 10.0, 20.0, 20.0]), (1, 9, [40.0, 40.0, 20.0, 20.0]), (2, 7, [0.0, 0.0, 50.0, 50.0])]


class TestFigures:
    @pytest.fixture(autouse=True)
    def _needs_the_extra(self):
        for module in ("pycocotools", "matplotlib", "tqdm"):
            pytest.importorskip(module)

    def run(self, tmp_path, detections, truth=TRUTH, *more) -> int:
        return evaluate.main(
            [
                *("--results", str(write(tmp_path / "found.json", detections))),
                *("--annotations", str(write(tmp_path / "truth.json", coco(truth)))),
                *("--output", str(tmp_path / "pictures")),
                *more,
            ]
        )

    def test_all_found(self, tmp_path, capsys):
        assert self.run(tmp_path, [found(*box, 0.9) for box in TRUTH]) == 0
        printed = capsys.readouterr().out
        values = figures(printed)
        assert len(values) == 12
        assert [values[name] for name in ("AP", "AP50", "AP75", "AR 1")] == ["1.0000"] * 4
        assert values["AP small"] == "1.0000"
        assert values["AP large"] == "-"  # there are none
        assert re.search(r"cat +2 +1\.000 +1\.000", printed)
        assert re.search(r"dog +1 +1\.000 +1\.000", printed)

    def test_nothing_found(self, tmp_path, capsys):
        assert self.run(tmp_path, []) == 0
        assert figures(capsys.readouterr().out)["AP"] == "0.0000"

    def test_half_of_a_class_found(self, tmp_path, capsys):
        """Of the two cats the certain one is right: precision 1 up to recall 0.5, of 101 recalls 51; no dog.

        The wrong cat is less certain and costs nothing.
        """
        self.run(tmp_path, [found(*TRUTH[0], 0.9), found(2, 7, [50.0, 50.0, 9.0, 9.0], 0.8)])
        assert figures(capsys.readouterr().out)["AP50"] == f"{51 / 101 / 2:.4f}"

    def test_wrong_before_right(self, tmp_path, capsys):
        """The most certain dog is wrong, so precision is 1/2 at every recall; its box overlaps by IoU 0.8."""
        wrong, right = found(2, 9, [0, 0, 10, 10], 0.9), found(1, 9, [0, 0, 10, 8], 0.8)
        self.run(tmp_path, [wrong, right], [(1, 9, [0.0, 0.0, 10.0, 10.0])])
        values = figures(capsys.readouterr().out)
        assert values["AP50"] == values["AP75"] == "0.5000"
        assert values["AP"] == f"{0.5 * 7 / 10:.4f}"  # right at 0.50, 0.55, … 0.80

    def test_pictures(self, tmp_path):
        self.run(tmp_path, [found(*box, 0.9) for box in TRUTH])
        for name in ("precision-recall.png", "confusion-matrix.png"):
            picture = cv2.imread(str(tmp_path / "pictures" / name))
            assert picture is not None
            assert picture.shape[0] > 300
        assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
            "confusion-matrix.png",
            "precision-recall.png",
        ]

    def test_what_the_detect_command_writes(self, tmp_path, capsys):
        """Images by file name, categories by name, boxes by their corners."""
        names = {7: "cat", 9: "dog"}
        content = [
            {
                "file": f"C:\\photos\\{image}.png",
                "width": 64,
                "height": 64,
                "detections": [
                    {"class_id": 0, "name": names[category], "score": 0.9, "box": [x, y, x + w, y + h]}
                    for i, category, (x, y, w, h) in TRUTH
                    if i == image
                ],
            }
            for image in (1, 2)
        ]
        assert self.run(tmp_path, content) == 0
        assert figures(capsys.readouterr().out)["AP"] == "1.0000"

    def test_a_missing_package_is_named(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
        assert self.run(tmp_path, []) == 2
        assert 'evaluating needs pycocotools: pip install "yolov5-dnn[eval]"' in capsys.readouterr().err

    def test_the_reference_detections_reach_the_reference_figures(self, shared, tmp_path, capsys):
        """PyTorch's own: mAP 0.297, mAP50 0.448. The file also agrees with itself."""
        results = str(shared / "reference" / "coco80-yolov5n-coco-v6.0-rect640.json.gz")
        annotations = str(shared / "coco80" / "instances.json")
        command = ["--results", results, "--annotations", annotations, "--against", results]
        assert evaluate.main([*command, "--output", str(tmp_path)]) == 0
        printed = capsys.readouterr().out
        assert float(figures(printed)["AP"]) == pytest.approx(0.297, abs=0.0005)
        assert float(figures(printed)["AP50"]) == pytest.approx(0.448, abs=0.0005)
        assert "20737 of 20737 boxes agree (100.000%)" in printed


class TestDetecting:
    """The whole command on pictures of red squares; see onnx_models."""

    @pytest.fixture
    def scene(self, tmp_path) -> Path:
        pytest.importorskip("onnx")
        for module in ("pycocotools", "matplotlib", "tqdm"):
            pytest.importorskip(module)
        import onnx_models

        onnx_models.write(tmp_path / "red.onnx")
        (tmp_path / "images" / "sub").mkdir(parents=True)
        image = np.zeros((64, 64, 3), np.uint8)
        image[8:16, 16:24] = (0, 0, 255)  # a plain box of 10 × 14 around (20, 12)
        cv2.imwrite(str(tmp_path / "images" / "1.png"), image)
        cv2.imwrite(str(tmp_path / "images" / "sub" / "2.png"), image * 0)
        return tmp_path

    def run(self, scene, annotations, *more) -> int:
        return evaluate.main(
            [
                *("--weights", str(scene / "red.onnx"), "--images", str(scene / "images")),
                *("--annotations", str(annotations), "--output", str(scene / "pictures")),
                *more,
            ]
        )

    def truth(self, **changes: Any) -> dict[str, Any]:
        return {
            "images": [{"id": 3, "file_name": "1.png"}, {"id": 4, "file_name": "sub/2.png"}],
            "categories": [{"id": 0, "name": "bluish"}, {"id": 5, "name": "plain"}],
            "annotations": [{"image_id": 3, "category_id": 5, "bbox": [15, 5, 10, 14]}],
            **changes,
        }

    def test_coco_annotations(self, scene, capsys):
        truth = write(scene / "truth.json", self.truth())
        assert self.run(scene, truth, "--json", str(scene / "out.json")) == 0
        printed = capsys.readouterr().out
        assert figures(printed)["AP"] == "1.0000"
        assert "2 images; milliseconds an image: letterbox" in printed
        best = max(json.loads((scene / "out.json").read_text()), key=lambda each: each["score"])
        assert best["image_id"] == 3
        assert best["category_id"] == 5
        assert best["bbox"] == pytest.approx([15, 5, 10, 14], abs=0.01)
        assert self.run(scene, truth, "--against", str(scene / "out.json")) == 0

    def test_another_size_than_asked_for_is_said(self, scene, capsys):
        truth = write(scene / "truth.json", self.truth())
        assert self.run(scene, truth, "--imgsz", "65") == 0
        assert "warning: --imgsz 65 is not divisible by 32: 96 is used" in capsys.readouterr().err

    def test_yolo_labels(self, scene, capsys):
        (scene / "labels").mkdir()
        (scene / "labels" / "1.txt").write_text(f"0 {20 / 64} {12 / 64} {10 / 64} {14 / 64}\n\n")
        assert self.run(scene, scene / "labels") == 0
        assert figures(capsys.readouterr().out)["AP"] == "1.0000"
        corners = [15, 5, 25, 5, 25, 19, 15, 19]
        (scene / "labels" / "1.txt").write_text("0 " + " ".join(str(x / 64) for x in corners))
        assert self.run(scene, scene / "labels") == 0
        assert figures(capsys.readouterr().out)["AP"] == "1.0000"

    def test_an_unreadable_image_is_told_and_counts_as_empty(self, scene, capsys):
        (scene / "images" / "1.png").write_bytes(b"no picture")
        assert self.run(scene, write(scene / "truth.json", self.truth())) == 1
        captured = capsys.readouterr()
        assert "1.png" in captured.err
        assert figures(captured.out)["AP"] == "0.0000"

    def test_images_that_are_not_there_do_not_count(self, scene, capsys):
        (scene / "images" / "1.png").unlink()
        truth = self.truth()
        truth["annotations"].append({"image_id": 4, "category_id": 5, "bbox": [1, 2, 3, 4]})
        self.run(scene, write(scene / "truth.json", truth))
        printed = capsys.readouterr().out
        assert "only 1 of 2 annotated images are in" in printed
        assert re.search(r"plain +1 ", printed)

    def test_classes_are_matched_by_name(self, scene, capsys):
        truth = self.truth(categories=[{"id": 5, "name": "plain"}])
        assert self.run(scene, write(scene / "truth.json", truth)) == 0
        assert "not annotated, so left out: bluish" in capsys.readouterr().out
        truth = self.truth(categories=[{"id": 5, "name": "Plain"}])
        assert self.run(scene, write(scene / "truth.json", truth)) == 2
        assert "the model finds plain, bluish, but annotated are Plain" in capsys.readouterr().err

    def test_nothing_to_evaluate(self, scene, capsys):
        truth = write(scene / "truth.json", self.truth(images=[{"id": 3, "file_name": "other.png"}]))
        assert self.run(scene, truth) == 2
        (scene / "labels").mkdir()
        assert self.run(scene, scene / "labels") == 2
        assert "no label file for any of the 2 images" in capsys.readouterr().err
        assert self.run(scene, scene / "absent.json") == 2
        assert "absent.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "3 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "5 numbers"),
        ("cat 0.5 0.5 0.1 0.1", "not a list of numbers"),
        ("2 0.5 0.5 0.1 0.1", "there is no class 2; the model has 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "-1 is no class number"),
        ("0.5 0.5 0.5 0.1 0.1", "0.5 is no class number"),
        ("nan 0.5 0.5 0.1 0.1", "no class number"),
        ("0 32 32 10 14", "shares of the image"),
        ("0 nan 0.5 0.1 0.1", "shares of the image"),
    ],
)
def test_wrong_label_lines(tmp_path, line, message):
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(InputError, match=re.escape(message)) as refusal:
        read_yolo(tmp_path, tmp_path / "images", ["cat", "dog"])
    assert "a.txt, line 2: " in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"images": [], "annotations": []},
        coco([(3, 7, [0, 0, 1, 1])]),
        coco([(1, 8, [0, 0, 1, 1])]),
        coco([(1, 7, [0, 0, 1, 1])], categories=[{"id": "x", "name": "cat"}]),
        coco([], annotations=[{"image_id": 1, "category_id": 7, "bbox": [0, 0, 1]}]),
        coco([], annotations=[{"image_id": 1, "category_id": 7, "bbox": [0, 0, 1, float("nan")]}]),
        coco([], annotations=[{"image_id": 1, "category_id": 7, "bbox": None}]),
        coco([], images=[{"id": 1}]),
    ],
)
def test_wrong_annotations(tmp_path, content):
    with pytest.raises(InputError, match=r"truth\.json"):
        read_coco(write(tmp_path / "truth.json", content))


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1],
        [{"image_id": 1}],
        [found(1, 7, [0, 0, 1], 0.5)],
        [{**found(1, 7, [0, 0, 1, 1], 0.5), "score": "high"}],
        [{"file": "a.png"}],
        [{"file": "a.png", "detections": [{"class_id": 0}]}],
        [{"file": "a.png", "detections": []}, {"file": "b/a.png", "detections": []}],
        [{"file": "a.mp4", "frame": 0, "detections": []}],
    ],
)
def test_wrong_results(tmp_path, content):
    with pytest.raises(InputError, match=r"found\.json"):
        read_rows(write(tmp_path / "found.json", content))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("name", ["found.json", "found.json.gz"])
def test_what_is_not_json(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"found\.json"):
        read_rows(tmp_path / name)


class TestComparing:
    boxes = (
        found(1, 7, [10, 10, 20, 20], 0.9),
        found(1, 7, [10, 10, 20, 20], 0.8),
        found(2, 9, [0, 0, 5, 5], 0.7),
    )

    def run(self, tmp_path, here, there) -> int:
        with gzip.open(tmp_path / "there.json.gz", "wt") as stream:
            json.dump(there, stream)
        here = write(tmp_path / "here.json", here)
        return evaluate.main(["--results", str(here), "--against", str(tmp_path / "there.json.gz")])

    def test_the_same(self, tmp_path, capsys):
        assert self.run(tmp_path, self.boxes, self.boxes[::-1]) == 0
        assert "3 of 3 boxes agree (100.000%)" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("change", "agrees"),
        [
            ({"bbox": [0, 0, 5, 4.99]}, True),
            ({"bbox": [0, 0, 5, 4.9]}, False),
            ({"score": 0.7009}, True),
            ({"score": 0.6989}, False),
            ({"category_id": 7}, False),
            ({"image_id": 1}, False),
        ],
    )
    def test_one_that_differs(self, tmp_path, capsys, change, agrees):
        changed = (*self.boxes[:2], {**self.boxes[2], **change})
        assert self.run(tmp_path, changed, self.boxes) == (0 if agrees else 1)
        printed = capsys.readouterr().out
        if not agrees:
            assert "2 of 3 boxes agree (66.667%)" in printed
            assert "1 are missing here, 1 are extra" in printed
            assert "missing 9 0.7000 at 0.0 0.0 5.0 5.0" in printed

    def test_more_here_than_there(self, tmp_path, capsys):
        assert self.run(tmp_path, self.boxes, self.boxes[:2]) == 1
        assert "2 of 2 boxes agree (100.000%)" in capsys.readouterr().out

    def test_nothing_in_common(self, tmp_path, capsys):
        other = [{"file": "1.png", "detections": []}]
        assert self.run(tmp_path, self.boxes, other) == 2
        assert "give --annotations" in capsys.readouterr().err

    @given(seed=st.integers(0, 10**6), n=st.integers(0, 30))
    @settings(deadline=None, max_examples=30)
    def test_any_order_agrees(self, seed, n):
        rng = np.random.default_rng(seed)
        corner = rng.uniform(0, 20, (n, 2))
        xyxy = np.hstack((corner, corner + rng.uniform(1, 20, (n, 2))))
        boxes = Boxes(xyxy, rng.random(n), rng.integers(0, 2, n))
        order = rng.permutation(n)
        other = Boxes(boxes.xyxy[order], boxes.scores[order], boxes.category_ids[order])
        (difference,) = compare({1: boxes}, {1: other})
        assert difference.matched == n
        assert difference.missing == difference.extra == []


def test_confusion_matrix(tmp_path):
    """A cat found, a cat taken for a dog, a dog missed, a cat seen where nothing is, one too uncertain."""
    truth = [*TRUTH, (2, 9, [55.0, 0.0, 9.0, 9.0])]
    dataset = read_coco(write(tmp_path / "truth.json", coco(truth)))
    results = collect(
        read_rows(
            write(
                tmp_path / "found.json",
                [
                    found(1, 7, [10, 10, 20, 19], 0.9),
                    found(2, 9, [0, 0, 50, 45], 0.5),
                    found(1, 7, [0, 50, 9, 9], 0.5),
                    found(1, 9, [40, 40, 20, 20], 0.25),
                ],
            )
        ),
        dataset,
    )
    assert confusion_matrix(dataset, results).tolist() == [[1, 0, 1], [1, 0, 0], [0, 2, 0]]


def test_pairs_are_made_best_first():
    assert pair_up(np.array([[0.9, 0.8], [0.95, 0.1]]), 0.5) == [(1, 0), (0, 1)]
    assert pair_up(np.array([[0.5]]), 0.5) == []
    assert pair_up(np.empty((0, 3)), 0.5) == []


def test_iou():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 20, 20]], float)
    assert iou(boxes, boxes).tolist() == [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]]


def test_own_dataset_takes_what_the_files_mention(tmp_path):
    cow = {"class_id": 3, "name": "cow", "score": 1, "box": [0, 0, 1, 1]}
    rows = read_rows(write(tmp_path / "a.json", [{"file": "x/a.png", "detections": [cow]}]))
    dataset = dataset_of(rows)
    assert dataset.files == {1: "a.png"}
    assert dataset.categories == {3: "cow"}
    assert len(collect(rows, dataset)[1]) == 1


@pytest.mark.parametrize(
    "arguments", [[], ["--images", "."], ["--annotations", "a.json"], ["--results", "a.json"], ["--bogus"]]
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(arguments)
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err
