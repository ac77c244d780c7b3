"""The golden cases of tests/cases, which C++ and JavaScript read as well: see README.md there."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.candidates import Candidates
from runtime.decode import Layout, decode
from runtime.detections import Detections
from runtime.draw import class_colour, line_width, text_colour, text_size
from runtime.errors import ModelError
from runtime.letterbox import letterbox, to_bgr, to_blob, unletterbox
from runtime.model_file import read_info, read_model
from runtime.nms import nms

FOLDER = Path(__file__).resolve().parent / "cases"
Case = dict[str, Any]


def cases(name: str) -> Any:
    """Parametrize a test with the cases of a file."""
    read = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in read])


def picture(image: Case) -> np.ndarray:
    """Make the picture of the formula."""
    y, x, c = np.mgrid[: image["height"], : image["width"], : image["channels"]]
    values = (7 * x + 13 * y + 31 * c + (x * y) % 17) % 256
    if image["bits"] == 16:
        return (256 * values + (x + y) % 256).astype(np.uint16)
    return values.astype(np.uint8)


def sha256(values: np.ndarray) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()


def float32(values: Any, *shape: int) -> np.ndarray:
    """Make an array of numbers, and of words that stand for what JSON has no number for."""
    return np.array(values, np.float64).astype(np.float32).reshape(shape)


def columns(case: Case, extra: Any = None) -> Candidates:
    """Make Candidates of lists."""
    count = len(case["scores"])
    return Candidates(
        float32(case["xyxy"], count, 4),
        float32(case["scores"], count),
        np.array(case["class_ids"], np.int32),
        np.zeros((count, 0), np.float32) if extra is None else float32(extra, count, -1),
    )


def test_the_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "make_cases.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@cases("letterbox")
def test_letterbox(case: Case) -> None:
    image = to_bgr(picture(case["image"]))
    canvas, placement = letterbox(image, tuple(case["imgsz"]), case["multiple"])
    assert list(canvas.shape) == case["canvas"]["shape"]
    assert sha256(canvas) == case["canvas"]["sha256"]
    assert placement._asdict() == case["placement"]
    blob = to_blob(canvas, case["fold"])
    assert list(blob.shape) == case["blob"]["shape"]
    assert sha256(blob) == case["blob"]["sha256"]
    boxes = unletterbox(float32(case["xyxy"], -1, 4), placement, image.shape[:2])
    assert boxes.tolist() == case["unletterboxed"]


@cases("decode")
def test_decode(case: Case) -> None:
    def run() -> Candidates:
        return decode(
            [float32(head["data"], *head["shape"]) for head in case["heads"]],
            [float32(anchors, -1, 2) for anchors in case["anchors"]],
            case["strides"],
            Layout(**{key: slice(*ends) for key, ends in case["layout"].items()}),
            case["conf_thres"],
            case["multi_label"],
        )

    if "error" in case:
        with pytest.raises(ModelError):
            run()
        return
    found, expected = run(), case["candidates"]
    assert found.class_ids.tolist() == expected["class_ids"]
    np.testing.assert_allclose(found.scores, expected["scores"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.xyxy, float32(expected["xyxy"], len(found), 4), rtol=0, atol=1e-3)
    assert found.extra.tolist() == expected["extra"]


@cases("nms")
def test_nms(case: Case) -> None:
    kept = nms(columns(case), case["iou_thres"], case["max_det"], case["agnostic"])
    assert kept.tolist() == case["kept"]


@cases("draw")
def test_draw(case: Case) -> None:
    if case["name"] == "class_colour":
        assert [list(class_colour(class_id)) for class_id in case["class_ids"]] == case["colours"]
    elif case["name"] == "text_colour":
        assert [list(text_colour(tuple(each))) for each in case["backgrounds"]] == case["colours"]
    elif case["name"] == "line_width and text_size":
        assert [line_width(size) for size in case["sizes"]] == case["line_widths"]
        assert [text_size(size) for size in case["sizes"]] == case["text_sizes"]
    else:
        found = columns(case)
        detections = Detections(found.xyxy, found.scores, found.class_ids, tuple(case["names"]))
        drawn = detections.draw(picture(case["image"]))
        assert case["pixels"]
        assert [[x, y, *drawn[y, x].tolist()] for x, y, *_ in case["pixels"]] == case["pixels"]


@cases("model_file")
def test_model_file(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "case.onnx"
    path.write_bytes(base64.b64decode(case["file"], validate=True))
    if "error" in case:
        with pytest.raises(ModelError) as refusal:
            read_info(read_model(path)[1], path)
        assert case["error"] in str(refusal.value)
        return
    buffer, metadata = read_model(path)
    assert sha256(buffer) == case["buffer_sha256"]
    info = read_info(metadata, path)
    said = {key: getattr(info, key) for key in case["info"]}
    said["anchors"] = [anchors.tolist() for anchors in info.anchors]
    assert json.loads(json.dumps(said)) == case["info"]
