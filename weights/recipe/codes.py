"""One printed code: real symbols, drawn by zxing-cpp's writer and by OpenCV's ArUco module."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp

from . import NAMES

Image = np.ndarray
"""A uint8 picture, BGR or grey."""
Rng = np.random.Generator

FREQUENCY = (0.19, 0.22, 0.14, 0.14, 0.22, 0.09)
"""How often each class of NAMES is drawn in scenes."""
CLEAN_FREQUENCY = (0.13, 0.23, 0.12, 0.17, 0.14, 0.21)
"""How often in clean pictures: markers and symbols without finder patterns take longer to learn there."""

DIGITS = "0123456789"
ALPHANUMERIC = DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PRINTABLE = ALPHANUMERIC + "abcdefghijklmnopqrstuvwxyz -./:$%+"

ARUCO_DICTIONARIES = [
    getattr(cv2.aruco, name)
    for name in (
        "DICT_4X4_250",
        "DICT_5X5_250",
        "DICT_6X6_250",
        "DICT_7X7_250",
        "DICT_ARUCO_ORIGINAL",
        "DICT_APRILTAG_16h5",
        "DICT_APRILTAG_25h9",
        "DICT_APRILTAG_36h10",
        "DICT_APRILTAG_36h11",
    )
]


LENGTHS = (0.17, 0.18, 0.18, 0.16, 0.13, 0.1, 0.04, 0.04)
"""How often text of each of eight lengths is written into a two-dimensional symbol."""


class Code(NamedTuple):
    """A symbol without its quiet zone."""

    class_id: int
    modules: Image
    """(rows, columns) uint8, one pixel per module, 0 ink and 255 paper. A 1-D code has one row."""
    aspect: float
    """Width over height of the printed symbol."""
    text: str
    """What is printed under a 1-D code; may be empty."""
    guards: tuple[tuple[int, int], ...] = ()
    """Ranges of columns whose bars reach further down (EAN and UPC)."""


def random_text(rng: Rng, alphabet: str, length: int) -> str:
    """`length` characters drawn from `alphabet`."""
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), length))


def write(text: str, symbology: zxingcpp.BarcodeFormat, **options: object) -> Image:
    """The modules of the symbol, one pixel each, without quiet zone."""
    barcode = zxingcpp.create_barcode(text, symbology, **options)
    return np.array(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False), np.uint8)


def qr_code(rng: Rng) -> Code:
    """QR codes of versions 1 to 40, most of them small, a few of them Micro QR."""
    if rng.random() < 0.05:
        modules = write(
            random_text(rng, DIGITS, int(rng.integers(3, 10))), zxingcpp.BarcodeFormat.MicroQRCode
        )
    else:
        length = int(rng.choice([6, 15, 30, 60, 120, 220, 600, 910], p=LENGTHS) * rng.uniform(0.6, 1.4))
        modules = write(
            random_text(rng, PRINTABLE, length),
            zxingcpp.BarcodeFormat.QRCode,
            ec_level=str(rng.choice(list("LMQH"))),
        )
    return Code(0, modules, 1.0, "")


def data_matrix(rng: Rng) -> Code:
    """Square Data Matrix symbols of 10 to 144 modules, most of them small, some rectangular ones."""
    square = rng.random() < 0.85
    often = (0.15, 0.16, 0.16, 0.14, 0.12, 0.1, 0.05, 0.12)  # without a finder pattern the large are hard
    length = (
        int(min(rng.choice([3, 8, 16, 35, 70, 140, 400, 1200], p=often) * rng.uniform(0.6, 1.4), 1550))
        if square
        else int(rng.integers(3, 25))
    )
    modules = write(
        random_text(rng, PRINTABLE, max(length, 2)),
        zxingcpp.BarcodeFormat.DataMatrix,
        force_square=bool(square),
    )
    return Code(1, modules, modules.shape[1] / modules.shape[0], "")


def aztec(rng: Rng) -> Code:
    """Compact and full-range Aztec symbols up to 151 modules, most of them small, a few runes."""
    if rng.random() < 0.05:
        modules = write(str(rng.integers(0, 256)), zxingcpp.BarcodeFormat.AztecRune)
    else:
        length = int(rng.choice([5, 12, 25, 60, 120, 250, 600, 1350], p=LENGTHS) * rng.uniform(0.6, 1.4))
        modules = write(random_text(rng, PRINTABLE, length), zxingcpp.BarcodeFormat.Aztec)
    return Code(2, modules, 1.0, "")


def pdf417(rng: Rng) -> Code:
    """PDF417 with one data column and up: columns and rows are taken out of what the writer lays out."""
    kind = rng.random()
    length = int(rng.choice([12, 30, 70, 150, 300, 650]) * rng.uniform(0.7, 1.3))
    text = random_text(rng, PRINTABLE, length)
    if kind < 0.1:
        modules = write(text[:100], zxingcpp.BarcodeFormat.MicroPDF417)
        return Code(3, modules, modules.shape[1] / modules.shape[0] * rng.uniform(0.7, 1.2), "")
    compact = kind < 0.18
    modules = write(text, zxingcpp.BarcodeFormat.CompactPDF417 if compact else zxingcpp.BarcodeFormat.PDF417)
    # 17 modules each: start, left indicator, data columns, right indicator; then the stop pattern of 18
    data = (modules.shape[1] - (34 + 1 if compact else 34 + 17 + 18)) // 17
    keep = int(rng.integers(1, data + 1))
    modules = np.hstack([modules[:, : 34 + 17 * keep], modules[:, 34 + 17 * data :]])
    rows = modules[:: _row_height(modules)]
    if rng.random() < 0.4:
        rows = rows[: int(rng.integers(min(5, len(rows)), len(rows) + 1))]
    return Code(
        3, rows, rows.shape[1] / (len(rows) * rng.choice([2, 3, 3, 4, 5, 8]) * rng.uniform(0.8, 1.2)), ""
    )


def _row_height(modules: Image) -> int:
    """How many pixel rows the writer gives each row of a PDF417 symbol."""
    changes = np.flatnonzero((modules[1:] != modules[:-1]).any(1)) + 1
    return int(np.gcd.reduce(changes)) if len(changes) else len(modules)


def barcode(rng: Rng) -> Code:
    """Every 1-D code of shops and warehouses: EAN, UPC, Code 128, Code 39, Code 93, ITF, Codabar, DataBar."""
    formats = zxingcpp.BarcodeFormat
    kind = str(
        rng.choice(
            ["EAN13", "UPCA", "EAN8", "UPCE", "Code128", "Code39", "ITF", "Codabar", "Code93", "DataBarOmni"],
            p=[0.25, 0.15, 0.06, 0.05, 0.2, 0.08, 0.11, 0.03, 0.04, 0.03],
        )
    )
    guards: tuple[tuple[int, int], ...] = ()
    if kind in ("EAN13", "UPCA", "EAN8"):
        text = random_text(rng, DIGITS, {"EAN13": 12, "UPCA": 11, "EAN8": 7}[kind])
        guards = ((0, 3), (31, 36), (64, 67)) if kind == "EAN8" else ((0, 3), (45, 50), (92, 95))
    elif kind == "UPCE":
        text, guards = "0" + random_text(rng, "3456789", 6), ((0, 3), (45, 51))
    elif kind == "ITF":
        text = random_text(rng, DIGITS, 2 * int(rng.integers(2, 9)))
    elif kind == "DataBarOmni":
        text = random_text(rng, DIGITS, 13)
    elif kind == "Codabar":
        text = "A" + random_text(rng, DIGITS, int(rng.integers(4, 14))) + "B"
    elif kind == "Code128":
        alphabet = (DIGITS, ALPHANUMERIC, PRINTABLE)[rng.integers(3)]
        text = random_text(
            rng, alphabet, int(rng.choice([5, 10, 18, 34, 60], p=[0.25, 0.3, 0.25, 0.12, 0.08]))
        )
    else:
        text = random_text(rng, ALPHANUMERIC, int(rng.integers(3, 14)))
    modules = write(text, getattr(formats, kind))[:1]
    height = rng.choice([0.15, 0.3, 0.5, 0.7, 0.85], p=[0.1, 0.2, 0.25, 0.25, 0.2]) * rng.uniform(0.75, 1.25)
    if modules.shape[1] > 140:
        height = max(0.05, height * (0.6 if modules.shape[1] < 300 else 0.35))
    return Code(4, modules, 1 / height, text, guards if rng.random() < 0.75 else ())


def aruco(rng: Rng) -> Code:
    """Square fiducial markers of ArUco and AprilTag dictionaries, with their black border."""
    dictionary = cv2.aruco.getPredefinedDictionary(int(rng.choice(ARUCO_DICTIONARIES)))
    number = int(rng.integers(len(dictionary.bytesList)))
    size = dictionary.markerSize + 2
    return Code(5, np.asarray(cv2.aruco.generateImageMarker(dictionary, number, size), np.uint8), 1.0, "")


MAKERS = (qr_code, data_matrix, aztec, pdf417, barcode, aruco)
assert tuple(maker.__name__ for maker in MAKERS) == NAMES


def random_code(rng: Rng, frequency: tuple[float, ...] = FREQUENCY) -> Code:
    """A code of a random class, the classes as often as `frequency` says."""
    while True:
        try:
            return MAKERS[rng.choice(len(MAKERS), p=frequency)](rng)
        except ValueError:  # this text does not fit into that symbol
            continue
