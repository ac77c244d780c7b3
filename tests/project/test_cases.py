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

from runtime.drawing.draw import class_colour, line_width, text_colour, text_size
from runtime.drawing.labels import place_labels
from runtime.errors import ModelError
from runtime.model.file import read_model
from runtime.predictors.tiles import Window, merge_windows, tile_windows
from runtime.results.detections import Detections
from runtime.results.rle import encode
from runtime.stages.anchor_free import decode_anchor_free
from runtime.stages.candidates import Candidates
from runtime.stages.crop import to_classifier_blob
from runtime.stages.decode import Layout, decode
from runtime.stages.letterbox import Placement, letterbox, to_bgr, to_blob, unletterbox
from runtime.stages.masks import Masks, make_bitmaps
from runtime.stages.nms import nms
from runtime.tasks import BoxTask, find_task
from runtime.tasks.read_info import read_info

FOLDER = Path(__file__).resolve().parents[1] / "cases"
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


def check_candidates(found: Candidates, expected: Case) -> None:
    """Compare all but what is extra."""
    assert found.class_ids.tolist() == expected["class_ids"]
    np.testing.assert_allclose(found.scores, expected["scores"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.xyxy, float32(expected["xyxy"], len(found), 4), rtol=0, atol=1e-3)


@pytest.mark.parametrize("script", ["make_cases.py", "make_task_cases.py", "make_tile_cases.py"])
def test_the_files_are_up_to_date(script: str) -> None:
    done = subprocess.run([sys.executable, FOLDER / script, "--check"], capture_output=True, text=True)
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
    found = run()
    check_candidates(found, case["candidates"])
    assert found.extra.tolist() == case["candidates"]["extra"]


@cases("anchor_free")
def test_anchor_free(case: Case) -> None:
    def run() -> Candidates:
        heads = [float32(head["data"], *head["shape"]) for head in case["heads"]]
        return decode_anchor_free(
            heads, case["strides"], case["reg_max"], case["conf_thres"], case["multi_label"]
        )

    if "error" in case:
        with pytest.raises(ModelError):
            run()
        return
    check_candidates(run(), case["candidates"])


@cases("tasks")
def test_tasks(case: Case) -> None:
    task = find_task(case["task"], case["metadata"])(case["metadata"])
    assert isinstance(task, BoxTask)
    outputs = [float32(head["data"], *head["shape"]) for head in case["heads"]]
    if case["task"] == "segment":
        outputs.append(np.zeros((case["metadata"]["masks"], 1, 1), np.float32))
    found = task.decode(outputs, case["conf_thres"], case["multi_label"])
    check_candidates(found, case["candidates"])
    np.testing.assert_allclose(found.extra, case["candidates"]["extra"], rtol=1e-5, atol=1e-4)


def filled(counts: list[int], image_hw: list[int]) -> np.ndarray:
    """Make a mask of its runs: bool (h, w)."""
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(image_hw[1], image_hw[0]).T


@cases("masks")
def test_masks(case: Case) -> None:
    prototypes = float32(case["prototypes"]["data"], *case["prototypes"]["shape"])
    coefficients, xyxy = float32(case["coefficients"], 1, -1), float32(case["xyxy"], 1, 4)
    canvas_hw, image_hw = tuple(case["canvas_hw"]), tuple(case["image_hw"])
    bitmaps = make_bitmaps(prototypes, coefficients, xyxy, canvas_hw)
    canvas = Masks(bitmaps, Placement(1.0, 0.0, 0.0), canvas_hw)[0]
    assert (canvas == filled(case["canvas_counts"], case["canvas_hw"])).all()
    mask = Masks(bitmaps, Placement(**case["placement"]), image_hw)[0]
    different = mask != filled(case["counts"], case["image_hw"])
    assert not (different & ~filled(case["either_counts"], case["image_hw"])).any()


@cases("rle")
def test_rle(case: Case) -> None:
    window = np.array([[letter == "1" for letter in row] for row in case["window"]], bool)
    window = window.reshape(len(case["window"]), -1) if window.size else np.zeros((0, 0), bool)
    image_hw = tuple(case["image_hw"])
    assert encode(window, case["left"], case["top"], image_hw) == {
        "size": case["image_hw"],
        "counts": case["counts"],
    }


@cases("crop")
def test_crop(case: Case) -> None:
    mean, std = np.array(case["mean"], np.float32), np.array(case["std"], np.float32)
    blob = to_classifier_blob(picture(case["image"]), case["imgsz"], case["crop"], mean, std)
    assert list(blob.shape) == case["blob"]["shape"]
    if "sha256" in case["blob"]:
        assert sha256(blob) == case["blob"]["sha256"]
    else:
        np.testing.assert_allclose(blob.reshape(-1), case["blob"]["data"], rtol=0, atol=1e-4)


@cases("nms")
def test_nms(case: Case) -> None:
    kept = nms(columns(case), case["iou_thres"], case["max_det"], case["agnostic"])
    assert kept.tolist() == case["kept"]


def rectangles(list_of: Any, image_hw: tuple[int, int]) -> np.ndarray:
    """Make one mask of rectangles x1 y1 x2 y2: bool (h, w)."""
    mask = np.zeros(image_hw, bool)
    for x1, y1, x2, y2 in list_of:
        mask[y1:y2, x1:x2] = True
    return mask


def found_in(window: Window, part: Case) -> Detections:
    """Make what was found in a window, with masks of one rectangle each."""
    boxes, size = columns(part), (window.bottom - window.top, window.right - window.left)
    names = tuple(f"c{i}" for i in range(10))
    found = Detections(boxes.xyxy, boxes.scores, boxes.class_ids, names)
    if "masks" in part:
        masks = [rectangles([each], size) for each in part["masks"]]
        found = found.with_columns(masks=np.array(masks).reshape(-1, *size))
    if "keypoints" in part:
        points = (
            float32(part["keypoints"], len(found), -1, 2) if len(found) else np.zeros((0, 2, 2), np.float32)
        )
        found = found.with_columns(keypoints=points)
    return found


@cases("tiles")
def test_tiles(case: Case) -> None:
    image_hw = case["image_hw"][0], case["image_hw"][1]
    if "side" in case:
        assert [list(window) for window in tile_windows(image_hw, case["side"])] == case["windows"]
        return
    windows = [Window(*window) for window in case["windows"]]
    parts = [found_in(*each) for each in zip(windows, case["parts"], strict=True)]
    options = case["iou_thres"], case["max_det"], case["agnostic"]
    merged, expected = merge_windows(parts, windows, image_hw, *options), case["merged"]
    assert merged.class_ids.tolist() == expected["class_ids"]
    assert merged.scores.tolist() == expected["scores"]
    np.testing.assert_allclose(merged.xyxy, float32(expected["xyxy"], len(merged), 4), rtol=0, atol=1e-3)
    assert (merged.masks is None, merged.keypoints is None) == (
        "masks" not in expected,
        "keypoints" not in expected,
    )
    if merged.masks is not None:
        for mask, of_rectangles in zip(merged.masks, expected["masks"], strict=True):
            assert (mask == rectangles(of_rectangles, image_hw)).all()
    if merged.keypoints is not None:
        assert merged.keypoints.tolist() == expected["keypoints"]


@cases("labels")
def test_labels(case: Case) -> None:
    places = place_labels(
        np.array(case["boxes"]), [tuple(size) for size in case["sizes"]], tuple(case["image_hw"])
    )
    assert [place and list(place) for place in places] == case["places"]


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
        options = {key: case[key] for key in ("line_thickness", "hide_labels") if key in case}
        drawn = detections.draw(picture(case["image"]), **options)
        assert case["pixels"]
        assert [[x, y, *drawn[y, x].tolist()] for x, y, *_ in case["pixels"]] == case["pixels"]


@cases("model_file")
def test_model_file(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "case.onnx"
    path.write_bytes(base64.b64decode(case["file"], validate=True))
    if "error" in case:
        with pytest.raises(ModelError) as refusal:
            read_info(read_model(path).metadata, path)
        assert case["error"] in str(refusal.value)
        return
    file = read_model(path)
    assert sha256(file.buffer) == case["buffer_sha256"]
    info = read_info(file.metadata, path)
    said = {key: getattr(info, key) for key in case["info"]}
    said["task"] = info.task.name
    said["anchors"] = [anchors.tolist() for anchors in info.anchors]
    if "task" in said:
        said["task"] = info.task.name
    assert json.loads(json.dumps(said)) == case["info"]
    called = {"masks": "nm", "keypoints": "k"}
    for key, value in case.get("head", {}).items():
        assert np.array_equal(getattr(info.task, called.get(key, key)), value)
