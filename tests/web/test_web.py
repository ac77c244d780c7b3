"""The browser's twin in samples/web: its Node and Chromium tests, and the same detections as Python's."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from runtime import Classifier, Detector, ModelError
from runtime.inputs.image_file import read_image
from runtime.model.foreign import ExportError, own_metadata, read_names
from runtime.outputs.image_file import write_image
from runtime.stages.letterbox import letterbox, to_blob

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "samples" / "web"
SHARED = ROOT.parent / "shared" / "data"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@functools.cache
def why_not() -> str:
    """Say why the tests cannot run, or "". Fetches the node packages where they are missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return "node and npm are not installed"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < 18:
        return f"node {version.strip()} is older than 18"
    lock, done = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        command = [node, "install.js"]
    else:
        command = [npm, "ci", "--no-audit", "--no-fund"]
    run = subprocess.run(command, cwd=WEB, capture_output=True, text=True, check=False, timeout=300)
    return "" if run.returncode == 0 else f"npm ci does not run: {(run.stderr or run.stdout).strip()[-300:]}"


@pytest.fixture(scope="module")
def node():
    """Run a file of tests/web with Node's own test runner; returns what it printed."""
    if reason := why_not():
        pytest.skip(reason)

    def run(name: str, **environment: str) -> str:
        done = subprocess.run(
            ["node", "--test", "--test-reporter=tap", f"tests/web/{name}"],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        failures = "\n".join(re.findall(r"(?m)^not ok[\s\S]*?\.\.\.$", done.stdout))
        assert done.returncode == 0, failures[-6000:] or done.stdout[-6000:] + done.stderr[-2000:]
        (passed,) = re.findall(r"(?m)^# pass (\d+)", done.stdout)
        assert int(passed) > 0
        return done.stdout

    return run


def put_parity(folder: Path, model: Path, images: list[Path], **options) -> None:
    """Add to a folder what parity.test.js reads: a model, pictures as R G B A bytes, Python's detections."""
    detector = Detector(model, **options)
    if model.parent != folder:
        shutil.copyfile(model, folder / model.name)
    rows = []
    for path in images:
        image = read_image(path)
        name = f"{path.stem}.rgba"
        cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).tofile(folder / name)
        canvas, _ = letterbox(image, detector.imgsz, 32 if detector.info.dynamic else None)
        blob = to_blob(canvas, detector.info.fold)
        rows.append(
            {
                "file": name,
                "width": image.shape[1],
                "height": image.shape[0],
                "blob_sha256": sha256(blob),
                "detections": detector(image).to_dict(),
            }
        )
    path = folder / "parity.json"
    entries = json.loads(path.read_text()) if path.exists() else []
    entries.append({"model": model.name, "options": options, "images": rows})
    path.write_text(json.dumps(entries))


def put_classes(folder: Path, model: Path, images: list[Path]) -> None:
    """The same for a classifier."""
    classifier, rows = Classifier(model, top=5), []
    for path in images:
        image = read_image(path)
        name = f"{path.stem}.rgba"
        cv2.cvtColor(image, cv2.COLOR_BGR2RGBA).tofile(folder / name)
        classes = classifier(image).to_dict()
        rows.append({"file": name, "width": image.shape[1], "height": image.shape[0], "classes": classes})
    entry = {"task": "classify", "model": model.name, "images": rows}
    (folder / "parity.json").write_text(json.dumps([entry]))


def sha256(array: np.ndarray) -> str:
    import hashlib

    return hashlib.sha256(array.tobytes()).hexdigest()


def test_golden_cases(node):
    node("cases.test.js")
    node("task_cases.test.js")


def test_detector(node):
    node("detector.test.js")


def test_harmful_model_files(node, tmp_path):
    archive = SHARED / "hostile.tar.xz"
    if archive.exists():
        with tarfile.open(archive) as files:
            files.extractall(tmp_path, filter="data")
        (hostile,) = {path.parent for path in tmp_path.rglob("*.onnx")}
        node("model_file.test.js", HOSTILE=str(hostile))
    else:
        node("model_file.test.js")


def test_the_samples_as_python(node, tmp_path):
    images = sorted((ROOT / "samples").glob("*.jpg"))
    put_parity(tmp_path, ROOT / "weights" / "codes.onnx", images)
    put_parity(
        tmp_path, ROOT / "weights" / "codes.onnx", images[:2], imgsz=416, conf_thres=0.1, multi_label=True
    )
    node("parity.test.js", PARITY=str(tmp_path))


def test_folded_input_as_python(node, tmp_path):
    """The fast target's file takes 12 channels."""
    for module in ("torch", "onnx", "onnxsim"):
        pytest.importorskip(module)
    checkpoint = SHARED / "checkpoints" / "yolov5n-coco-focus-v5.0.pt"
    if not checkpoint.exists():
        pytest.skip("no checkpoint with a Focus stem: ../shared is absent")
    from convert import convert

    convert(checkpoint, tmp_path / "fast.onnx", imgsz=(320, 320), target="fast")
    put_parity(
        tmp_path, tmp_path / "fast.onnx", [SHARED / "images" / "bus.jpg", SHARED / "images" / "zidane.jpg"]
    )
    node("parity.test.js", PARITY=str(tmp_path))


