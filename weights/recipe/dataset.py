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

from . import clean
from .codes import Image, Rng
from .scene import MOST, make_scene

CHUNK = 50
USUAL = (0.17, 0.05, 0.17, 0.06, 0.24, 0.28, 0.03)
NARROW = (0.17, 0.0, 0.75, 0.0, 0.0, 0.0, 0.08)
"""How often a picture of training is a stored scene, four, one clean code, a page, one of small codes, a
photograph, nothing."""
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


def augment(image: Image, labels: np.ndarray, shape: tuple[int, int], rng: Rng) -> tuple[Image, np.ndarray]:
    """A view, (h, w) = `shape`, of a scene: cut or shrunk, turned, relit. Not mirrored: codes are not."""
    turns = int(rng.integers(4)) if rng.random() < 0.5 else 0
    height, width = shape if turns % 2 == 0 else shape[::-1]
    whole = image.shape[0]
    fitting = max(height, width) / whole
    scale = float(np.exp(rng.uniform(np.log(0.6), np.log(1.5)))) * fitting if rng.random() < 0.8 else fitting
    free = whole - np.array([width, height]) / scale  # of the scene, around the window
    shift = rng.uniform(np.minimum(0, free), np.maximum(0, free))
    matrix = np.array([[scale, 0, -shift[0] * scale], [0, scale, -shift[1] * scale]])
    border = tuple(int(v) for v in (rng.integers(0, 256, 3) if rng.random() < 0.3 else (114, 114, 114)))
    extent = (width, height)
    if scale < 0.7:
        # the runtime shrinks with INTER_LINEAR, cameras and programs more smoothly
        flags = cv2.INTER_AREA if rng.random() < 0.5 else cv2.INTER_LINEAR
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=flags)
        unscaled = np.array([[1, 0, matrix[0, 2]], [0, 1, matrix[1, 2]]])
        image = cv2.warpAffine(small, unscaled, extent, borderValue=border)
    else:
        image = cv2.warpAffine(image, matrix, extent, flags=cv2.INTER_LINEAR, borderValue=border)
    whole_boxes = labels[:, 1:] * scale + np.tile(matrix[:, 2], 2)
    boxes = np.clip(whole_boxes, 0, np.tile(extent, 2))
    sides = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(1) / np.maximum((whole_boxes[:, 2:] - whole_boxes[:, :2]).prod(1), 1e-3)
    for box in boxes[
        (visible <= 0.4) & (sides.min(1, initial=whole) > 0)
    ]:  # a sliver is neither a code nor background
        x1, y1, x2, y2 = (int(v) for v in (*np.floor(box[:2]), *np.ceil(box[2:])))
        image[y1:y2, x1:x2] = border
    keep = (visible > 0.4) & (sides.min(1, initial=whole) >= 6)
    classes, boxes = labels[keep, 0], boxes[keep]
    for _ in range(turns):  # a quarter turn against the clock
        boxes = np.stack([boxes[:, 1], width - boxes[:, 2], boxes[:, 3], width - boxes[:, 0]], 1)
        width, height = height, width
    image = relit(np.rot90(image, turns), rng)
    return np.ascontiguousarray(image), np.column_stack([classes, boxes]).astype(np.float32)


def relit(image: Image, rng: Rng) -> Image:
    """A picture with another brightness and contrast, sometimes grey."""
    gain, offset = rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    table = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
    image = table[image]
    if rng.random() < 0.15:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.asarray(image, np.uint8)


def mosaic(scenes: Scenes, indices: np.ndarray, shape: tuple[int, int], rng: Rng) -> tuple[Image, np.ndarray]:
    """Four scenes around a random centre."""
    height, width = shape
    canvas = np.empty((height, width, 3), np.uint8)
    cx, cy = (int(v) for v in rng.uniform(0.3, 0.7, 2) * (width, height))
    found = []
    for index, (x1, y1, x2, y2) in zip(
        indices,
        [(0, 0, cx, cy), (cx, 0, width, cy), (0, cy, cx, height), (cx, cy, width, height)],
        strict=True,
    ):
        image, labels = augment(*scenes[int(index)], (y2 - y1, x2 - x1), rng)
        canvas[y1:y2, x1:x2] = image
        found.append(np.column_stack([labels[:, 0], labels[:, 1:] + (x1, y1, x1, y1)]))
    return canvas, np.concatenate(found).astype(np.float32)


def example(scenes: Scenes, shape: tuple[int, int], rng: Rng) -> tuple[Image, np.ndarray]:
    """What training sees, (h, w) = `shape`: a view of stored scenes, or a picture drawn on the spot."""
    narrow = max(shape) > 2 * min(shape)
    kinds = ["scene", "mosaic", "single", "page", "small", "photograph", "plain"]
    kind = rng.choice(kinds, p=NARROW if narrow else USUAL)
    if kind == "scene":
        return augment(*scenes[int(rng.integers(len(scenes)))], shape, rng)
    if kind == "mosaic":
        return mosaic(scenes, rng.integers(0, len(scenes), 4), shape, rng)
    if kind in ("page", "small"):
        return clean.fit(*clean.page(rng, shape, kind == "small"), shape)
    if kind == "photograph":
        image, labels = clean.photograph(rng)
        return relit(clean.fit(image, labels, shape)[0], rng), labels
    if kind == "plain":
        return clean.fit(*clean.plain(rng), shape)
    for _ in range(20):  # a picture of about the shape: the rest of the canvas is grey
        image, labels = clean.single(rng)
        ratio = image.shape[1] / image.shape[0] / (shape[1] / shape[0])
        if max(ratio, 1 / ratio) < 2.2:
            break
    canvas, labels = clean.fit(image, labels, shape)
    sides = labels[0, 3:] - labels[0, 1:3]
    return canvas, labels[: int(sides.min() >= 3)]


def main() -> None:
    """Make scenes ahead of training (training makes those that are missing)."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    generate(args.folder, args.count, args.size, args.seed, args.workers)


if __name__ == "__main__":
    main()
