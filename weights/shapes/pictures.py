"""Draw circles, squares, stars and triangles, with their masks: `python -m weights.shapes.pictures`."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from . import NAMES

HELD_OUT_SEED = 2
"""Pictures of this seed are for measuring, never for training."""
SCENE, SINGLE, CROWD = 320, 128, 640
"""Sides of the pictures that are written: of several shapes, of one, and of IN_CROWD."""
IN_CROWD = 20
FINE = 4
"""Masks have so many times the picture's resolution: for smooth edges and exact outlines."""
MOST_HIDDEN = 0.25
"""How much of a shape another one may cover."""

Rng = np.random.Generator


class Picture(NamedTuple):
    """A picture and what is on it, the hindmost shape first."""

    image: np.ndarray
    """uint8 (side, side, 3), BGR."""
    class_ids: list[int]
    masks: np.ndarray
    """bool (n, FINE · side, FINE · side): what is seen of each shape."""


def regular(corners: int, inner: float = 1.0) -> np.ndarray:
    """The corners of a polygon of radius 1, every second one at `inner`: float64 (corners, 2)."""
    angles = np.arange(corners) * 2 * np.pi / corners
    radii = np.where(np.arange(corners) % 2, inner, 1.0)
    return np.stack((np.cos(angles), np.sin(angles)), 1) * radii[:, None]


OUTLINES = {
    "circle": regular(64),
    "square": regular(4),
    "star": regular(10, 0.45),
    "triangle": regular(3),
}


def outline(class_id: int, radius: float, rng: Rng) -> np.ndarray:
    """A shape around (0, 0), stretched a little and turned: float64 (m, 2)."""
    stretch = np.exp(rng.uniform(-0.15, 0.15, 2))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return radius * (OUTLINES[NAMES[class_id]] * stretch) @ turn.T


def clouds(side: int, cells: int, spread: float, rng: Rng) -> np.ndarray:
    """Colours that run into each other, float32 (side, side, 3), around 0."""
    few = rng.normal(0, spread, (cells, cells, 3)).astype(np.float32)
    return np.asarray(cv2.resize(few, (side, side), interpolation=cv2.INTER_CUBIC))