def test_eighty_coco_images_as_python(node, tmp_path):
    for module in ("torch", "onnx", "onnxsim"):
        pytest.importorskip(module)
    checkpoint = SHARED / "checkpoints" / "yolov5n-coco-v6.0.pt"
    images = sorted((SHARED / "coco80" / "images").glob("*.jpg"))
    if not checkpoint.exists() or not images:
        pytest.skip("no COCO images: ../shared is absent")
    from convert import convert

    convert(checkpoint, tmp_path / "yolov5n.onnx")
    put_parity(tmp_path, tmp_path / "yolov5n.onnx", images)
    output = node("parity.test.js", PARITY=str(tmp_path))
    assert "80 images" in output


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random-v7.0-n-seg-6c", {"conf_thres": 0.1, "max_det": 30}),
        ("random-v7.0-n-seg-nm16", {"conf_thres": 0.1, "max_det": 30}),
        ("random-face-s", {"conf_thres": 0.02, "max_det": 30}),
        ("random-face-n-0.5", {"conf_thres": 0.02, "max_det": 30}),
        ("random-yolov5nu", {"conf_thres": 0.1, "max_det": 30}),
        ("random-v7.0-n-cls", None),
        ("random-v6.2-n-cls", None),
    ],
)
def test_other_tasks_as_python(node, tmp_path, name, options):
    for module in ("torch", "onnx", "onnxsim"):
        pytest.importorskip(module)
    checkpoint = SHARED / "checkpoints" / f"{name}.pt"
    if not checkpoint.exists():
        pytest.skip(f"no {checkpoint.name}: ../shared is absent")
    from convert import convert

    images = [SHARED / "images" / "bus.jpg", SHARED / "images" / "zidane.jpg"]
    model = tmp_path / f"{name}.onnx"
    if options is None:
        convert(checkpoint, model)
        put_classes(tmp_path, model, images)
    else:
        convert(checkpoint, model, imgsz=(320, 320))
        put_parity(tmp_path, model, images, **options)
    node("parity.test.js", PARITY=str(tmp_path))


def test_files_of_other_exporters_as_python(node, tmp_path):
    pytest.importorskip("onnx")
    import exported
    from pictures import red_picture

    write_image(tmp_path / "red.png", red_picture())
    pictures = [tmp_path / "red.png", ROOT / "samples" / "cluttered.jpg"]
    few = {"conf_thres": 1e-3, "multi_label": True}
    for exporter in (exported.yolov5, exported.yolov8, exported.end_to_end):
        put_parity(tmp_path, exporter(tmp_path / f"{exporter.__name__}.onnx"), pictures, **few)
    node("parity.test.js", PARITY=str(tmp_path))


def test_what_python_says_of_files_of_other_exporters(node, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    import exported
    import test_foreign

    monkeypatch.chdir(tmp_path)
    odd: list[tuple[Path, dict[str, Any]]] = [
        (exported.final(Path("final.onnx"), 0), {}),
        (exported.final(Path("nameless.onnx"), 0, {}), {}),
    ]
    odd += [
        (exported.yolov5(Path("plain.onnx"), {}), {}),
        (exported.yolov5(Path("named.onnx"), {}), {"names": ["a", "b"]}),
        (exported.yolov5(Path("many.onnx"), {}, 182), {}),
        (exported.yolov5(Path("many_named.onnx"), {}, 182), {"names": [f"n{i}" for i in range(182)]}),
    ]
    for i, (shape, metadata, _) in enumerate(test_foreign.OTHERS):
        odd.append((exported.other(Path(f"other{i}.onnx"), shape, metadata), {}))
    files = []
    for path, options in odd:
        refused, detector = attempt(lambda: Detector(path, **options), ModelError)  # noqa: B023
        info = None
        if detector:
            known = detector.info
            info = {
                "iou_thres": detector.settings["iou_thres"],
                "free_size": False,
                "names": known.names,
                "imgsz": known.imgsz,
                "dynamic": known.dynamic,
                "size_multiple": known.size_multiple,
                "producer": known.producer,
            }
        files.append({"file": path.name, "options": options, "refused": refused, "info": info})
    texts = [*test_foreign.NAMES, *map(str, test_foreign.SURVIVING), *test_foreign.NO_NAMES]
    names = []
    for text in texts:
        refused, read = attempt(lambda: read_names(text), ExportError)  # noqa: B023
        names.append({"text": text, "refused": refused, "read": read})
    layouts = []
    for shape, names_text, _ in test_foreign.LARGE:
        metadata = {"names": names_text, "stride": "32"}
        own = own_metadata(metadata, (640, 640), False, [shape])
        layouts.append({"shape": shape, "metadata": metadata, "decoded": json.loads(own["decoded"])})
    Path("foreign.json").write_text(json.dumps({"files": files, "names": names, "layouts": layouts}))
    node("foreign.test.js", FOREIGN=str(tmp_path))


def attempt(work, error_type):
    """Give what an error of this type says, and what the work gives; one of them is None."""
    try:
        return None, work()
    except error_type as error:
        return str(error), None


def test_the_page_in_chromium(node):
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    node("page.test.js", CHROMIUM=CHROMIUM)


def test_every_build_of_opencv_in_chromium(node, tmp_path):
    """The same boxes, and masks, by the builds of build-opencv.sh as by the npm package."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    more = {}
    if all(map(importlib.util.find_spec, ("torch", "onnx", "onnxsim"))):
        from convert import convert
        from weights.shapes.pictures import CROWD, HELD_OUT_SEED, crowd

        convert(ROOT / "weights" / "shapes" / "masks.pt", tmp_path / "masks.onnx")
        write_image(tmp_path / "crowd.png", crowd(CROWD, np.random.default_rng([HELD_OUT_SEED, 11])).image)
        more = {"MODEL": str(tmp_path / "masks.onnx"), "PICTURE": str(tmp_path / "crowd.png")}
    node("builds.test.js", CHROMIUM=CHROMIUM, **more)
