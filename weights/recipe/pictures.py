"""The pictures in samples/: composed like the training scenes, but larger, and with settled content.

Backgrounds are drawn, or the photograph "coffee" of scikit-image, which is in the public domain (CC0).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import zxingcpp

from . import NAMES, backgrounds, camera, printing, readers
from .clean import symbol
from .codes import MAKERS, Code, Image, Rng
from .scene import Bend, distract, overlap, paste, quadrilateral

TRIES = 30
"""So often a code is drawn anew that cannot be read."""


class Picture(NamedTuple):
    """What is in a picture of `size` × ¾ `size` pixels."""

    name: str
    seed: int
    size: int
    ground: str
    """Name of a function of `backgrounds`, or "coffee"."""
    bent: bool
    """Whether labels may be bent."""
    readable: bool
    """Whether to draw each code until it can be read where it lies."""
    codes: list[tuple[str, float, float, float]]
    """Class name, middle (x, y), longer side; as shares of `size`."""


PICTURES = (
    Picture(
        "cluttered.jpg",
        1,
        1000,
        "coffee",
        True,
        True,
        [
            ("qr_code", 0.15, 0.2, 0.17),
            ("barcode", 0.4, 0.18, 0.24),
            ("data_matrix", 0.64, 0.2, 0.15),
            ("aruco", 0.87, 0.2, 0.14),
            ("pdf417", 0.17, 0.56, 0.26),
            ("aztec", 0.42, 0.55, 0.16),
            ("barcode", 0.65, 0.55, 0.22),
            ("qr_code", 0.87, 0.55, 0.14),
        ],
    ),
    Picture("parcel.jpg", 2, 640, "surface", True, True, [("barcode", 0.5, 0.38, 0.5)]),
    Picture(
        "page.jpg",
        3,
        800,
        "text_page",
        False,
        True,
        [("qr_code", 0.25, 0.3, 0.2), ("pdf417", 0.65, 0.45, 0.4)],
    ),
    Picture(
        "workbench.jpg",
        4,
        640,
        "leaves",
        False,
        True,
        [("data_matrix", 0.3, 0.35, 0.14), ("aruco", 0.7, 0.4, 0.2)],
    ),
)


def reads(image: Image, name: str, box: np.ndarray) -> bool:
    """Whether something of a class is read in a box of a picture."""
    class_id, part = NAMES.index(name), readers.cut_out(image, tuple(box.tolist()))
    return any(True for _ in readers.texts_in(part, class_id))


def readable_code(name: str, rng: Rng) -> Code:
    """A code that zxing-cpp reads, which it cannot where the recipe took columns out; any marker."""
    while True:
        code = MAKERS[NAMES.index(name)](rng)
        if name == "aruco":
            return code
        finest = 140 if name in ("pdf417", "barcode") else 45
        if max(code.modules.shape) > finest or code.aspect < 0.8:
            continue  # too fine, or too tall, for its place in the picture
        drawn = symbol(code, 4, np.random.default_rng(0))
        if zxingcpp.read_barcodes(np.pad(drawn, 40, constant_values=255)):
            return code


def compose(picture: Picture, attempt: int) -> tuple[Image, list[dict[str, object]]]:
    """Draw a picture. Returns it (uint8 BGR) and its labels: {"name": …, "box": [x1, y1, x2, y2]}.

    1-D codes also have "text", what was encoded but for check digits.
    """
    rng = np.random.default_rng([picture.seed, attempt])
    size, height = picture.size, picture.size * 3 // 4
    if picture.ground == "coffee":
        import skimage.data

        coffee = np.ascontiguousarray(skimage.data.coffee()[..., ::-1])
        image = np.asarray(cv2.resize(coffee[:, :400], (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
    else:
        image = getattr(backgrounds, picture.ground)(size, rng)
    distract(image, 3, rng)
    labels: list[dict[str, object]] = []
    taken: list[np.ndarray] = []
    for name, x, y, longest in picture.codes:
        for _ in range(TRIES):
            untouched = image.copy()
            code = readable_code(name, rng) if picture.readable else MAKERS[NAMES.index(name)](rng)
            printed = printing.label(code, int(longest * size), rng)
            h, w = printed.alpha.shape
            corners = quadrilateral(w, h, rng.normal(0, 0.4), 0.3 if picture.readable else 0.5, rng)
            corners += np.array([x, y], np.float32) * size
            bend = Bend(rng)
            if not picture.bent:
                bend.theta = bend.wave = bend.sag = 0.0
            points = paste(image, printed, corners, bend)
            box = np.clip(np.concatenate([points.min(0), points.max(0)]), 0, [size, height, size, height])
            whole = np.concatenate([corners.min(0), corners.max(0)])
            if not picture.readable or (not overlap(whole, taken) and reads(image, name, box)):
                break
            image[:] = untouched
        taken.append(box)
        label: dict[str, object] = {"name": name, "box": [round(float(v), 1) for v in box]}
        labels.append(label | ({"text": code.text} if code.text else {}))
    return camera.photograph_scene(image, 60, rng)[:height], labels


def main() -> None:
    """Write the sample pictures and labels.json, which tells what is where in them, into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.recipe.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--attempt", type=int, help="draw all with other random numbers than the published ones"
    )
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    labels = {}
    for picture in PICTURES:
        image, labels[picture.name] = compose(
            picture, PUBLISHED[picture.name] if args.attempt is None else args.attempt
        )
        cv2.imwrite(str(args.folder / picture.name), image, [cv2.IMWRITE_JPEG_QUALITY, 78])
    (args.folder / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


PUBLISHED = {"cluttered.jpg": 9, "parcel.jpg": 2, "page.jpg": 0, "workbench.jpg": 1}
"""Which attempt of each picture is in samples/."""

if __name__ == "__main__":
    main()
