"""The C++ headers and the Python runtime give the same answers, stage by stage and end to end.

Needs the programs built by `cmake -S cpp -B cpp/build -DBUILD_TESTING=ON && cmake --build cpp/build -j`: in
the folder that the environment variable YOLOV5_DNN_BUILD names, else in cpp/build/.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from runtime.inputs.image_file import read_image
from runtime.outputs.image_file import write_image
from runtime.predictors.classifier import Classifier
from runtime.results.detections import Detections
from runtime.results.rle import decode as decode_rle
from runtime.stages.decode import Layout, decode
from runtime.stages.letterbox import letterbox, to_bgr, to_blob
from runtime.stages.nms import nms

ROOT = Path(__file__).resolve().parents[2]
BUILDS = [Path(os.environ.get("YOLOV5_DNN_BUILD", ROOT / "cpp" / "build")), ROOT / "cpp" / "build"]


def program(name: str) -> Path:
    """Find a built program, or skip the test."""
    for build in BUILDS:
        for folder in ("", "tests", "Release", "tests/Release"):
            for suffix in ("", ".exe"):
                path = Path(build, folder, name + suffix)
                if path.is_file():
                    return path
    pytest.skip(
        f"{name} is not built; run: cmake -S cpp -B cpp/build -DBUILD_TESTING=ON && cmake --build cpp/build"
    )


class Stage:
    """Runs one stage of the header: packed values in, bytes out."""

    def __init__(self, folder: Path):
        self._program = program("yolov5_dnn_parity")
        self._file = folder / "input.bin"
        self.opencv = (
            subprocess.run([self._program, "version"], capture_output=True, check=True)
            .stdout.decode()
            .strip()
        )

    def __call__(self, stage: str, *parts: bytes) -> bytes:
        self._file.write_bytes(b"".join(parts))
        return subprocess.run([self._program, stage, self._file], capture_output=True, check=True).stdout


@pytest.fixture
def cpp(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


# ---- decode and NMS


class Boxes(NamedTuple):
    class_ids: np.ndarray
    scores: np.ndarray
    xyxy: np.ndarray


class Head(NamedTuple):
    stride: int
    anchors: np.ndarray  # float32 (na, 2)
    maps: np.ndarray  # float32 (images, na * (5 + classes), ny, nx)


LEVELS = np.linspace(-6, 6, 17, dtype=np.float32)


def random_heads(
    seed: int, shapes: Sequence[tuple[int, int, int, int]], classes: int, images: int = 1
) -> list[Head]:
    """Make heads of the shapes (stride, na, ny, nx) with random logits.

    The logits of scores come from a few levels: there are many ties, and what is no tie differs by more than
    the last bits, in which the exponential functions of two machines differ. So the order of boxes is the
    same everywhere.
    """
    random = np.random.default_rng(seed)
    heads = []
    for stride, na, ny, nx in shapes:
        maps = random.normal(0, 1.5, (images, na, 5 + classes, ny, nx)).astype(np.float32)
        maps[:, :, 4:] = random.choice(LEVELS, maps[:, :, 4:].shape)
        anchors = random.uniform(4, 12 * stride, (na, 2)).astype(np.float32)
        heads.append(Head(stride, anchors, maps.reshape(images, -1, ny, nx)))
    return heads


def python_boxes(
    heads: Sequence[Head],
    image: int,
    conf: float,
    iou_thres: float,
    max_det: int,
    multi_label: bool,
    agnostic: bool,
) -> Boxes:
    candidates = decode(
        [head.maps[image] for head in heads],
        [head.anchors for head in heads],
        [head.stride for head in heads],
        Layout(classes=slice(5, heads[0].maps.shape[1] // len(heads[0].anchors))),
        conf,
        multi_label,
    )
    kept = candidates[nms(candidates, iou_thres, max_det, agnostic)]
    return Boxes(kept.class_ids, kept.scores, kept.xyxy)


def cpp_boxes(
    cpp: Stage,
    heads: Sequence[Head],
    conf: float,
    iou_thres: float,
    max_det: int,
    multi_label: bool,
    agnostic: bool,
) -> list[Boxes]:
    images = len(heads[0].maps)
    parts = [struct.pack("<5i2d", images, len(heads), multi_label, agnostic, max_det, conf, iou_thres)]
    for head in heads:
        parts.append(struct.pack("<5i", len(head.anchors), *head.maps.shape[1:], head.stride))
        parts += [head.anchors.tobytes(), head.maps.tobytes()]
    lines = cpp("decode", *parts).decode().split("\n")
    results = []
    for _ in range(images):
        rows, lines = lines[1 : 1 + int(lines[0])], lines[1 + int(lines[0]) :]
        table = np.array([row.split() for row in rows], np.float64).reshape(-1, 6)
        results.append(Boxes(table[:, 0].astype(int), table[:, 1], table[:, 2:]))
    return results


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of xyxy (n, 4) with (m, 4): (n, m)."""
    a, b = first[:, None].astype(float), second[None].astype(float)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    intersection = sides.prod(axis=2)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=2) for boxes in (a, b)]
    return intersection / (areas[0] + areas[1] - intersection)


