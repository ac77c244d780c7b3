"""Mean average precision on held-out scenes, of a network in training or of a finished model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from convert.layers import DetectionModel
from runtime import Detector
from runtime.evaluation.data import Boxes, Dataset, Results
from runtime.evaluation.figures import coco_figures, iou
from runtime.stages.decode import Layout, decode
from runtime.stages.letterbox import letterbox, to_blob, unletterbox
from runtime.stages.nms import nms

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


def file_detector(path: Path | None, imgsz: int | None = None, tiles: int | None = None) -> Detect:
    """Detect with a model file, as the runtime does; None: the embedded model, its own size, no tiles."""
    detectors: dict[float, Detector] = {}

    def detect(image: np.ndarray, conf: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if conf not in detectors:
            detectors[conf] = Detector(path, imgsz=imgsz, tiles=tiles, conf_thres=conf, max_det=300)
        found = detectors[conf](image)
        return found.xyxy, found.scores, found.class_ids

    return detect


def average_precision(detect: Detect, scenes: Scenes, count: int) -> tuple[float, float, dict[str, float]]:
    """(mAP at IoU 0.5 to 0.95, mAP at 0.5, {class name: AP at 0.5}) on the first `count` scenes."""
    count = min(count, len(scenes))
    annotations: list[dict[str, Any]] = []
    results: Results = {}
    for index in range(count):
        image, labels = scenes[index]
        for class_id, x1, y1, x2, y2 in labels.tolist():
            annotations.append(
                {"id": len(annotations) + 1, "image_id": index, "category_id": int(class_id)}
                | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            )
        boxes, scores, class_ids = detect(image, 0.005)
        results[index] = Boxes(boxes.astype(float), scores.astype(float), class_ids.astype(np.int64))
    dataset = Dataset({index: str(index) for index in range(count)}, dict(enumerate(NAMES)), annotations)
    figures, classes = coco_figures(dataset, results)
    by_class = dict.fromkeys(NAMES, 0.0) | {each.name: each.ap50 for each in classes}
    return figures[0], figures[1], by_class


def share_found(detect: Detect, count: int) -> float:
    """How many of `count` clean pictures of one code (of a seed never trained on) are found, 0 to 1."""
    found = 0
    for index in range(count):
        image, labels = clean.single(np.random.default_rng([HELD_OUT_SEED, index]))
        boxes, _, class_ids = detect(image, 0.25)
        boxes = boxes[class_ids == labels[0, 0]]
        found += bool(len(boxes) and iou(labels[:, 1:], boxes).max() >= 0.5)
    return found / count
