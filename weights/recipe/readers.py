"""Who else finds codes: zxing-cpp and OpenCV's own detectors on the whole picture; and reading from a box."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
import zxingcpp

from .codes import ARUCO_DICTIONARIES

MARGIN = 0.15
"""A box is cut out this much larger on every side, of its width and height, and two pixels more."""
FORMATS = {
    "QR": 0,
    "Micro QR": 0,
    "Data Matrix": 1,
    "Aztec": 2,
    "PDF417": 3,
    "MicroPDF417": 3,
    "Compact PDF417": 3,
}
"""How the names of zxing-cpp's formats start, and their class ids; all others are 1-D codes."""


class Found(NamedTuple):
    """A code that somebody found."""

    class_id: int
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels; around a line, as zxing-cpp gives it for a 1-D code, one pixel thick."""
    text: str
    """What it says; empty if it was only located."""


def around(points: np.ndarray) -> tuple[float, float, float, float]:
    """The box (x1, y1, x2, y2) of points (n, 2), a pixel thick at least."""
    low, high = points.reshape(-1, 2).min(0), points.reshape(-1, 2).max(0)
    x1, y1, x2, y2 = (float(v) for v in (*low, *np.maximum(high, low + 1)))
    return x1, y1, x2, y2


def class_of(result: zxingcpp.Barcode) -> int:
    """The class id of what zxing-cpp read."""
    name = str(result.format)
    return next((class_id for start, class_id in FORMATS.items() if name.startswith(start)), 4)


def zxing(image: np.ndarray) -> list[Found]:
    """What zxing-cpp, trying its hardest, reads in a picture."""
    found = []
    for result in zxingcpp.read_barcodes(image):
        p = result.position
        points = [(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)]
        if result.text:
            found.append(Found(class_of(result), around(np.array(points, float)), result.text))
    return found


@cache
def marker_finder(dictionary: int) -> cv2.aruco.ArucoDetector:
    """OpenCV's detector of one dictionary's markers."""
    return cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(dictionary))


def markers(image: np.ndarray) -> list[Found]:
    """What OpenCV's ArUco module finds, with all dictionaries that the recipe draws from."""
    found = []
    for dictionary in ARUCO_DICTIONARIES:
        corners, ids, _ = marker_finder(dictionary).detectMarkers(image)
        for points, number in zip(corners, ids if ids is not None else (), strict=True):
            found.append(Found(5, around(np.asarray(points)), f"{dictionary}:{int(np.ravel(number)[0])}"))
    return found


def opencv(image: np.ndarray, classes: Collection[int] = (0, 4, 5)) -> list[Found]:
    """What OpenCV's QRCodeDetector, BarcodeDetector and ArucoDetector find, read or not, of some classes."""
    found = markers(image) if 5 in classes else []
    finders: dict[int, Callable[[], Any]] = {0: cv2.QRCodeDetector, 4: cv2.barcode.BarcodeDetector}
    for class_id in finders.keys() & set(classes):
        finder = finders[class_id]()
        try:
            _, texts, points, _ = finder.detectAndDecodeMulti(image)
            if points is None:  # nothing that can be read; perhaps something that can be seen
                _, points = finder.detectMulti(image)
                texts = [""] * (0 if points is None else len(points))
        except cv2.error:  # some pictures upset it
            continue
        for text, each in zip(texts, points if points is not None else (), strict=True):
            found.append(Found(class_id, around(np.asarray(each)), text))
    return found


def cut_out(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part of a picture in a box, with its margin."""
    x1, y1, x2, y2 = box
    dx, dy = MARGIN * (x2 - x1) + 2, MARGIN * (y2 - y1) + 2
    rows = slice(max(0, int(y1 - dy)), int(y2 + dy) + 1)
    return np.ascontiguousarray(image[rows, max(0, int(x1 - dx)) : int(x2 + dx) + 1])


def texts_in(image: np.ndarray, class_id: int) -> Iterator[str]:
    """What is read in a picture of one code: by zxing-cpp, markers by OpenCV."""
    for each in markers(image) if class_id == 5 else zxing(image):
        yield each.text


def touch(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes overlap."""
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