def threshold_far_from(heads: Sequence[Head], conf: float, multi_label: bool, start: float) -> float:
    """Find an IoU threshold near `start` that no pair of boxes is so close to that rounding decides."""
    pairs = []
    for image in range(len(heads[0].maps)):
        boxes = python_boxes(heads, image, conf, 1.0, 3000, multi_label, False).xyxy
        pairs += [iou(part, boxes) for part in np.array_split(boxes, 8)]
    for step in range(100):
        threshold = start + step * 1e-4
        if all(np.nanmin(np.abs(ious - threshold), initial=1) > 1e-6 for ious in pairs):
            return threshold
    raise AssertionError("there is no such threshold")


P5 = ((8, 3, 20, 28), (16, 3, 10, 14), (32, 3, 5, 7))
CASES: dict[str, dict[str, Any]] = {
    "80 classes": {"shapes": P5, "classes": 80},
    "80 classes, every label": {"shapes": P5[1:], "classes": 80, "multi_label": True, "conf": 0.95},
    "as evaluations do": {
        "shapes": P5[1:],
        "classes": 20,
        "multi_label": True,
        "conf": 0.001,
        "iou_thres": 0.6,
        "max_det": 300,
    },
    "one class": {"shapes": P5, "classes": 1},
    "two classes that suppress each other": {"shapes": P5, "classes": 2, "agnostic": True},
    "four heads": {"shapes": ((8, 3, 16, 16), (16, 3, 8, 8), (32, 3, 4, 4), (64, 3, 2, 2)), "classes": 5},
    "one head, five anchors": {"shapes": ((16, 5, 9, 13),), "classes": 3},
    "coarse to fine": {"shapes": P5[::-1], "classes": 4},
    "three images": {"shapes": P5, "classes": 6, "images": 3},
    "at most ten": {"shapes": P5, "classes": 6, "max_det": 10},
    "nothing": {"shapes": P5, "classes": 6, "conf": 0.999},
    "everything": {"shapes": ((32, 3, 4, 5),), "classes": 3, "conf": 0.0, "iou_thres": 0.99},
}


@pytest.mark.parametrize("case", CASES)
def test_heads_give_the_same_boxes(cpp: Stage, case: str) -> None:
    options: dict[str, Any] = {
        "conf": 0.25,
        "iou_thres": 0.45,
        "max_det": 1000,
        "multi_label": False,
        "agnostic": False,
        "images": 1,
    }
    options |= CASES[case]
    shapes, classes, images = options.pop("shapes"), options.pop("classes"), options.pop("images")
    for seed in range(3):
        heads = random_heads(seed, shapes, classes, images)
        options["iou_thres"] = threshold_far_from(
            heads, options["conf"], options["multi_label"], options["iou_thres"]
        )
        results = cpp_boxes(cpp, heads, **options)
        assert len(results) == images
        for image, found in enumerate(results):
            expected = python_boxes(heads, image, **options)
            assert (len(expected.scores) == 0) == (case == "nothing")
            assert found.class_ids.tolist() == expected.class_ids.tolist()
            np.testing.assert_allclose(found.scores, expected.scores, rtol=0, atol=1e-6)
            np.testing.assert_allclose(found.xyxy, expected.xyxy, rtol=0, atol=1e-3)


def test_ties_are_part_of_those_cases() -> None:
    boxes = python_boxes(random_heads(0, P5, 80), 0, 0.25, 0.45, 1000, False, False)
    ties = np.flatnonzero(np.diff(boxes.scores) == 0)
    assert len(ties) > 100
    assert np.min(-np.diff(np.unique(boxes.scores)[::-1])) > 1e-5  # and nothing that is nearly one


