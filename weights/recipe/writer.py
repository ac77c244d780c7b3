"""Files as zxing-cpp's writer and OpenCV's ArUco module make them: how many of them does the model find?

`python -m weights.recipe.writer` prints the table by class, module size and quiet zone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp
from tqdm import tqdm

from runtime.evaluation.figures import iou

from . import NAMES
from .accuracy import Detect, file_detector
from .codes import ARUCO_DICTIONARIES, Image
from .readers import Found, cut_out, opencv, texts_in, zxing

CONF = 0.25
SCALES, QUIET_ZONES = range(2, 13), range(5)
F = zxingcpp.BarcodeFormat
PROSE = "Words and numbers 0123 "
CONTENT: tuple[tuple[tuple[str, zxingcpp.BarcodeFormat], ...], ...] = (
    (("HELLO", F.QRCode), ("https://example.org/a/page?n=1", F.QRCode), (PROSE * 12, F.QRCode)),
    (("A1", F.DataMatrix), ("LOT 4411 REF 2026-05", F.DataMatrix), (PROSE * 8, F.DataMatrix)),
    (("A1", F.Aztec), ("https://example.org/tickets/12", F.Aztec), (PROSE * 12, F.Aztec)),
    (("HELLO", F.PDF417), (PROSE * 4, F.PDF417), (PROSE * 18, F.PDF417)),
    (("590123412345", F.EAN13), ("Code 128 text", F.Code128), ("00123456", F.ITF), ("12345678901", F.UPCA),
     ("CODE 39", F.Code39)),
    (),
)  # fmt: skip
"""What is written, by class."""


class File(NamedTuple):
    """A picture of one code, as a program saves it."""

    class_id: int
    scale: int
    """Pixels a module."""
    quiet: int
    """Modules of white around it."""
    image: Image
    """BGR."""
    box: np.ndarray
    """(4,) x1, y1, x2, y2 of the symbol in pixels."""


def symbols(class_id: int, scale: int) -> Iterator[Image]:
    """The symbols of a class, grey, `scale` pixels a module, no quiet zone."""
    for text, symbology in CONTENT[class_id]:
        barcode = zxingcpp.create_barcode(text, symbology)
        yield np.array(zxingcpp.write_barcode_to_image(barcode, scale=scale, add_quiet_zones=False), np.uint8)
    if NAMES[class_id] == "aruco":
        for name in ARUCO_DICTIONARIES:
            dictionary = cv2.aruco.getPredefinedDictionary(name)
            side = (dictionary.markerSize + 2) * scale
            yield np.asarray(cv2.aruco.generateImageMarker(dictionary, 7, side), np.uint8)


def files(class_id: int) -> Iterator[File]:
    """All files of a class, by scale and quiet zone."""
    for scale in SCALES:
        for grey in symbols(class_id, scale):
            h, w = grey.shape
            for quiet in QUIET_ZONES:
                q = quiet * scale
                padded = np.pad(grey, q, constant_values=255)
                box = np.array([q, q, q + w, q + h], np.float32)
                yield File(class_id, scale, quiet, cv2.cvtColor(padded, cv2.COLOR_GRAY2BGR), box)


def is_found(file: File, detect: Detect) -> bool:
    """A box of the class meets the symbol with IoU 0.5, and what it cuts out reads if the whole file does."""
    boxes, _, class_ids = detect(file.image, CONF)
    boxes = boxes[class_ids == file.class_id]
    if not len(boxes):
        return False
    overlaps = iou(file.box[None], boxes)[0]
    if overlaps.max() < 0.5:
        return False
    whole = set(texts_in(file.image, file.class_id))
    crop = cut_out(file.image, tuple(boxes[overlaps.argmax()].tolist()))
    return not whole or bool(whole & set(texts_in(crop, file.class_id)))


def is_met(file: File, found: list[Found]) -> bool:
    """Whether somebody else found a code of the class in the symbol."""
    x1, y1, x2, y2 = file.box.tolist()
    for other in found:
        x, y = (other.box[0] + other.box[2]) / 2, (other.box[1] + other.box[3]) / 2
        if other.class_id == file.class_id and x1 <= x <= x2 and y1 <= y <= y2:
            return True
    return False


def print_table(detect: Detect, step: int) -> None:
    """The shares found by class, beside the others; by scale and quiet zone; of every `step`th file."""
    print("| class | files | found | | zxing-cpp reads | OpenCV finds |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    rows: list[tuple[int, int, int, bool, bool, bool]] = []
    for class_id, name in enumerate(NAMES):
        start = len(rows)
        for file in tqdm(list(files(class_id))[::step], name, leave=False):
            others = is_met(file, zxing(file.image)), is_met(file, opencv(file.image, {class_id}))
            rows.append((class_id, file.scale, file.quiet, is_found(file, detect), *others))
        found = np.array(rows[start:])[:, 3:].sum(0)
        count = len(rows) - start
        print(f"| {name} | {count} | {found[0]} | {found[0] / count:.1%} | {found[1]} | {found[2]} |")
    table = np.array(rows)
    total = table[:, 3:].sum(0)
    print(f"| all | {len(rows)} | {total[0]} | {total[0] / len(rows):.1%} | {total[1]} | {total[2]} |")
    for title, column, values in (("pixels a module", 1, SCALES), ("modules of quiet zone", 2, QUIET_ZONES)):
        shares = (f"{value}: {table[table[:, column] == value, 3].mean():.1%}" for value in values)
        print(f"\nfound by {title}: " + ", ".join(shares))


def main() -> None:
    """Print how many files of all classes, scales and quiet zones are found."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.recipe.writer")
    parser.add_argument("--model", type=Path, help="model file (default: the embedded one)")
    parser.add_argument("--imgsz", type=int, help="size to scale pictures to (default: the model's own)")
    parser.add_argument("--step", type=int, default=1, help="look at each so manieth file only (default: 1)")
    args = parser.parse_args()
    print_table(file_detector(args.model, args.imgsz), args.step)


if __name__ == "__main__":
    main()
