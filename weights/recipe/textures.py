"""Things with a rough surface, which a code detector mistakes for codes: leaves, hair, stones, tiles."""

from __future__ import annotations

import cv2
import numpy as np

from .codes import Image, Rng


def noise(size: int, rng: Rng) -> np.ndarray:
    """Smooth noise of a random grain and direction, float32 (size, size), about 0 to 1."""
    grain = float(np.exp(rng.uniform(np.log(2), np.log(24))))
    stretch = float(rng.uniform(1, 6)) if rng.random() < 0.5 else 1.0
    cells = (max(2, int(size / grain)), max(2, int(size / grain / stretch)))
    field = cv2.resize(rng.random(cells, np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.6:
        fine = rng.random((max(2, size // 3), max(2, size // 3)), np.float32)
        field = 0.7 * field + 0.3 * cv2.resize(fine, (size, size), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.35:
        turn = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(0, 180), 1.5)
        field = cv2.warpAffine(field, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.45:  # leaves and gaps, spots
        field = 1 / (1 + np.exp(-(field - rng.uniform(0.35, 0.65)) * rng.uniform(8, 30)))
    return np.asarray(field, np.float32)


def tiles(size: int, rng: Rng) -> np.ndarray:
    """Mosaics, stones and bricks of different shades, in rows, float32 (size, size)."""
    height = float(np.exp(rng.uniform(np.log(4), np.log(50))))
    width = height * rng.uniform(1, 3)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    wobble = (noise(size, rng) - 0.5) * height * rng.uniform(0, 0.8)
    row = ((y + wobble) // height).astype(int)
    shifted = x + wobble + row % 2 * width * rng.choice([0, 0.5])
    column = (shifted // width).astype(int)
    shades = rng.uniform(0.5 - rng.uniform(0.1, 0.5), 1, (67, 61)).astype(np.float32)
    value = shades[row % 67, column % 61]
    joint = ((y + wobble) % height < height * 0.12) | (shifted % width < height * 0.12)
    value[joint] = rng.uniform(0, 1)
    return value


def texture(size: int, rng: Rng) -> Image:
    """A (size, size, 3) rough surface in two colours and what lies between."""
    value = (noise if rng.random() < 0.7 else tiles)(size, rng)[..., None]
    dark, light = rng.uniform(0, 140, 3), rng.uniform(70, 255, 3)
    if rng.random() < 0.5:  # nearly of one hue, as most things are
        light = np.clip(dark * rng.uniform(1.2, 4) + rng.uniform(0, 60), 0, 255)
    return np.asarray(np.clip(dark + value * (light - dark), 0, 255), np.uint8)


def outline(size: int, rng: Rng) -> Image:
    """A mask (size, size), 255 inside: a rectangle, an ellipse or a lump."""
    mask = np.zeros((size, size), np.uint8)
    radius = float(np.exp(rng.uniform(np.log(0.03), np.log(0.45)))) * size
    centre = rng.uniform(0.05, 0.95, 2) * size
    angles = np.sort(rng.uniform(0, 2 * np.pi, 24))
    kind = rng.integers(3)
    if kind == 0:
        rectangle = (tuple(centre), (2 * radius, 2 * radius * rng.uniform(0.3, 1)), float(rng.normal(0, 20)))
        points = cv2.boxPoints(rectangle)
    else:
        rough = rng.uniform(0.75, 1.1, 24) if kind == 1 else np.ones(24)
        reach = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1)], 1) * rough[:, None]
        points = centre + radius * reach
    cv2.fillPoly(mask, [np.asarray(points, np.int32)], 255)
    return mask


def add_textured_things(image: Image, count: int, rng: Rng) -> None:
    """Lay `count` textured things over a square picture, in place."""
    for _ in range(count):
        cv2.copyTo(texture(len(image), rng), outline(len(image), rng), image)