# ---- letterbox


def python_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("-")[0].split(".")[:3])


SIZES = [
    (1080, 810),
    (720, 1280),
    (640, 640),
    (1, 1),
    (20, 3000),
    (3000, 20),
    (97, 131),
    (333, 500),
    (50, 40),
]


@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize("multiple", [None, 32, 64])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_letterbox_gives_the_same_bytes(
    cpp: Stage, size: tuple[int, int], multiple: int | None, fold: int
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    imgsz = (448, 640)
    canvas, placement = letterbox(image, imgsz, multiple)
    blob = to_blob(canvas, fold)
    header = struct.pack("<5i", *imgsz, multiple or 0, fold, 3) + struct.pack("<4i", *size, 3, 8)
    output = cpp("letterbox", header, image.tobytes())
    shape = struct.unpack_from("<2i", output)
    assert shape == canvas.shape[:2]
    assert struct.unpack_from("<3d", output, 8) == tuple(placement)
    pixels = np.frombuffer(output, np.uint8, canvas.size, 32).reshape(canvas.shape)
    np.testing.assert_array_equal(pixels, canvas)
    floats = np.frombuffer(output, np.float32, blob.size, 32 + canvas.size).reshape(blob.shape)
    np.testing.assert_array_equal(floats, blob)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_other_images_become_the_same_bytes(cpp: Stage, channels: int, dtype: type) -> None:
    shape = (96, 160, channels)
    image = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    header = struct.pack("<9i", 96, 160, 0, 1, 3, *shape, np.dtype(dtype).itemsize * 8)
    output = cpp("letterbox", header, image.tobytes())
    expected = to_bgr(image)
    pixels = np.frombuffer(output, np.uint8, expected.size, 32).reshape(expected.shape)
    np.testing.assert_array_equal(pixels, expected)


# ---- drawing


def random_detections(count: int, image_hw: tuple[int, int], task: str) -> Detections:
    """Make boxes of as many classes, with discs for masks, or five points each."""
    random = np.random.default_rng(4)
    height, width = image_hw
    corners = random.uniform(0, (width - 100, height - 100), (count, 2)).round()
    xyxy = np.concatenate((corners, corners + random.uniform(5, 100, (count, 2)).round()), axis=1)
    found = Detections(
        xyxy.astype(np.float32),
        np.linspace(0.95, 0.26, count).astype(np.float32),
        np.arange(count, dtype=np.int32),
        tuple(f"class {i}" for i in range(count)),
    )
    if task == "keypoints":
        sides = xyxy[:, None, 2:] - xyxy[:, None, :2]
        points = (xyxy[:, None, :2] + random.uniform(0, 1, (count, 5, 2)) * sides).astype(np.float32)
        return found.with_columns(keypoints=points)
    if task == "segment":
        y, x = np.mgrid[:height, :width]
        masks = [
            (x - (x1 + x2) / 2) ** 2 / (x2 - x1) ** 2 + (y - (y1 + y2) / 2) ** 2 / (y2 - y1) ** 2 < 0.2
            for x1, y1, x2, y2 in xyxy
        ]
        return found.with_columns(masks=np.array(masks))
    return found


@pytest.mark.parametrize("task", ["detect", "segment", "keypoints"])
def test_pictures_are_the_same(cpp: Stage, task: str) -> None:
    """Letter by letter only with the same fonts, that is with the same generation of OpenCV."""
    image = np.random.default_rng(3).integers(0, 256, (480, 640, 3), np.uint8)
    detections = random_detections(30, (480, 640), task)
    expected = detections.draw(image)

    parts = [struct.pack("<i", len(detections))]
    for one in detections:
        (x1, y1, x2, y2), score, class_id = one[:3]
        mask, keypoints = one.mask, one.keypoints
        parts.append(struct.pack("<i5f", class_id, score, x1, y1, x2 - x1, y2 - y1))
        rows, columns = (0, 0) if mask is None else mask.shape
        parts.append(struct.pack("<4i", 0, 0, rows, columns))
        parts += [] if mask is None else [(mask * np.uint8(255)).tobytes()]
        parts.append(struct.pack("<i", 0 if keypoints is None else len(keypoints)))
        parts += [] if keypoints is None else [keypoints.tobytes()]
    parts += [struct.pack("<4i", *image.shape, 8), image.tobytes()]
    picture = np.frombuffer(cpp("draw", *parts), np.uint8).reshape(image.shape)

    different = (picture != expected).any(axis=2).mean()
    if (python_version(cv2.__version__) >= (5,)) == (python_version(cpp.opencv) >= (5,)):
        assert different < 0.002
    else:
        assert different < 0.2
        labels_hide = (expected == image).all(axis=2) & (picture == image).all(axis=2)
        assert labels_hide.mean() > (0.3 if task == "segment" else 0.5)


# ---- end to end


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, cwd=ROOT, encoding="utf-8"
    )


