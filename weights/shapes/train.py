"""Draw pictures and train the two networks, in minutes: `python -m weights.shapes.train --help`."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from tqdm import tqdm

from convert import save_checkpoint
from convert.layers import ClassificationModel, SegmentationModel
from convert.rewrite import fold_batchnorm

from . import NAMES
from .loss import segmentation_loss
from .networks import SCENE_INPUT, SINGLE_INPUT, build_classifier, build_segmenter
from .pictures import Draw, Picture, Rng, box_of, scene, single

SEED = 1
BATCH = 16
PROTOTYPES = SCENE_INPUT // 4
RATE = 4e-3


Batch = tuple[Tensor, Tensor, Tensor]
"""Images (BATCH, 3, side, side), RGB, 0 to 1; targets (n, 6) and masks (n, h, w) as the loss has them."""
Example = tuple[np.ndarray, np.ndarray, np.ndarray]
"""An image (side, side, 3), BGR; class ids and boxes xyxy (n, 5); masks at the prototypes' size (n, h, w)."""


def stored(draw: Draw, side: int, count: int, kind: int) -> list[Example]:
    """Draw pictures of SEED once, to be seen in many ways; `kind` keeps those of two `draw` apart."""

    def reduced(picture: Picture) -> Example:
        labels = [(i, *box_of(mask)) for i, mask in zip(picture.class_ids, picture.masks, strict=True)]
        small = [
            cv2.resize(mask.astype(np.float32), (PROTOTYPES, PROTOTYPES), interpolation=cv2.INTER_AREA) > 0.5
            for mask in picture.masks
        ]
        return picture.image, np.array(labels, np.float32), np.array(small)

    seeds = tqdm(range(count), f"drawing with {side} pixels", mininterval=10)
    return [reduced(draw(side, np.random.default_rng([SEED, kind, index]))) for index in seeds]


def seen_otherwise(picture: Example, rng: Rng) -> Example:
    """Mirror, turn and relight a picture, with its boxes and masks."""
    image, labels, masks = picture
    side = len(image)
    boxes = labels[:, 1:]
    if rng.random() < 0.5:
        image, masks = image[:, ::-1], masks[:, :, ::-1]
        boxes = np.stack((side - boxes[:, 2], boxes[:, 1], side - boxes[:, 0], boxes[:, 3]), 1)
    for _ in range(rng.integers(4)):  # a quarter turn against the clock
        image, masks = np.rot90(image), np.rot90(masks, axes=(1, 2))
        boxes = np.stack((boxes[:, 1], side - boxes[:, 2], boxes[:, 3], side - boxes[:, 0]), 1)
    lit = np.clip(image * rng.uniform(0.8, 1.2) + rng.uniform(-20, 20), 0, 255)
    return lit, np.column_stack((labels[:, 0], boxes)), masks


def batches(pictures: list[Example], steps: int) -> Iterator[Batch]:
    """Choose pictures at random, and turn, mirror and relight them."""
    rng = np.random.default_rng([SEED, 2])
    for _ in range(steps):
        chosen = rng.integers(0, len(pictures), BATCH)
        views = [seen_otherwise(pictures[index], rng) for index in chosen]
        images = np.stack([image[:, :, ::-1].transpose(2, 0, 1) for image, _, _ in views]) / 255
        targets = []
        for i, (_, labels, _) in enumerate(views):
            corner, opposite = labels[:, 1:3], labels[:, 3:]
            row = (np.full(len(labels), i), labels[:, 0], (corner + opposite) / 2, opposite - corner)
            targets.append(np.column_stack(row))
        masks = np.concatenate([each for _, _, each in views])
        yield tuple(  # type: ignore[misc]
            torch.from_numpy(np.ascontiguousarray(each, np.float32))
            for each in (images, np.concatenate(targets), masks)
        )


def optimise(network: nn.Module, losses: Callable[[Any], Tensor], data: Iterator[Any], steps: int) -> None:
    """Train a network with AdamW; the rate rises for a twentieth of the steps, then falls to nothing."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.05)
    progress = tqdm(data, "training", steps, mininterval=10)
    for batch in progress:
        loss = losses(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        progress.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    network.eval()


def save(path: Path, network: nn.Module, imgsz: int) -> None:
    """Save a network without its BatchNorms, as YOLOv5's `fuse` leaves it: smaller, with the same answers."""
    fused = copy.deepcopy(network)
    fold_batchnorm(fused)
    save_checkpoint(path, fused, opt={"imgsz": imgsz})


def train_segmenter(count: int, steps: int) -> SegmentationModel:
    """Train the network for masks."""
    torch.manual_seed(SEED)
    network = build_segmenter()
    anchors, strides = network.detect.anchors.clone(), network.detect.stride.clone()

    def loss(batch: Batch) -> Tensor:
        images, targets, masks = batch
        return segmentation_loss(network(images), targets, masks, anchors, strides, len(NAMES))

    optimise(network, loss, batches(stored(scene, SCENE_INPUT, count, 0), steps), steps)
    return network


def train_classifier(start: SegmentationModel, count: int, steps: int) -> ClassificationModel:
    """Train the classifier, which begins with what the network for masks has learnt."""
    torch.manual_seed(SEED)
    network = build_classifier(start)
    facts = network.head.metadata()
    mean, std = (torch.tensor(facts[key]).view(3, 1, 1) for key in ("mean", "std"))

    def loss(batch: Batch) -> Tensor:
        images, targets, _ = batch
        (logits,) = network((images - mean) / std)
        return F.cross_entropy(logits, targets[:, 1].long())

    optimise(network, loss, batches(stored(single, SINGLE_INPUT, count, 1), steps), steps)
    return network


def main() -> None:
    """Train both networks from nothing and save masks.pt and classes.pt."""
    parser = argparse.ArgumentParser(
        description=main.__doc__,
        prog="python -m weights.shapes.train",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where to save them")
    parser.add_argument("--count", type=int, default=1000, help="pictures of each kind")
    parser.add_argument("--steps", type=int, default=1200, help="batches for masks; half as many for classes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    segmenter = train_segmenter(args.count, args.steps)
    save(args.folder / "masks.pt", segmenter, SCENE_INPUT)
    classifier = train_classifier(segmenter, args.count, args.steps // 2)
    save(args.folder / "classes.pt", classifier, SINGLE_INPUT)


if __name__ == "__main__":
    main()
