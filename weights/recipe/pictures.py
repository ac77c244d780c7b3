"""The pictures in samples/: composed like the training scenes, but large, sharp and of settled content."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from . import backgrounds, camera, printing
from .codes import MAKERS, Image, Rng
from .scene import Bend, distract, paste, quadrilateral


def compose(
    size: int, codes: list[tuple[int, float, float, float]], ground: str, tilt: float, bent: bool, rng: Rng
) -> Image:
    """A (size, size, 3) picture; codes: (class id, middle x, middle y, longer side) as shares of it."""
    image = getattr(backgrounds, ground)(size, rng)
    distract(image, 3, rng)
    for class_id, x, y, longest in codes:
        code = MAKERS[class_id](rng)
        printed = printing.label(code, int(longest * size), rng)
        h, w = printed.alpha.shape
        corners = quadrilateral(w, h, rng.normal(0, 0.4), tilt, rng)
        bend = Bend(rng)
        if not bent:
            bend.theta = bend.wave = bend.sag = 0.0
        paste(image, printed, corners + np.array([x, y], np.float32) * size, bend)
    return camera.photograph_scene(image, 60, rng)


def main() -> None:
    """Write the sample pictures into a folder."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.recipe.pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0, help="added to each picture's own seed")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for name, seed, size, codes, ground, tilt, bent in PICTURES:
        picture = compose(size, codes, ground, tilt, bent, np.random.default_rng(seed + args.seed))
        picture = picture[: size * 3 // 4]
        cv2.imwrite(str(args.folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])


CLUTTER = [
    (0, 0.14, 0.16, 0.13),
    (4, 0.42, 0.12, 0.2),
    (1, 0.66, 0.14, 0.1),
    (5, 0.88, 0.12, 0.1),
    (3, 0.18, 0.42, 0.22),
    (2, 0.45, 0.38, 0.12),
    (0, 0.68, 0.4, 0.09),
    (4, 0.88, 0.4, 0.16),
    (5, 0.12, 0.65, 0.08),
    (4, 0.36, 0.64, 0.14),
    (2, 0.6, 0.65, 0.07),
    (1, 0.84, 0.63, 0.1),
]
PICTURES = (
    ("cluttered.jpg", 11, 1000, CLUTTER, "photograph", 0.5, True),
    ("bottle.jpg", 21, 640, [(4, 0.5, 0.38, 0.5)], "surface", 0.3, True),
    ("page.jpg", 31, 800, [(0, 0.3, 0.3, 0.22), (3, 0.65, 0.5, 0.4)], "text_page", 0.4, False),
    ("workbench.jpg", 41, 640, [(1, 0.3, 0.35, 0.14), (5, 0.7, 0.4, 0.22)], "leaves", 0.6, False),
)

if __name__ == "__main__":
    main()
