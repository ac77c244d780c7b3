"""How many codes are read in whole pictures, and how many when the detector cuts them out first.

python -m samples.compare_reading --help, from a checkout: the pictures are made by weights/recipe.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from runtime import Detector
from samples.read_codes import enlarged, read
from weights.recipe.scene import make_scene


def whole_opencv(image: np.ndarray) -> list[np.ndarray]:
    """Corner points (4, 2) of each code that OpenCV's own readers read in the whole picture."""
    _, texts, points, _ = cv2.QRCodeDetector().detectAndDecodeMulti(image)
    found = [corners for text, corners in zip(texts, () if points is None else points, strict=False) if text]
    if hasattr(cv2, "barcode"):
        _, texts, points, _ = cv2.barcode.BarcodeDetector().detectAndDecodeWithType(image)
        found += [
            corners for text, corners in zip(texts, () if points is None else points, strict=False) if text
        ]
    return found


def whole_zxing(image: np.ndarray) -> list[np.ndarray]:
    """Corner points (4, 2) of each code that zxing-cpp, trying its hardest, reads in the whole picture."""
    positions = [result.position for result in zxingcpp.read_barcodes(image) if result.text]
    return [
        np.array([(p.x, p.y) for p in (q.top_left, q.top_right, q.bottom_right, q.bottom_left)])
        for q in positions
    ]


def cut_out(image: np.ndarray, detector: Detector) -> list[np.ndarray]:
    """Corner points (2, 2) of each detection whose crop is read."""
    return [box.reshape(2, 2) for box in detector(image).xyxy if read(enlarged(image, box))]


def hit(labels: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    """Which of the labels (n, 5: class, box) hold the middle of something that was read."""
    middles = np.array([points.reshape(-1, 2).mean(0) for points in found]).reshape(-1, 1, 2)
    inside = (middles > labels[None, :, 1:3]) & (middles < labels[None, :, 3:])
    return np.asarray(inside.all(2).any(0))


def main() -> None:
    """Compare whole-picture reading with detecting, cutting out and reading, on large cluttered scenes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures (default: 60)")
    parser.add_argument("--size", type=int, default=1280, help="their sides in pixels (default: 1280)")
    parser.add_argument("--seed", type=int, default=3, help="not a seed of the training scenes (default: 3)")
    parser.add_argument("--model", type=Path, help="model file (default: the embedded one)")
    args = parser.parse_args()
    detector = Detector(args.model, imgsz=args.size)
    names = (
        "OpenCV, whole picture",
        "zxing-cpp, whole picture",
        "detector, then zxing-cpp",
        "in either of the last two",
    )
    read_by = [0] * len(names)
    total = 0
    for index in tqdm(range(args.count), "pictures", leave=False):
        scene = make_scene(args.size, np.random.default_rng([args.seed, index]))
        labels = scene.labels[
            scene.labels[:, 0] != 5
        ]  # an ArUco marker holds a number, which no reader here reads
        by = [
            hit(labels, found)
            for found in (whole_opencv(scene.image), whole_zxing(scene.image), cut_out(scene.image, detector))
        ]
        by.append(by[1] | by[2])
        total += len(labels)
        read_by = [count + int(hits.sum()) for count, hits in zip(read_by, by, strict=True)]
    print(f"{total} codes in {args.count} pictures of {args.size}x{args.size}\n")
    print("| read by | codes |\n| --- | ---: |")
    for name, count in zip(names, read_by, strict=True):
        print(f"| {name} | {count} |")


if __name__ == "__main__":
    main()
