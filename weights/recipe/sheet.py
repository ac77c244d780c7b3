"""A sheet of pictures that were never trained on, with what the model finds in them, to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from runtime import Detector

from . import clean, writer
from .codes import Image
from .dataset import HELD_OUT_SEED
from .network import IMGSZ
from .scene import make_scene

ACROSS = 8
TILE = 200
"""Sides of the pictures on the sheet, in pixels."""


def pictures(seed: int) -> list[Image]:
    """A row of writer's files, rows of clean codes, pages and scenes."""
    files = [list(writer.files(class_id)) for class_id in range(6)]
    rng = np.random.default_rng(seed)
    found = [files[i % 6][rng.integers(len(files[i % 6]))].image for i in range(ACROSS)]
    found += [clean.single(np.random.default_rng([seed, 1, i]))[0] for i in range(2 * ACROSS)]
    found += [clean.page(np.random.default_rng([seed, 2, i]), (IMGSZ, IMGSZ))[0] for i in range(ACROSS)]
    found += [make_scene(IMGSZ, np.random.default_rng([seed, i])).image for i in range(2 * ACROSS)]
    return found


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.recipe.sheet")
    parser.add_argument("output", type=Path, help="picture to write, e.g. weights/found.jpg")
    parser.add_argument("--model", type=Path, help="model file (default: the embedded one)")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    args = parser.parse_args()
    detector = Detector(args.model)
    tiles = []
    for image in pictures(args.seed):
        zoom = IMGSZ / max(image.shape[:2])
        drawn = detector(image)
        h, w = (max(1, round(v * zoom)) for v in image.shape[:2])
        drawn.xyxy *= np.float32(zoom)  # lines and letters of one thickness on all pictures
        view = drawn.draw(np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8))
        canvas = np.full((IMGSZ, IMGSZ, 3), 114, np.uint8)
        canvas[(IMGSZ - h) // 2 :, (IMGSZ - w) // 2 :][:h, :w] = view
        tiles.append(cv2.resize(canvas, (TILE, TILE), interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + ACROSS]) for i in range(0, len(tiles), ACROSS)]
    cv2.imwrite(str(args.output), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 75])


if __name__ == "__main__":
    main()