def background(side: int, rng: Rng) -> np.ndarray:
    """Clouds, lines and dots: float32 (side, side, 3)."""
    canvas = rng.uniform(40, 215, 3).astype(np.float32) + clouds(side, int(rng.integers(2, 9)), 40, rng)
    for _ in range(rng.integers(0, 12)):
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        first, second = (tuple(int(v) for v in rng.uniform(0, side, 2)) for _ in range(2))
        if rng.random() < 0.5:
            cv2.line(canvas, first, second, colour, int(rng.integers(1, 3)), cv2.LINE_AA)
        else:
            radius = int(rng.integers(1, max(2, side // 60)))
            cv2.circle(canvas, first, radius, colour, cv2.FILLED, cv2.LINE_AA)
    return canvas


def paint(canvas: np.ndarray, mask: np.ndarray, rng: Rng) -> None:
    """Colour what a mask, bool at FINE times the resolution, covers; it stands out from what is behind it."""
    side = len(canvas)
    covered = cv2.resize(mask.astype(np.uint8) * 255, (side, side), interpolation=cv2.INTER_AREA)
    share = covered.astype(np.float32)[..., None] / 255
    behind = (canvas * share).sum((0, 1)) / share.sum()
    colour = rng.uniform(0, 255, 3)
    while np.abs(colour - behind).sum() < 120:
        colour = rng.uniform(0, 255, 3)
    canvas += share * (colour.astype(np.float32) + clouds(side, 4, 15, rng) - canvas)


def draw(side: int, tries: int, radii: tuple[float, float], rng: Rng, most: float = math.inf) -> Picture:
    """Draw at most `tries` shapes, but not more than `most` and at least one, where there is room for them.

    radii: the least and the largest, shares of the picture's `side`.
    """
    canvas = background(side, rng)
    class_ids: list[int] = []
    masks: list[np.ndarray] = []
    while not masks or (tries > 0 and len(masks) < most):
        tries -= 1
        class_id = int(rng.integers(len(NAMES)))
        radius = side * float(np.exp(rng.uniform(*np.log(radii))))
        centre = rng.uniform(radius, side - radius, 2)
        corners = (outline(class_id, radius, rng) + centre) * FINE
        filled = np.zeros((side * FINE, side * FINE), np.uint8)
        cv2.fillPoly(filled, [np.round(corners).astype(np.int32)], 1)
        mask = filled.astype(bool)
        shared = [(mask & other).sum() / min(mask.sum(), other.sum()) for other in masks]
        if max(shared, default=0) > MOST_HIDDEN:
            continue
        masks = [other & ~mask for other in masks]
        paint(canvas, mask, rng)
        class_ids.append(class_id)
        masks.append(mask)
    canvas += rng.normal(0, rng.uniform(0, 10), canvas.shape)
    return Picture(np.clip(np.round(canvas), 0, 255).astype(np.uint8), class_ids, np.array(masks))


def scene(side: int, rng: Rng) -> Picture:
    """Up to ten shapes, from a tenth to nearly half of the picture's side."""
    return draw(side, int(rng.integers(2, 11)), (0.05, 0.22), rng)


def single(side: int, rng: Rng) -> Picture:
    """One shape."""
    return draw(side, 1, (0.15, 0.45), rng)


def crowd(side: int, rng: Rng) -> Picture:
    """IN_CROWD small shapes."""
    return draw(side, 10 * IN_CROWD, (0.018, 0.065), rng, IN_CROWD)


def box_of(mask: np.ndarray) -> tuple[float, float, float, float]:
    """(x1, y1, x2, y2) of a mask, in pixels of the picture."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    x1, y1, x2, y2 = (float(v) / FINE for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return x1, y1, x2, y2


def polygons(mask: np.ndarray) -> list[list[float]]:
    """The outlines of a mask as COCO has them: x, y, x, y, … in pixels of the picture, for each part."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # a contour goes through the middles of pixels
    return [((each.reshape(-1) + 0.5) / FINE).tolist() for each in contours if len(each) > 2]


def write(folder: Path, count: int, seed: int) -> None:
    """Write `count` scenes with COCO's annotations, and as many pictures of one shape in folders by class.

    FOLDER/scenes/*.png, FOLDER/instances.json, FOLDER/single/NAME/*.png; and a crowd, FOLDER/crowd.png.
    """
    for each in ("scenes", *(f"single/{name}" for name in NAMES)):
        (folder / each).mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index in range(count):
        picture = scene(SCENE, np.random.default_rng([seed, 0, index]))
        name = f"{index:04}.png"
        cv2.imwrite(str(folder / "scenes" / name), picture.image)
        images.append({"id": index + 1, "file_name": name, "height": SCENE, "width": SCENE})
        for class_id, mask in zip(picture.class_ids, picture.masks, strict=True):
            x1, y1, x2, y2 = box_of(mask)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": index + 1, "category_id": class_id + 1}
                | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": float(mask.sum()) / FINE**2, "iscrowd": 0}
                | {"segmentation": polygons(mask)}
            )
        picture = single(SINGLE, np.random.default_rng([seed, 1, index]))
        cv2.imwrite(str(folder / "single" / NAMES[picture.class_ids[0]] / name), picture.image)
    # Of HELD_OUT_SEED, that is one with little noise, to be shown.
    many = crowd(CROWD, np.random.default_rng([seed, 11]))
    cv2.imwrite(str(folder / "crowd.png"), many.image)
    categories = [{"id": class_id + 1, "name": name} for class_id, name in enumerate(NAMES)]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "instances.json").write_text(json.dumps(content))


Draw = Callable[[int, Rng], Picture]
"""`scene` or `single`."""


def main() -> None:
    """Write pictures that training never sees, and what is on them."""
    parser = argparse.ArgumentParser(description=main.__doc__, prog="python -m weights.shapes.pictures")
    parser.add_argument("folder", type=Path, help="for scenes/, instances.json, single/ and crowd.png")
    parser.add_argument("--count", type=int, default=200, help="of each kind (default: 200)")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help=f"default: {HELD_OUT_SEED}")
    args = parser.parse_args()
    write(args.folder, args.count, args.seed)


if __name__ == "__main__":
    main()
