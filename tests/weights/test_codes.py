"""The embedded model, the whole way: genuine checkpoint → model file → OpenCV → codes in the samples."""

from __future__ import annotations

import json
import pickletools
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from runtime import Detector
from runtime.inputs.image_file import read_image
from runtime.stages.decode import Layout, decode
from runtime.stages.letterbox import letterbox, to_blob, unletterbox
from runtime.stages.nms import nms

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT, MODEL = ROOT / "weights" / "codes.pt", ROOT / "weights" / "codes.onnx"
NAMES = ("qr_code", "data_matrix", "aztec", "pdf417", "barcode", "aruco")
LABELS = json.loads((ROOT / "samples" / "labels.json").read_text(encoding="utf-8"))
"""What was drawn into the sample pictures, written when they were composed."""


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def blob():
    canvas, _ = letterbox(read_image(ROOT / "samples" / "cluttered.jpg"), (288, 288), 32)
    return to_blob(canvas)


def heads_of(path: Path, blob: np.ndarray) -> list[np.ndarray]:
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(blob)
    return list(net.forward(net.getUnconnectedOutLayersNames()))


def intersection_over_union(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inter = sides.prod() if (sides > 0).all() else 0.0
    return inter / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inter)


def test_the_files_are_small():
    assert CHECKPOINT.stat().st_size + MODEL.stat().st_size <= 8_000_000


def test_the_checkpoint_is_a_half_precision_yolov5():
    with zipfile.ZipFile(CHECKPOINT) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        operations = list(pickletools.genops(archive.read(name)))
    classes = {argument for operation, argument, _ in operations if operation.name == "GLOBAL"}
    assert {
        "models.yolo DetectionModel",
        "models.yolo Detect",
        "models.common Conv",
        "models.common C3",
    } <= classes
    assert "torch HalfStorage" in classes
    assert not any(str(name).startswith(("convert", "weights")) for name in classes)


def test_the_model_file_says_what_it_finds(detector):
    assert detector.info.names == NAMES
    assert detector.info.strides == (4, 8, 16, 32)
    assert detector.info.imgsz == (288, 288)
    assert detector.info.dynamic


def test_the_checkpoint_has_at_most_3_million_parameters():
    pytest.importorskip("torch")
    from convert import load_checkpoint

    assert load_checkpoint(CHECKPOINT).parameters <= 3_000_000


def test_conversion_reproduces_the_model_file(tmp_path, blob):
    for module in ("torch", "onnx", "onnxsim"):
        pytest.importorskip(module)
    from convert import convert

    convert(CHECKPOINT, tmp_path / "codes.onnx")
    published, converted = heads_of(MODEL, blob), heads_of(tmp_path / "codes.onnx", blob)
    assert len(published) == 4
    for a, b in zip(published, converted, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= 1e-4


@pytest.mark.parametrize("name", sorted(LABELS))
def test_opencv_detects_what_pytorch_detects(detector, name):
    torch = pytest.importorskip("torch")
    from convert import load_checkpoint

    image = read_image(ROOT / "samples" / name)
    canvas, placement = letterbox(image, (288, 288), 32)
    checkpoint = load_checkpoint(CHECKPOINT)
    with torch.inference_mode():
        heads = [
            head[0].numpy() for head in checkpoint.model.float().eval()(torch.from_numpy(to_blob(canvas)))
        ]
    layout = Layout(classes=slice(5, 5 + len(NAMES)))
    candidates = decode(heads, checkpoint.anchors, checkpoint.strides, layout, 0.25)
    kept = candidates[nms(candidates, 0.45, 1000)]
    expected = unletterbox(kept.xyxy, placement, image.shape[:2])
    found = detector(image)
    assert len(found) == len(kept) > 0
    assert found.class_ids.tolist() == kept.class_ids.tolist()
    assert np.abs(found.scores - kept.scores).max() < 1e-3
    assert np.abs(found.xyxy - expected).max() < 0.1


@pytest.mark.parametrize("name", sorted(LABELS))
def test_the_sample_pictures_hold_what_was_drawn_into_them(detector, name):
    found = detector(read_image(ROOT / "samples" / name))
    labels = LABELS[name]
    assert Counter(NAMES[i] for i in found.class_ids) == Counter(label["name"] for label in labels)
    boxes = np.array([label["box"] for label in labels], np.float32)
    overlaps = np.array([[intersection_over_union(a, b) for b in found.xyxy] for a in boxes])
    best = overlaps.argmax(1)
    assert len(set(best)) == len(labels)
    assert overlaps.max(1).min() > 0.5
    assert [NAMES[i] for i in found.class_ids[best]] == [label["name"] for label in labels]


def run_read_codes(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "samples/read_codes.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_read_codes_reads_several_pictures_and_writes_none_unasked(tmp_path):
    pictures = []
    for name in ("parcel.jpg", "page.jpg"):
        pictures.append(tmp_path / name)
        pictures[-1].write_bytes((ROOT / "samples" / name).read_bytes())
    before = {path: path.read_bytes() for path in pictures}
    run = run_read_codes(*pictures)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split(": ")[1].split()[0] for line in lines if "parcel" in line] == ["barcode"]
    assert {line.split(": ")[1].split()[0] for line in lines if "page" in line} == {"qr_code", "pdf417"}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    pytest.importorskip("zxingcpp")
    assert LABELS["parcel.jpg"][0]["text"] in lines[0]


def test_read_codes_draws_into_a_folder_and_never_over_a_source(tmp_path):
    source = tmp_path / "parcel.jpg"
    source.write_bytes((ROOT / "samples" / "parcel.jpg").read_bytes())
    run = run_read_codes(source, "--output", tmp_path / "drawn")
    assert run.returncode == 0, run.stderr
    drawn = read_image(tmp_path / "drawn" / "parcel.jpg")
    assert drawn.shape == read_image(source).shape
    assert not np.array_equal(drawn, read_image(source))
    refused = run_read_codes(source, "--output", tmp_path)
    assert refused.returncode == 2
    assert "over another picture" in refused.stderr
    assert source.read_bytes() == (ROOT / "samples" / "parcel.jpg").read_bytes()


def test_read_codes_refuses_what_is_no_picture_in_one_sentence(tmp_path):
    run = run_read_codes(tmp_path / "none.jpg")
    assert run.returncode == 2
    assert "none.jpg" in run.stderr
    assert "Traceback" not in run.stderr


def test_read_codes_without_arguments_says_how_to_call_it():
    run = run_read_codes()
    assert run.returncode == 2
    assert "usage" in run.stderr


def test_every_code_of_the_cluttered_picture_reads_from_its_box(detector):
    """The picture's codes that zxing-cpp can read at all; the marker is read by OpenCV."""
    pytest.importorskip("zxingcpp")
    sys.path.insert(0, str(ROOT))
    from samples.read_codes import read, read_with_zxing

    image = read_image(ROOT / "samples" / "cluttered.jpg")
    for found in detector(image):
        if found.name == "aruco":
            continue
        assert read(image, np.array(found.box), read_with_zxing), found.name
