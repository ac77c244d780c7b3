"""How many codes are read in whole pictures, and how many when the detector cuts them out first.

python -m samples.compare_reading --help, from a checkout: the pictures are made by weights/recipe.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from runtime import Detector
from samples.read_codes import cut_out, find, read_with_opencv, read_with_zxing
from weights.recipe.pictures import Picture, compose

READABLE = ("qr_code", "data_matrix", "aztec", "barcode")
"""ArUco markers hold a number that these readers do not read; the recipe's PDF417 lack columns."""


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


def detected(
    image: np.ndarray, detectors: dict[int, Detector], read: Callable[[np.ndarray], str]
) -> list[np.ndarray]:
    """Corner points (2, 2) of each detection whose cut-out `read` reads."""
    return [box.reshape(2, 2) for box in find(image, detectors).xyxy if read(cut_out(image, box))]


def table_of_codes(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A cluttered picture, 3:4, of twelve flat codes, its side `size`; and their boxes (12, 4)."""
    rng = np.random.default_rng(seed)
    places = [(x, y) for y in (0.14, 0.38, 0.62) for x in (0.14, 0.38, 0.62, 0.86)]
    names = rng.choice(READABLE, len(places))
    longest = rng.uniform(0.05, 0.13, len(places))
    codes = [(str(n), x, y, float(v)) for n, (x, y), v in zip(names, places, longest, strict=True)]
    ground = str(rng.choice(["photograph", "leaves", "text_page"]))
    image, labels = compose(Picture("", seed, size, ground, False, codes), attempt=0)
    return image, np.array([label["box"] for label in labels], np.float32)


def hit(boxes: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    """Which of the boxes (n, 4) hold the middle of something that was read; bool (n,)."""
    middles = np.array([points.reshape(-1, 2).mean(0) for points in found]).reshape(-1, 1, 2)
    inside = (middles > boxes[None, :, :2]) & (middles < boxes[None, :, 2:])
    return np.asarray(inside.all(2).any(0))


def main() -> None:
    """Compare whole-picture reading with detecting, cutting out and reading, on large cluttered pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=40, help="pictures (default: 40)")
    parser.add_argument("--size", type=int, default=1600, help="their width in pixels (default: 1600)")
    parser.add_argument("--seed", type=int, default=1000, help="of the first picture (default: 1000)")
    args = parser.parse_args()
    detectors: dict[int, Detector] = {}
    methods: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "OpenCV, whole picture": whole_opencv,
        "detector, then OpenCV": partial(detected, detectors=detectors, read=read_with_opencv),
        "zxing-cpp, whole picture": whole_zxing,
        "detector, then zxing-cpp": partial(detected, detectors=detectors, read=read_with_zxing),
    }
    total, only_detected, only_whole = 0, 0, 0
    read = dict.fromkeys(methods, 0)
    for index in tqdm(range(args.count), "pictures", leave=False):
        image, boxes = table_of_codes(args.size, args.seed + index)
        hits = {name: hit(boxes, method(image)) for name, method in methods.items()}
        total += len(boxes)
        for name in methods:
            read[name] += int(hits[name].sum())
        whole, cut = hits["zxing-cpp, whole picture"], hits["detector, then zxing-cpp"]
        only_detected += int((cut & ~whole).sum())
        only_whole += int((whole & ~cut).sum())
    print(f"{total} codes in {args.count} pictures of {args.size}x{args.size * 3 // 4}\n")
    print("| read by | codes |\n| --- | ---: |")
    for name, count in read.items():
        print(f"| {name} | {count} |")
    print(f"\nzxing-cpp in one way only: {only_detected} by the detector, {only_whole} in the whole picture")


if __name__ == "__main__":
    main()
