"""More photographs to lay codes on and to learn from that they are none: any folders of pictures.

The training finds them by the environment variable CODES_PHOTOGRAPHS. None is in the repository.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

LONGEST = 800
"""Longer sides are shrunk to this."""
SHORTEST = 240
"""Pictures with a shorter side than this are left out."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def read(path: Path) -> np.ndarray | None:
    """A picture as BGR, what is transparent in it as white; None if it is no picture. May be gzipped."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8:
        return None
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        return np.asarray(image[..., :3] * alpha + 255 * (1 - alpha), np.uint8)
    return np.asarray(image[..., :3])


def holds_a_code(image: np.ndarray) -> bool:
    """Whether zxing-cpp reads a code in a picture, or OpenCV finds an ArUco or AprilTag marker."""
    if zxingcpp.read_barcodes(image):
        return True
    dictionaries = [cv2.aruco.DICT_4X4_250, cv2.aruco.DICT_5X5_250, cv2.aruco.DICT_6X6_250]
    dictionaries += [cv2.aruco.DICT_ARUCO_ORIGINAL, cv2.aruco.DICT_APRILTAG_36h11]
    for name in dictionaries:
        finder = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(name))
        if len(finder.detectMarkers(image)[0]) > 2:
            return True
    return False


def main() -> None:
    """Shrink the pictures of some folders, leave out those with codes, and write them into one folder."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.recipe.photographs")
    parser.add_argument("output", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    paths = sorted(path for folder in args.folders for path in folder.rglob("*"))
    paths = [p for p in paths if p.name.lower().removesuffix(".gz").endswith(SUFFIXES) and not p.is_symlink()]
    kept = 0
    for path in tqdm(paths, "pictures", mininterval=5):
        image = read(path)
        if image is None or min(image.shape[:2]) < SHORTEST:
            continue
        scale = min(1.0, LONGEST / max(image.shape[:2]))
        if scale < 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        if min(image.shape[:2]) < SHORTEST or holds_a_code(image):
            continue
        cv2.imwrite(str(args.output / f"{kept:05}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 88])
        kept += 1
    print(f"{kept} of {len(paths)} pictures kept")


if __name__ == "__main__":
    main()
