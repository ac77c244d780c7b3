"""Move the scores so that the usual confidence of 0.25 is the place to cut.

Training leaves many wrong detections above it: the scenes hold more codes than the world does. Constants are
added to the objectness and class logits. They follow from a precision on scenes that were neither trained nor
measured on, or from thresholds for each class.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from convert import load_checkpoint, save_checkpoint
from convert.layers import DetectionModel
from runtime.evaluation.figures import iou

from . import NAMES
from .accuracy import Detect, torch_detector
from .dataset import Scenes, generate
from .network import DEFAULT_INPUT, IMGSZ

SEED = 8
CONF = 0.25
SURE = 0.95
"""Class probability of a detection that a threshold is meant for."""


def judged_scores(detect: Detect, scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """(scores, right) of all detections, best first; right ones overlap an unclaimed label of their class."""
    judged: list[tuple[float, bool]] = []
    for index in range(len(scenes)):
        image, labels = scenes[index]
        boxes, scores, class_ids = detect(image, 0.05)
        overlaps = iou(boxes, labels[:, 1:]) if len(labels) else np.zeros((len(boxes), 1))
        free = np.ones(overlaps.shape[1], bool)
        for overlap, score, class_id in zip(overlaps, scores.tolist(), class_ids, strict=True):
            fits = (overlap >= 0.5) & free
            if len(labels):
                fits &= labels[:, 0] == class_id
            right = bool(fits.any())
            if right:
                free[int(np.argmax(np.where(fits, overlap, -1)))] = False
            judged.append((score, right))
    judged.sort(reverse=True)
    return np.array([score for score, _ in judged]), np.array([right for _, right in judged])


def lowest_threshold(scores: np.ndarray, right: np.ndarray, precision: float) -> float:
    """The lowest score down to which at least `precision` of the detections are right; scores best first."""
    reached = np.flatnonzero(right.cumsum() / np.arange(1, len(right) + 1) >= precision)
    if not len(reached):
        raise SystemExit(f"no threshold reaches a precision of {precision}")
    return float(scores[reached[-1]])


def shift_logits(model: DetectionModel, thresholds: Sequence[float]) -> None:
    """Move the logits, in place, so that a score of `thresholds`[class] becomes about CONF.

    Objectness moves all classes alike, as far as the lowest threshold asks for it. The logits of the other
    classes go down by what is missing for a box whose class probability is SURE.
    """

    def logit(probability: float) -> float:
        return float(np.log(probability / (1 - probability)))

    common = logit(CONF / SURE) - logit(min(thresholds) / SURE)
    for conv in model.detect.m:
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        biases = conv.bias.data.view(model.detect.na, -1)
        biases[:, 4] += common
        for class_id, threshold in enumerate(thresholds):
            if threshold > min(thresholds):
                objectness = 1 / (1 + np.exp(-logit(threshold / SURE) - common))
                biases[:, 5 + class_id] += logit(CONF / objectness) - logit(SURE)


def main() -> None:
    """Shift a checkpoint's logits so that at confidence 0.25 the wanted share of detections is right."""
    parser = argparse.ArgumentParser(prog="python -m weights.recipe.calibrate", description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path, help="checkpoint to write")
    parser.add_argument("--scenes", type=Path, help="folder for its scenes, made if missing")
    parser.add_argument("--count", type=int, default=400, help="how many scenes (default: 400)")
    parser.add_argument("--precision", type=float, default=0.953, help="wanted at 0.25 (default: 0.953)")
    parser.add_argument(
        "--thresholds",
        type=float,
        nargs=len(NAMES),
        metavar="SCORE",
        help="the scores of " + ", ".join(NAMES) + " that become 0.25, instead of measuring one for all",
    )
    args = parser.parse_args()
    if (args.scenes is None) == (args.thresholds is None):
        parser.error("give --scenes or --thresholds")
    torch.set_num_threads(2)
    model = load_checkpoint(args.checkpoint).model.float().eval()
    if not isinstance(model, DetectionModel):
        parser.error(f"{args.checkpoint} is no checkpoint of a detector")
    model.names = list(NAMES)
    thresholds = args.thresholds
    if thresholds is None:
        scenes = generate(args.scenes, args.count, IMGSZ, SEED)
        scores, right = judged_scores(torch_detector(model, DEFAULT_INPUT), scenes)
        thresholds = [lowest_threshold(scores, right, args.precision)] * len(NAMES)
        print(f"{right.sum()} right, {len(right) - right.sum()} wrong detections above 0.05")
    shift_logits(model, thresholds)
    save_checkpoint(args.output, model, opt={"imgsz": DEFAULT_INPUT})
    print(
        ", ".join(f"{name} {value:.3f}" for name, value in zip(NAMES, thresholds, strict=True)),
        "become",
        CONF,
    )


if __name__ == "__main__":
    main()
