"""How many codes are read in whole pictures, and how many when the detector cuts them out first.

python -m weights.recipe.compare_reading --help, from a checkout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from runtime import Detector
from runtime.inputs.image_file import read_image
from samples.read_codes import find, read, read_with_opencv, read_with_zxing

from .pictures import Picture, compose

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
    image: np.ndarray, detectors: dict[int, Detector], reader: Callable[[np.ndarray], str]
) -> list[np.ndarray]:
    """Corner points (2, 2) of each detection that `reader` reads."""
    return [box.reshape(2, 2) for box in find(image, detectors).xyxy if read(image, box, reader)]


def table_of_codes(size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A cluttered picture, 3:4, of twelve flat codes, its side `size`; and their boxes (12, 4)."""
    rng = np.random.default_rng(seed)
    places = [(x, y) for y in (0.14, 0.38, 0.62) for x in (0.14, 0.38, 0.62, 0.86)]
    names = rng.choice(READABLE, len(places))
    longest = rng.uniform(0.05, 0.13, len(places))
    codes = [(str(n), x, y, float(v)) for n, (x, y), v in zip(names, places, longest, strict=True)]
    ground = str(rng.choice(["photograph", "leaves", "text_page"]))
    image, labels = compose(Picture("", seed, size, ground, False, False, codes), attempt=0)
    return image, np.array([label["box"] for label in labels], np.float32)


def hit(boxes: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
    """Which of the boxes (n, 4) hold the middle of something that was read; bool (n,)."""
    middles = np.array([points.reshape(-1, 2).mean(0) for points in found]).reshape(-1, 1, 2)
    inside = (middles > boxes[None, :, :2]) & (middles < boxes[None, :, 2:])
    return np.asarray(inside.all(2).any(0))


def compare(name: str, pictures: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
    """Print how many of the codes in pictures (BGR, boxes (n, 4)) are read in each way."""
    detectors: dict[int, Detector] = {}
    methods: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "OpenCV, whole picture": whole_opencv,
        "detector, then OpenCV": partial(detected, detectors=detectors, reader=read_with_opencv),
        "zxing-cpp, whole picture": whole_zxing,
        "detector, then zxing-cpp": partial(detected, detectors=detectors, reader=read_with_zxing),
    }
    total, only_detected, only_whole = 0, 0, 0
    count = dict.fromkeys(methods, 0)
    for image, boxes in tqdm(pictures, name, leave=False):
        hits = {method: hit(boxes, find_codes(image)) for method, find_codes in methods.items()}
        total += len(boxes)
        for method in methods:
            count[method] += int(hits[method].sum())
        whole, cut = hits["zxing-cpp, whole picture"], hits["detector, then zxing-cpp"]
        only_detected += int((cut & ~whole).sum())
        only_whole += int((whole & ~cut).sum())
    print(f"\n| {name}: {total} codes, read by | codes |\n| --- | ---: |")
    for method, codes in count.items():
        print(f"| {method} | {codes} |")
    print(f"\nzxing-cpp in one way only: {only_detected} by the detector, {only_whole} in the whole picture")


def one_code_each(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pictures of a folder, each taken for one code that may lie anywhere in it."""
    pictures = [read_image(path) for path in sorted(folder.iterdir()) if path.suffix in (".png", ".jpg")]
    return [(image, np.array([[0, 0, *image.shape[1::-1]]], np.float32)) for image in pictures]


def main() -> None:
    """Compare whole-picture reading with detecting, cutting out and reading."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=40, help="cluttered pictures to make (default: 40)")
    parser.add_argument("--size", type=int, default=1600, help="their width in pixels (default: 1600)")
    parser.add_argument("--seed", type=int, default=1000, help="of the first picture (default: 1000)")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="folders, one code a picture")
    args = parser.parse_args()
    made = (table_of_codes(args.size, args.seed + index) for index in range(args.count))
    compare(f"{args.count} cluttered pictures of {args.size}x{args.size * 3 // 4}", made)
    for folder in args.photographs:
        compare(folder.name, one_code_each(folder))


if __name__ == "__main__":
    main()