def detect_both_ways(
    folder: Path, *arguments: str | Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run the Python command and the C++ program with the same arguments; returns what they wrote as JSON."""
    results = []
    commands: dict[str, Sequence[str | Path]] = {
        "python": (sys.executable, "-m", "runtime.detect"),
        "cpp": (program("yolov5-detect"),),
    }
    for name, command in commands.items():
        file = folder / f"{name}.json"
        done = run(*command, *arguments, "--no-save", "--json", file)
        assert done.returncode == 0, done.stderr
        results.append(json.loads(file.read_text("utf-8")))
    return results[0], results[1]


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Tell which boxes of an image have no partner in the other result, or too different a one."""
    left = list(theirs["detections"])
    texts = []

    def distance(first: dict[str, Any], second: dict[str, Any]) -> float:
        return max(abs(a - b) for a, b in zip(first["box"], second["box"], strict=True))

    for box in ours["detections"]:
        same_class = [other for other in left if other["class_id"] == box["class_id"]]
        partner = min(same_class, key=lambda other: distance(box, other), default=None)
        if partner is None:
            texts.append(f"Python alone: {box}")
            continue
        left.remove(partner)
        if distance(box, partner) > 0.5 or abs(box["score"] - partner["score"]) > 1e-3:
            texts.append(f"Python {box} against C++ {partner}")
    texts += [f"C++ alone: {box}" for box in left]
    return "".join(f"\n  {ours['file']}: {text}" for text in texts)


@pytest.fixture(scope="module", params=["portable", "fast"])
def coco_model(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """yolov5n, converted."""
    pytest.importorskip("torch", reason="needs torch, to convert a checkpoint")
    from convert import convert

    path = tmp_path_factory.mktemp("model") / "yolov5n.onnx"
    convert(shared / "checkpoints" / "yolov5n-coco-v6.0.pt", path, target=request.param)
    return path


def test_photographs_give_the_same_detections(shared: Path, coco_model: Path, tmp_path: Path) -> None:
    """Python with its OpenCV and C++ with its own, on eighty photographs."""
    ours, theirs = detect_both_ways(tmp_path, shared / "coco80" / "images", "--weights", coco_model)
    assert len(ours) == len(theirs) == 80
    for one, other in zip(ours, theirs, strict=True):
        assert list(one) == list(other)
        assert {**one, "detections": 0} == {**other, "detections": 0}
    assert sum(len(image["detections"]) for image in ours) > 300
    assert not "".join(differences(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_bus(shared: Path, coco_model: Path, tmp_path: Path) -> None:
    for result in detect_both_ways(tmp_path, shared / "images" / "bus.jpg", "--weights", coco_model):
        assert Counter(box["name"] for box in result[0]["detections"]) == {"person": 4, "bus": 1}


@pytest.fixture(scope="module")
def converted(
    shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, dict[str, Any]]]:
    """Convert one of the checkpoints with random weights; gives the model file, and what is known of it."""
    pytest.importorskip("torch", reason="needs torch, to convert a checkpoint")
    from convert import convert

    def make(name: str) -> tuple[Path, dict[str, Any]]:
        checkpoint, reference = shared / "checkpoints" / f"{name}.pt", shared / "reference" / f"{name}.npz"
        if not checkpoint.is_file() or not reference.is_file():
            pytest.skip(f"{checkpoint} or its reference is missing")
        path = tmp_path_factory.mktemp("model") / f"{name}.onnx"
        convert(checkpoint, path)
        return path, dict(np.load(reference))

    return make


@pytest.mark.parametrize(
    "name", ["random-v7.0-n-seg-6c", "random-v7.0-n-seg-nm16", "random-face-s", "random-yolov5nu"]
)
def test_other_tasks_find_the_same(
    shared: Path,
    converted: Callable[[str], tuple[Path, dict[str, Any]]],
    cpp: Stage,
    tmp_path: Path,
    name: str,
) -> None:
    model, reference = converted(name)
    conf_thres = float(reference["conf_thres"])
    ours, theirs = detect_both_ways(
        tmp_path, shared / "images" / "bus.jpg", "--weights", model, "--conf-thres", str(conf_thres)
    )
    one, other = ours[0]["detections"], theirs[0]["detections"]
    assert len(one) > 100
    assert not differences(ours[0], theirs[0])
    different = inside = 0
    for box in one:
        same_class = [each for each in other if each["class_id"] == box["class_id"]]
        partner = min(same_class, key=lambda each, box=box: far(each["box"], box["box"]))  # type: ignore[misc]
        assert list(box) == list(partner)
        if "keypoints" in box:
            assert far(np.ravel(box["keypoints"]), np.ravel(partner["keypoints"])) < 0.5
        if "mask" in box:
            masks = [decode_rle(each["mask"]) for each in (box, partner)]
            different += int((masks[0] != masks[1]).sum())
            inside += int(masks[0].sum())
    assert ("keypoints" in one[0]) == ("face" in name)
    assert (inside > 0) == ("seg" in name)
    # On the canvas they are the same. cv::warpAffine, which moves them to the picture, reads between pixels
    # in steps of 1/32 in OpenCV 4, and anywhere in 5.
    same_generation = (python_version(cv2.__version__) >= (5,)) == (python_version(cpp.opencv) >= (5,))
    assert different <= (0.001 if same_generation else 0.003) * inside


@pytest.mark.parametrize(
    "name", ["v*-seg-6c", "v*-seg-nm16", "v?.?-n-cls", "face-n-0.5", "face-s", "yolov5nu"]
)
def test_outputs_are_those_of_the_release(
    shared: Path, converted: Callable[[str], tuple[Path, dict[str, Any]]], cpp: Stage, name: str
) -> None:
    """Heads, prototypes and logits: within 3e-4 of the largest value."""
    for reference_file in sorted((shared / "reference").glob(f"random-{name}.npz")):
        model, reference = converted(reference_file.stem)
        blob = reference["input_u8"].astype(np.float32) / 255
        if "logits" in reference:
            mean, std = (reference[key].reshape(3, 1, 1).astype(np.float32) for key in ("mean", "std"))
            blob = (blob - mean) / std
        heads = [reference[f"raw{i}"][0] for i in range(len(reference.get("strides", ())))]
        expected = [each if each.ndim == 3 else each.transpose(0, 3, 1, 2) for each in heads]
        expected += [reference[key] for key in ("proto", "logits") if key in reference]
        parts = struct.pack("<i", len(str(model))), str(model).encode(), struct.pack("<3i", *blob.shape[1:])
        outputs = np.frombuffer(cpp("forward", *parts, np.ascontiguousarray(blob).tobytes()), np.float32)
        assert outputs.size == sum(each.size for each in expected)
        start = 0
        for each in expected:
            found = outputs[start : start + each.size].reshape(each.shape)
            start += each.size
            assert np.abs(found - each).max() <= 3e-4 * np.abs(each).max()


@pytest.mark.parametrize("name", ["random-v7.0-n-seg-6c", "random-v7.0-n-seg-nm16"])
def test_masks_are_those_of_the_release(
    converted: Callable[[str], tuple[Path, dict[str, Any]]], tmp_path: Path, name: str
) -> None:
    """From the picture that the release's own code saw, at its size, to the masks that it gave."""
    model, reference = converted(name)
    picture, file = tmp_path / "picture.png", tmp_path / "found.json"
    cv2.imwrite(str(picture), reference["input_u8"][0].transpose(1, 2, 0)[:, :, ::-1])
    done = run(
        *(program("yolov5-detect"), picture, "--weights", model, "--no-save", "--json", file),
        *("--imgsz", *map(str, reference["input_u8"].shape[2:])),
        *("--conf-thres", str(reference["conf_thres"]), "--iou-thres", str(reference["iou_thres"])),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text("utf-8"))[0]["detections"]
    rows, masks = reference["detections_xyxy_conf_cls_coeffs"], reference["masks"].astype(bool)
    assert len(found) == len(rows) > 10
    height, width = masks.shape[1:]
    different = 0
    for row, mask in zip(rows, masks, strict=True):
        box = row[:4].clip(0, [width, height, width, height])
        partner = min(found, key=lambda each, box=box: far(each["box"], box))  # type: ignore[misc]
        assert far(partner["box"], box) < 0.05
        assert partner["class_id"] == row[5]
        different += int((decode_rle(partner["mask"]) != mask).sum())
    assert different <= 0.001 * masks.sum()


def test_boxes_without_anchors_are_those_of_ultralytics(
    converted: Callable[[str], tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    model, reference = converted("random-yolov5nu")
    picture, file = tmp_path / "picture.png", tmp_path / "found.json"
    cv2.imwrite(str(picture), reference["input_u8"][0].transpose(1, 2, 0)[:, :, ::-1])
    done = run(
        *(program("yolov5-detect"), picture, "--weights", model, "--no-save", "--json", file),
        *(
            "--imgsz",
            *map(str, reference["input_u8"].shape[2:]),
            "--conf-thres",
            str(reference["conf_thres"]),
        ),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text("utf-8"))[0]["detections"]
    height, width = reference["input_u8"].shape[2:]
    boxes = reference["detections_xyxy_conf_cls"][:, :4].clip(0, [width, height, width, height])
    assert len(found) == len(boxes) == 27
    for box in boxes:
        assert min(far(each["box"], box) for each in found) < 0.05


@pytest.mark.parametrize("name", ["random-face-n-0.5", "random-face-s"])
def test_landmarks_are_those_of_yolov5_face(
    shared: Path, converted: Callable[[str], tuple[Path, dict[str, Any]]], tmp_path: Path, name: str
) -> None:
    model, reference = converted(name)
    picture, file = shared / "images" / str(reference["e2e_image"]), tmp_path / "found.json"
    done = run(
        *(program("yolov5-detect"), picture, "--weights", model, "--no-save", "--json", file, "--no-rect"),
        *("--imgsz", *map(str, reference["e2e_input_u8"].shape[2:])),
        *("--conf-thres", str(reference["e2e_conf_thres"])),
    )
    assert done.returncode == 0, done.stderr
    found, expected = (
        json.loads(file.read_text("utf-8"))[0]["detections"],
        reference["e2e_detections_in_image"],
    )
    assert len(found) == len(expected) > 5
    for row in expected:
        same = min(found, key=lambda each, row=row: far(each["box"], row[:4]))  # type: ignore[misc]
        assert far(same["box"], row[:4]) < 0.1
        assert far(np.ravel(same["keypoints"]), row[5:15]) < 0.1


def far(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> float:
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def test_thresholds_are_those_of_the_task(
    shared: Path, converted: Callable[[str], tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    model, _ = converted("random-yolov5nu")
    picture = shared / "images" / "bus.jpg"
    ours, theirs = detect_both_ways(tmp_path, picture, "--weights", model)
    assert len(ours[0]["detections"]) == len(theirs[0]["detections"]) > 10
    _, less = detect_both_ways(tmp_path, picture, "--weights", model, "--iou-thres", "0.45")
    assert len(less[0]["detections"]) < len(theirs[0]["detections"])


@pytest.mark.parametrize("name", ["random-v7.0-n-cls", "random-v6.2-n-cls"])
def test_classes_are_the_same(
    shared: Path, converted: Callable[[str], tuple[Path, dict[str, Any]]], name: str
) -> None:
    model, reference = converted(name)
    classifier = Classifier(model)
    for picture in ("bus.jpg", "zidane.jpg"):
        path = shared / "images" / picture
        done = run(program("yolov5_dnn_classify"), model, path)
        assert done.returncode == 0, done.stderr
        guesses = classifier(read_image(path)).top(5)
        expected = "  ".join(f"{guess.name} {guess.probability:.2f}" for guess in guesses)
        assert done.stdout == f"{path}  {expected}\n"
        if "v7.0" in name:  # v6.2 cuts pictures in another way, which the model file does not ask for
            best = reference[f"{path.stem}_top5"][0]
            shares = reference[f"{path.stem}_softmax"][0][best]
            names = [str(each) for each in reference["names"]]
            expected = "  ".join(f"{names[i]} {p:.2f}" for i, p in zip(best, shares, strict=True))
            assert done.stdout == f"{path}  {expected}\n"
    refused = run(program("yolov5-detect"), path, "--weights", model)
    assert refused.returncode == 2
    assert "is no model to detect with; it is for Classifier" in refused.stderr


@pytest.fixture(scope="module")
def red_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    onnx_models = pytest.importorskip("onnx_models", reason="needs the onnx package, to make a model")
    return onnx_models.write(tmp_path_factory.mktemp("red") / "red.onnx")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of pictures with red in them, one under a Chinese name, and one file that is no picture."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("b.png", "a.jpg", "照片 1.png", "grey.png")):
        image = np.zeros((60 + 20 * number, 90, 3), np.uint8)
        image[10 + number : 40, 20:50, 2] = 255
        written, data = cv2.imencode(Path(name).suffix, image[:, :, 2] if name == "grey.png" else image)
        assert written
        (folder / name).write_bytes(data.tobytes())
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_json_is_the_same_field_by_field(red_model: Path, photographs: Path, tmp_path: Path) -> None:
    ours, theirs = detect_both_ways(
        tmp_path, photographs, "--weights", red_model, "--imgsz", "96", "128", "--max-det", "50"
    )
    assert sum(len(image["detections"]) for image in ours) > 10
    for one, other in zip(ours, theirs, strict=True):
        assert one["file"] == other["file"]
        assert not differences(one, other)
        assert json.dumps(one, ensure_ascii=False)[:60] == json.dumps(other, ensure_ascii=False)[:60]


def test_classes_and_thresholds_mean_the_same(red_model: Path, photographs: Path, tmp_path: Path) -> None:
    for options in (
        ["--classes", "bluish"],
        ["--classes", "0", "bluish"],
        ["--conf-thres", "0.9", "--iou-thres", "0.1"],
    ):
        ours, theirs = detect_both_ways(tmp_path, photographs, "--weights", red_model, *options)
        assert not "".join(differences(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("tiles", ["320", "200"])
def test_tiles_give_the_same_detections(tmp_path: Path, tiles: str) -> None:
    """With the model that comes with both."""
    picture = ROOT / "samples" / "cluttered.jpg"
    (ours,), (theirs,) = detect_both_ways(tmp_path, picture, "--tiles", tiles)
    assert len(ours["detections"]) > 5
    assert not differences(ours, theirs)
    order = [[box["class_id"] for box in each["detections"]] for each in (ours, theirs)]
    assert order[0] == order[1]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames with a red square that moves."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (128, 96))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no Motion JPEG")
    for number in range(10):
        image = np.zeros((96, 128, 3), np.uint8)
        image[30:60, 10 + 8 * number : 40 + 8 * number, 2] = 255
        writer.write(image)
    writer.release()
    return path


def test_frames_of_a_video_are_numbered(red_model: Path, clip: Path, tmp_path: Path) -> None:
    ours, theirs = detect_both_ways(tmp_path, clip, "--weights", red_model, "--conf-thres", "0.5")
    assert [entry["frame"] for entry in theirs] == list(range(10))
    assert [list(entry) for entry in ours] == [list(entry) for entry in theirs]
    assert all(entry["detections"] for entry in theirs)


def detect_cpp(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run(program("yolov5-detect"), *arguments)


def test_the_program_saves_pictures_and_videos(
    red_model: Path, photographs: Path, clip: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    done = detect_cpp(photographs, clip, "--weights", red_model, "--output", output)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in output.iterdir())
    video = "clip.mp4" if "clip.mp4" in names else "clip.avi"  # the latter where OpenCV lacks FFmpeg
    assert names == ["a.jpg", "b.png", video, "grey.png", "照片 1.png"]
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"[1/5] {photographs / 'a.jpg'}  90x80  ")
    assert " plain   letterbox " in lines[0]
    assert lines[0].endswith(" ms")
    assert "  128x96  10 frames  " in lines[4]
    assert lines[5].startswith("4 images, 10 frames in ")
    assert lines[5].endswith(f"; saved in {output}")
    picture = cv2.imdecode(np.fromfile(output / "照片 1.png", np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (100, 90, 3)


def test_sources_are_never_overwritten(red_model: Path, photographs: Path) -> None:
    before = {path: path.read_bytes() for path in photographs.iterdir()}
    done = detect_cpp(photographs, "--weights", red_model, "--output", photographs)
    assert done.returncode == 0, done.stderr
    for path, data in before.items():
        assert path.read_bytes() == data
    assert (photographs / "b-boxes.png").is_file()


def test_what_fails_is_said_and_the_rest_is_done(red_model: Path, photographs: Path, tmp_path: Path) -> None:
    (photographs / "broken.jpg").write_bytes(b"\xff\xd8\xff but no more")
    file = tmp_path / "out.json"
    done = detect_cpp(
        photographs, tmp_path / "missing.jpg", "--weights", red_model, "--no-save", "--json", file
    )
    assert done.returncode == 1
    assert "missing.jpg: no such file or folder" in done.stderr
    assert "broken.jpg: not a picture" in done.stderr
    assert len(json.loads(file.read_text("utf-8"))) == 4


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Forty pictures of several sizes, and two files that are none."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        image = np.zeros((64 + 32 * (number % 3), 96, 3), np.uint8)
        image[20:50, 5 + number : 40 + number, 2] = 255
        write_image(folder / f"{number:02}.png", image)
    for number in (7, 40):
        (folder / f"{number:02}.png").write_bytes(b"\x89PNG and no more")
    return folder


def test_many_pictures_are_divided_among_networks(red_model: Path, many: Path, clip: Path) -> None:
    """Whoever divides them, the answer is the same to the last bit, and in order."""
    written = []
    for threads in ("1", "2", "3"):
        file = many.parent / f"{threads}.json"
        done = detect_cpp(
            many, clip, "--weights", red_model, "--no-save", "--json", file, "--threads", threads
        )
        assert done.returncode == 1
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]  # TBB may warn
        assert [line.partition(": not")[0] for line in errors] == [
            f"error: [{number + 1}/42] {many / f'{number:02}.png'}" for number in (7, 40)
        ]
        lines = done.stdout.splitlines()
        numbers = [int(line.partition("/")[0][1:]) for line in lines[:-1]]
        assert numbers == [number + 1 for number in range(42) if number not in (7, 40)]
        assert "39 images, 10 frames, 2 failed in" in lines[-1]
        written.append(file.read_text("utf-8"))
    assert written[0] == written[1] == written[2]
    ours = many.parent / "python.json"
    done = run(
        sys.executable,
        "-m",
        "runtime.detect",
        many,
        clip,
        "--weights",
        red_model,
        "--no-save",
        "--json",
        ours,
    )
    assert done.returncode == 1
    theirs = json.loads(written[0])
    assert [(entry["file"], entry.get("frame")) for entry in json.loads(ours.read_text("utf-8"))] == [
        (entry["file"], entry.get("frame")) for entry in theirs
    ]
    for mine, other in zip(json.loads(ours.read_text("utf-8")), theirs, strict=True):
        assert not differences(mine, other)


WRONG: dict[str, Callable[[Path], list[str | Path]]] = {
    "there is no SOURCE": lambda model: ["--weights", model],
    "no such file or folder": lambda model: ["missing.jpg", "--weights", model],
    "there is no model file": lambda model: [__file__, "--weights", "missing.onnx"],
    "is not an ONNX model": lambda model: [__file__, "--weights", __file__],
    "unrecognized argument: --wieghts": lambda model: [__file__, "--wieghts", model],
    "expected a value": lambda model: [__file__, "--weights"],
    "'x' is not a whole number": lambda model: [__file__, "--weights", model, "--imgsz", "x"],
    "one number or two": lambda model: [__file__, "--weights", model, "--imgsz", "64", "64", "64"],
    "from 0 to 1": lambda model: [__file__, "--weights", model, "--conf-thres", "2"],
    "is not a number": lambda model: [__file__, "--weights", model, "--iou-thres", "0.5x"],
    "at least 32 pixels, not 31": lambda model: [__file__, "--weights", model, "--tiles", "31"],
    "is less than 1": lambda model: [__file__, "--weights", model, "--max-det", "0"],
    "there is no class 'green'": lambda model: [__file__, "--weights", model, "--classes", "green"],
    "there is no device 'abacus'; this OpenCV can use cpu": lambda model: [
        __file__,
        "--weights",
        model,
        "--device",
        "abacus",
    ],
    "cannot write": lambda model: [__file__, "--weights", model, "--json", Path(__file__) / "x.json"],
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_usage_is_refused_with_code_2(red_model: Path, message: str) -> None:
    done = detect_cpp(*WRONG[message](red_model))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
