"""Mean average precision on held-out scenes, of a network in training or of a finished model file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convert.layers import DetectionModel
from runtime import Detector
from runtime.decode import Layout, decode
from runtime.letterbox import letterbox, to_blob, unletterbox
from runtime.nms import nms

from . import NAMES, clean
from .dataset import HELD_OUT_SEED, Scenes

Detect = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""(BGR image, lowest confidence) to boxes xyxy (n, 4) in pixels, scores (n,), class ids (n,)."""


def torch_detector(model: DetectionModel, size: int) -> Detect:
    """Detect with a network in PyTorch, at input `size`."""
    anchors = list((model.detect.anchors * model.detect.stride.view(-1, 1, 1)).numpy())
    strides = [int(s) for s in model.detect.stride]

    def detect(image: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        canvas, placement = letterbox(image, (size, size), 32)
        with torch.inference_mode():
            heads = [head[0].numpy() for head in model(torch.from_numpy(to_blob(canvas)))]
        found = decode(heads, anchors, strides, Layout(classes=slice(5, 5 + len(NAMES))), conf)
        found = found[nms(found, 0.45, 300)]
        return unletterbox(found.xyxy, placement, image.shape[:2]), found.scores, found.class_ids

    return detect


def file_detector(path: Path | None, imgsz: int | None = None) -> Detect:
    """Detect with a model file, as the runtime does; None is the embedded model, and its own input size."""
    detectors: dict[float, Detector] = {}

    def detect(image: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if conf not in detectors:
            detectors[conf] = Detector(path, imgsz=imgsz, conf_thres=conf, max_det=300)
        found = detectors[conf](image)
        return found.xyxy, found.scores, found.class_ids

    return detect


def average_precision(detect: Detect, scenes: Scenes, count: int) -> tuple[float, float, dict[str, float]]:
    """(mAP at IoU 0.5 to 0.95, mAP at 0.5, {class name: AP at 0.5}) on the first `count` scenes."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for index in range(min(count, len(scenes))):
        image, labels = scenes[index]
        images.append({"id": index, "height": image.shape[0], "width": image.shape[1]})
        for class_id, *box in labels.tolist():
            x, y, w, h = corner_and_size(box)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": index, "category_id": int(class_id)}
                | {"bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
            )
        for box, score, class_id in zip(*(array.tolist() for array in detect(image, 0.005)), strict=True):
            results.append(
                {"image_id": index, "category_id": class_id, "score": score, "bbox": corner_and_size(box)}
            )
    if not results:
        return 0.0, 0.0, dict.fromkeys(NAMES, 0.0)
    categories = [{"id": i, "name": name} for i, name in enumerate(NAMES)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": annotations, "categories": categories}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][0, :, :, 0, 2]  # at IoU 0.5, by recall and class, all sizes
    by_class = {name: float(precision[:, i].mean()) for i, name in enumerate(NAMES)}
    return float(evaluation.stats[0]), float(evaluation.stats[1]), by_class


def share_found(detect: Detect, count: int) -> float:
    """How many of `count` clean pictures of one code (of a seed never trained on) are found, 0 to 1."""
    found = 0
    for index in range(count):
        image, labels = clean.single(np.random.default_rng([HELD_OUT_SEED, index]))
        boxes, _, class_ids = detect(image, 0.25)
        boxes = boxes[class_ids == labels[0, 0]]
        found += bool(len(boxes) and box_iou(labels[:, 1:], boxes).max() >= 0.5)
    return found / count


def corner_and_size(box: list[float]) -> list[float]:
    """x1, y1, x2, y2 as x, y, w, h."""
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (n, 4) and (m, 4), both x1, y1, x2, y2. Returns (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return np.asarray(inter / np.maximum(areas[0][:, None] + areas[1][None] - inter, 1e-9))
