"""How many codes are read in whole pictures, and how many when the detector cuts them out first.

python -m samples.compare_reading --help, from a checkout: the pictures are made by weights/recipe.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from runtime import Detector
from samples.read_codes import cut_out, read_with_opencv, read_with_zxing
from weights.recipe import NAMES
from weights.recipe.scene import make_scene


def whole_opencv(image: np.ndarray) -> list[np.ndarray]:
    """Corner points (4, 2) of each code that OpenCV's own readers read in the whole picture."""
    readers: list[Any] = [cv2.QRCodeDetector()]
    if hasattr(cv2, "barcode"):
        readers.append(cv2.barcode.BarcodeDetector())
    found = []
    for reader in readers:
        _, texts, points, _ = reader.detectAndDecodeMulti(image)
        if points is not None:
            found += [np.asarray(corners) for text, corners in zip(texts, points, strict=True) if text]
    return found


def whole_zxing(image: np.ndarray) -> list[np.ndarray]:
    """Corner points (4, 2) of each code that zxing-cpp, trying its hardest, reads in the whole picture."""
    positions = [result.position for result in zxingcpp.read_barcodes(image) if result.text]
    return [
        np.array([(p.x, p.y) for p in (q.top_left, q.top_right, q.bottom_right, q.bottom_left)])
        for q in positions
    ]


def detected(image: np.ndarray, detector: Detector, read: Callable[[np.ndarray], str]) -> list[np.ndarray]:
    """Corner points (2, 2) of each detection whose cut-out `read` reads."""
    return [box.reshape(2, 2) for box in detector(image).xyxy if read(cut_out(image, box))]


def hit(labels: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    """Which of the labels (n, 5: class, box) hold the middle of something that was read; bool (n,)."""
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
    methods: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "OpenCV, whole picture": whole_opencv,
        "detector, then OpenCV": partial(detected, detector=detector, read=read_with_opencv),
        "zxing-cpp, whole picture": whole_zxing,
        "detector, then zxing-cpp": partial(detected, detector=detector, read=read_with_zxing),
    }
    total, only_detected, only_whole = 0, 0, 0
    read = dict.fromkeys(methods, 0)
    for index in tqdm(range(args.count), "pictures", leave=False):
        scene = make_scene(args.size, np.random.default_rng([args.seed, index]))
        labels = scene.labels[scene.labels[:, 0] != NAMES.index("aruco")]  # which these readers do not read
        hits = {name: hit(labels, method(scene.image)) for name, method in methods.items()}
        total += len(labels)
        for name in methods:
            read[name] += int(hits[name].sum())
        whole, cut = hits["zxing-cpp, whole picture"], hits["detector, then zxing-cpp"]
        only_detected += int((cut & ~whole).sum())
        only_whole += int((whole & ~cut).sum())
    print(f"{total} codes in {args.count} pictures of {args.size}x{args.size}\n")
    print("| read by | codes |\n| --- | ---: |")
    for name, count in read.items():
        print(f"| {name} | {count} |")
    print(f"\nzxing-cpp in one way only: {only_detected} by the detector, {only_whole} in the whole picture")


if __name__ == "__main__":
    main()
