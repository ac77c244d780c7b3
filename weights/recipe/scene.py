"""Whole scenes with their labels: codes of all sizes, bent and tilted, on backgrounds, through a camera."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from . import backgrounds, camera, printing, textures
from .codes import Image, Rng, random_code

MOST = 24
"""Room for labels in a stored scene."""
VISIBLE = 0.45
"""A code of which less is inside the picture carries no label, and is not placed."""


class Scene(NamedTuple):
    """A picture and what is in it."""

    image: Image
    """(size, size, 3) uint8 BGR."""
    labels: np.ndarray
    """(n, 5): class id, x1, y1, x2, y2 in pixels."""


class Bend:
    """A label's surface: flat, around a cylinder, or waved. Coordinates run from -1 to 1 across the label."""

    def __init__(self, rng: Rng):
        self.theta = float(rng.uniform(0.3, 1.25)) if rng.random() < 0.22 else 0.0
        self.sag = float(rng.uniform(-0.25, 0.25)) if self.theta else 0.0
        waved = rng.random() < 0.15
        self.wave = float(rng.uniform(0.01, 0.06)) if waved else 0.0
        self.frequency = float(rng.uniform(2, 7))
        self.phase = float(rng.uniform(0, 6))
        self.upright = bool(rng.random() < 0.5)

    @property
    def flat(self) -> bool:
        """Whether nothing is bent."""
        return not (self.theta or self.wave)

    def _shift(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.sag * x * x + self.wave * np.sin(self.frequency * x + self.phase), np.float32)

    def forward(self, points: np.ndarray) -> np.ndarray:
        """From label to picture plane, (n, 2)."""
        u, v = points.T if self.upright else points.T[::-1]
        x = np.sin(u * self.theta) / np.sin(self.theta) if self.theta else u
        y = v + self._shift(x)
        return np.stack([x, y] if self.upright else [y, x], 1)

    def backward(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """From picture plane to label; any shape."""
        if not self.upright:
            x, y = y, x
        v = y - self._shift(x)
        u = np.arcsin(np.clip(x * np.sin(self.theta), -1, 1)) / self.theta if self.theta else x
        outside = np.abs(x) > 1.0
        u = np.where(outside, 9.0, u).astype(np.float32)
        return (u, v) if self.upright else (v, u)


def quadrilateral(width: float, height: float, angle: float, tilt: float, rng: Rng) -> np.ndarray:
    """Corners of a width × height label around (0, 0), turned by `angle` (radians), in perspective."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) * (width / 2, height / 2)
    pitch, yaw = rng.uniform(-tilt, tilt, 2)
    c, s = np.cos(angle), np.sin(angle)
    x, y = corners[:, 0] * np.cos(yaw), corners[:, 1] * np.cos(pitch)
    z = corners[:, 0] * np.sin(yaw) + corners[:, 1] * np.sin(pitch)
    depth = 1 + z / (max(width, height) * rng.uniform(1.2, 4))
    x, y = x / depth, y / depth
    return np.stack([c * x - s * y, s * x + c * y], 1).astype(np.float32)


def paste(scene: Image, printed: printing.Label, corners: np.ndarray, bend: Bend) -> np.ndarray:
    """Draw the label into `scene` (in place) at `corners` (4, 2). Returns points (n, 2) around its symbol."""
    h, w = printed.alpha.shape
    size = scene.shape[0]
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    to_scene = cv2.getPerspectiveTransform(unit, corners)
    margin = unit * (1.0, 1.4) if bend.upright else unit * (1.4, 1.0)
    reach = cv2.perspectiveTransform((margin if not bend.flat else unit)[None].astype(np.float32), to_scene)[
        0
    ]
    x1, y1 = np.clip(np.floor(reach.min(0)) - 1, 0, size).astype(int)
    x2, y2 = np.clip(np.ceil(reach.max(0)) + 2, 0, size).astype(int)
    if x2 > x1 and y2 > y1:
        window = scene[y1:y2, x1:x2]
        offset = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], np.float64)
        if bend.flat:
            to_unit = np.array([[2 / w, 0, -1], [0, 2 / h, -1], [0, 0, 1]])
            matrix = offset @ to_scene @ to_unit
            extent = (int(x2 - x1), int(y2 - y1))
            colour = cv2.warpPerspective(printed.image, matrix, extent, borderMode=cv2.BORDER_REPLICATE)
            alpha = cv2.warpPerspective(printed.alpha, matrix, extent)
        else:
            grid = np.mgrid[y1:y2, x1:x2][::-1].reshape(2, -1).astype(np.float64)
            back = np.linalg.inv(to_scene) @ np.vstack([grid, np.ones(grid.shape[1])])
            u, v = bend.backward(*(back[:2] / back[2]).astype(np.float32))
            shape = window.shape[:2]
            map_x = ((u + 1) / 2 * w - 0.5).reshape(shape).astype(np.float32)
            map_y = ((v + 1) / 2 * h - 0.5).reshape(shape).astype(np.float32)
            colour = cv2.remap(printed.image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            alpha = cv2.remap(printed.alpha, map_x, map_y, cv2.INTER_LINEAR)
        mix = alpha[..., None].astype(np.float32) / 255
        window[:] = (window + mix * (colour.astype(np.float32) - window)).astype(np.uint8)
    bx1, by1, bx2, by2 = printed.box
    t = np.linspace(0, 1, 9)
    edge = np.concatenate(
        [
            np.stack([t, t * 0], 1),
            np.stack([t, t * 0 + 1], 1),
            np.stack([t * 0, t], 1),
            np.stack([t * 0 + 1, t], 1),
        ]
    )
    points = (edge * (bx2 - bx1, by2 - by1) + (bx1, by1)) / (w, h) * 2 - 1
    return cv2.perspectiveTransform(
        bend.forward(points.astype(np.float32))[None].astype(np.float32), to_scene
    )[0]


def overlap(box: np.ndarray, others: list[np.ndarray]) -> bool:
    """Whether `box` (x1, y1, x2, y2) touches one of `others`."""
    return any(
        min(box[2], o[2]) > max(box[0], o[0]) and min(box[3], o[3]) > max(box[1], o[1]) for o in others
    )


def make_scene(size: int, rng: Rng) -> Scene:
    """A random scene: a close-up, several codes on clutter, or none at all."""
    kind = rng.choice(["close", "paper", "several", "empty"], p=[0.2, 0.2, 0.38, 0.22])
    image = backgrounds.paper(size, rng) if kind == "paper" else backgrounds.background(size, rng)
    if rng.random() < (0.8 if kind == "empty" else 0.35):
        textures.add_textured_things(image, int(rng.integers(1, 6)), rng)
    if rng.random() < (0.5 if kind == "empty" else 0.25):
        distract(image, int(rng.integers(1, 5)), rng)
    boxes: list[np.ndarray] = []
    taken: list[np.ndarray] = []
    classes: list[int] = []
    count = {
        "paper": 1,
        "close": 1 + int(rng.random() < 0.12),
        "several": int(rng.integers(1, 11)),
        "empty": 0,
    }[str(kind)]
    crowd = 1.0 if count < 4 else 0.6
    for _ in range(count):
        code = random_code(rng)
        if kind in ("close", "paper"):
            longest = size * (rng.uniform(0.25, 1.0) if rng.random() < 0.7 else rng.uniform(0.8, 1.5))
        else:
            longest = float(np.exp(rng.uniform(np.log(13), np.log(0.45 * size)))) * crowd + 6
        if code.aspect > 1.8:
            longest *= min(code.aspect / 1.8, 2.5)
        texture = int(np.clip(longest * 1.15, 12, 520))
        printed = printing.label(code, texture, rng)
        h, w = printed.alpha.shape
        scale = longest / texture
        angle = rng.normal(0, 0.15) if rng.random() < 0.5 else rng.uniform(-np.pi, np.pi)
        if rng.random() < 0.15:
            angle += np.pi / 2 * rng.integers(4)
        corners = quadrilateral(w * scale, h * scale, angle, 0.75 if rng.random() < 0.5 else 0.15, rng)
        bend = Bend(rng)
        # the symbol, not its label, is what the middle is chosen for
        to_scene = cv2.getPerspectiveTransform(
            np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), corners
        )
        x1, y1, x2, y2 = printed.box
        centre = np.array([[[(x1 + x2) / 2, (y1 + y2) / 2]]], np.float32)
        corners -= cv2.perspectiveTransform(centre, to_scene)[0]
        for _attempt in range(6):
            middle = (
                rng.normal(0.5, 0.14, 2) * size if kind in ("close", "paper") else rng.uniform(0, size, 2)
            )
            placed = corners + middle.astype(np.float32)
            footprint = np.concatenate([placed.min(0), placed.max(0)])
            if overlap(footprint, taken):
                continue
            untouched = image.copy()
            points = paste(image, printed, placed, bend)
            whole = np.concatenate([points.min(0), points.max(0)])
            box = np.clip(whole, 0, size)
            sides = box[2:] - box[:2]
            if np.prod(sides) < VISIBLE * np.prod(whole[2:] - whole[:2]) or sides.min() < 7:
                image = untouched
                continue
            taken.append(footprint)
            boxes.append(box.astype(np.float32))
            classes.append(code.class_id)
            break
    if boxes and rng.random() < 0.12:
        occlude(image, boxes, rng)
    smallest = min((float((b[2:] - b[:2]).min()) for b in boxes), default=size * rng.uniform(0.1, 0.8))
    image = camera.photograph_scene(image, smallest, rng)
    labels = np.array([[c, *b] for c, b in zip(classes, boxes, strict=True)], np.float32).reshape(-1, 5)
    return Scene(image, labels)


def distract(image: Image, count: int, rng: Rng) -> None:
    """Paste patches of regular patterns and text, which are no codes, in place."""
    size = image.shape[0]
    flat = Bend(np.random.default_rng(0))
    flat.theta = flat.wave = 0.0
    for _ in range(count):
        side = int(np.exp(rng.uniform(np.log(20), np.log(size))))
        patch = (backgrounds.text_page if rng.random() < 0.3 else backgrounds.pattern)(max(side, 24), rng)
        height = max(8, int(len(patch) * rng.uniform(0.3, 1)))
        printed = printing.Label(
            np.ascontiguousarray(patch[:height]), np.full((height, len(patch)), 255, np.uint8), (0, 0, 1, 1)
        )
        corners = quadrilateral(len(patch), height, rng.uniform(-np.pi, np.pi), 0.6, rng)
        paste(image, printed, corners + rng.uniform(0, size, 2).astype(np.float32), flat)


def occlude(image: Image, boxes: list[np.ndarray], rng: Rng) -> None:
    """Lay a finger, a tape or a wire over a corner or an edge of one code, in place."""
    x1, y1, x2, y2 = boxes[rng.integers(len(boxes))]
    side = min(x2 - x1, y2 - y1)
    at = (int(rng.choice([x1, x2])), int(rng.uniform(y1, y2)))
    colour = [
        float(v)
        for v in (rng.uniform(0, 255, 3) if rng.random() < 0.6 else rng.uniform(0.8, 1, 3) * (130, 160, 210))
    ]
    if rng.random() < 0.7:
        axes = (max(2, int(side * rng.uniform(0.1, 0.25))), max(2, int(side * rng.uniform(0.1, 0.5))))
        cv2.ellipse(image, at, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    else:
        end = (int(rng.uniform(x1, x2)), int(rng.choice([y1, y2])))
        cv2.line(image, at, end, colour, max(1, int(side * rng.uniform(0.01, 0.12))), cv2.LINE_AA)


def main() -> None:
    """Write a contact sheet of scenes with their labels drawn, to look at."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("output", type=Path, help="picture to write, e.g. scenes.jpg")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tiles = []
    for index in range(args.count):
        scene = make_scene(args.size, np.random.default_rng([args.seed, index]))
        for class_id, *box in scene.labels:
            x1, y1, x2, y2 = (round(float(v)) for v in box)
            colour = [(0, 0, 255), (0, 200, 0), (255, 0, 0), (0, 200, 255), (255, 0, 255), (255, 255, 0)][
                int(class_id)
            ]
            cv2.rectangle(scene.image, (x1, y1), (x2, y2), colour, 2)
        tiles.append(scene.image)
    across = max(1, round(len(tiles) ** 0.5 * 1.25))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
    rows = [np.hstack(tiles[i : i + across]) for i in range(0, len(tiles), across)]
    cv2.imwrite(str(args.output), np.vstack(rows))


if __name__ == "__main__":
    main()
