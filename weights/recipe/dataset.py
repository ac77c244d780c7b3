"""Scenes on disk, made once by worker processes, and the cheap changes that make each visit different."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from .codes import Image, Rng
from .scene import MOST, make_scene

CHUNK = 50
HELD_OUT_SEED = 2
"""Scenes of this seed are for measuring, never for training."""


class Scenes:
    """Square scenes of some folders: images.npy (n, size, size, 3), labels.npy (n, MOST, 5), class -1 none.

    Scene i depends on the random seed (seed, i) alone: the same on any machine, in any number of processes.
    """

    def __init__(self, *folders: Path):
        self._images = [np.load(folder / "images.npy", mmap_mode="r") for folder in folders]
        self._labels = [np.load(folder / "labels.npy", mmap_mode="r") for folder in folders]

    def __len__(self) -> int:
        return sum(map(len, self._images))

    def __getitem__(self, index: int) -> tuple[Image, np.ndarray]:
        for images, all_labels in zip(self._images, self._labels, strict=True):
            if index < len(images):
                labels = np.array(all_labels[index])
                return images[index], labels[labels[:, 0] >= 0]
            index -= len(images)
        raise IndexError("there is no such scene")


def _fill(folder: Path, seed: int, start: int) -> None:
    cv2.setNumThreads(1)
    images = np.load(folder / "images.npy", mmap_mode="r+")
    labels = np.load(folder / "labels.npy", mmap_mode="r+")
    for index in range(start, min(start + CHUNK, len(images))):
        scene = make_scene(images.shape[1], np.random.default_rng([seed, index]))
        images[index] = scene.image
        labels[index, : len(scene.labels)] = scene.labels[:MOST]


def generate(folder: Path, count: int, size: int, seed: int, workers: int = 2) -> Scenes:
    """Make the scenes of a folder, or open them if they are there."""
    done = folder / f"complete-{count}-{size}-{seed}"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, size, size, 3))
        np.lib.format.open_memmap(folder / "labels.npy", "w+", np.float32, (count, MOST, 5))[:] = -1
        starts = range(0, count, CHUNK)
        with ProcessPoolExecutor(
            workers, get_context("spawn")
        ) as pool:  # a fork would inherit torch's threads
            list(
                tqdm(
                    pool.map(partial(_fill, folder, seed), starts),
                    f"scenes in {folder.name}",
                    len(starts),
                    mininterval=5,
                )
            )
        done.touch()
    return Scenes(folder)


def augment(image: Image, labels: np.ndarray, size: int, rng: Rng) -> tuple[Image, np.ndarray]:
    """A (size, size) view of a scene: cut or shrunk, turned, lit otherwise. Not mirrored: codes are not."""
    whole = image.shape[0]
    scale = (
        float(np.exp(rng.uniform(np.log(0.6), np.log(1.5)))) * size / whole
        if rng.random() < 0.8
        else size / whole
    )
    side = size / scale  # of the window, in scene pixels
    free = whole - side
    shift = rng.uniform(min(0, free), max(0, free), 2)
    matrix = np.array([[scale, 0, -shift[0] * scale], [0, scale, -shift[1] * scale]])
    border = tuple(int(v) for v in (rng.integers(0, 256, 3) if rng.random() < 0.3 else (114, 114, 114)))
    flags = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
    if scale < 0.7:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=flags)
        image = cv2.warpAffine(
            small, np.array([[1, 0, matrix[0, 2]], [0, 1, matrix[1, 2]]]), (size, size), borderValue=border
        )
    else:
        image = cv2.warpAffine(image, matrix, (size, size), flags=flags, borderValue=border)
    whole_boxes = labels[:, 1:] * scale + np.tile(matrix[:, 2], 2)
    boxes = np.clip(whole_boxes, 0, size)
    sides = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(1) / np.maximum((whole_boxes[:, 2:] - whole_boxes[:, :2]).prod(1), 1e-3)
    for box in boxes[
        (visible <= 0.4) & (sides.min(1, initial=size) > 0)
    ]:  # a sliver is neither a code nor background
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
        image[y1:y2, x1:x2] = border
    keep = (visible > 0.4) & (sides.min(1, initial=size) >= 6)
    classes, boxes = labels[keep, 0], boxes[keep]
    turns = int(rng.integers(4)) if rng.random() < 0.5 else 0
    for _ in range(turns):  # a quarter turn against the clock
        boxes = np.stack([boxes[:, 1], size - boxes[:, 2], boxes[:, 3], size - boxes[:, 0]], 1)
    image = np.rot90(image, turns)
    gain, offset = rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    image = np.clip(image * np.float32(gain) + np.float32(offset), 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        image = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    return np.ascontiguousarray(image), np.column_stack([classes, boxes]).astype(np.float32)


def mosaic(scenes: Scenes, indices: np.ndarray, size: int, rng: Rng) -> tuple[Image, np.ndarray]:
    """Four scenes around a random centre."""
    canvas = np.empty((size, size, 3), np.uint8)
    cx, cy = (int(v) for v in rng.uniform(0.3, 0.7, 2) * size)
    found = []
    for index, (x1, y1, x2, y2) in zip(
        indices, [(0, 0, cx, cy), (cx, 0, size, cy), (0, cy, cx, size), (cx, cy, size, size)], strict=True
    ):
        tile = max(x2 - x1, y2 - y1)
        image, labels = augment(*scenes[int(index)], tile, rng)
        window = (x2 - x1, y2 - y1)
        canvas[y1:y2, x1:x2] = image[: window[1], : window[0]]
        boxes = np.clip(labels[:, 1:], 0, np.tile(window, 2))
        sides, before = boxes[:, 2:] - boxes[:, :2], labels[:, 3:] - labels[:, 1:3]
        keep = (sides.prod(1) > 0.4 * before.prod(1)) & (sides.min(1, initial=size) >= 6)
        found.append(np.column_stack([labels[keep, 0], boxes[keep] + (x1, y1, x1, y1)]))
    return canvas, np.concatenate(found).astype(np.float32)


def main() -> None:
    """Make scenes ahead of training (training makes those that are missing)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=12000)
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    generate(args.folder, args.count, args.size, args.seed, args.workers)


if __name__ == "__main__":
    main()
