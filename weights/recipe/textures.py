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


def ribs(size: int, rng: Rng) -> np.ndarray:
    """Bent stripes: zebras, ribbed metal, palm leaves, striped cloth; float32 (size, size), 0 to 1."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    period = float(np.exp(rng.uniform(np.log(4), np.log(50))))
    along = x * np.cos(angle) + y * np.sin(angle)
    coarse = cv2.resize(rng.random((4, 4), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    phase = 2 * np.pi * along / period + coarse * rng.uniform(0, 0.25) * size / period * 2 * np.pi
    return np.asarray(1 / (1 + np.exp(-np.sin(phase) * rng.uniform(1, 8) - rng.uniform(-1, 1))), np.float32)


def emblem(image: Image, rng: Rng) -> None:
    """Lay a sign, a badge, a framed picture or an eye over a square picture, in place."""
    size = len(image)
    radius = float(np.exp(rng.uniform(np.log(0.015), np.log(0.2)))) * size
    x, y = (int(v) for v in rng.uniform(0, size, 2))
    shades = (
        rng.uniform(0, 255, (4, 3)) if rng.random() < 0.5 else np.repeat(rng.uniform(0, 255, (4, 1)), 3, 1)
    )
    ground, *inks = [tuple(float(v) for v in shade) for shade in shades]
    half = (max(2, int(radius)), max(2, int(radius * rng.uniform(0.6, 1))))
    if rng.random() < 0.5:
        cv2.ellipse(image, (x, y), half, rng.uniform(0, 180), 0, 360, ground, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (x - half[0], y - half[1]), (x + half[0], y + half[1]), ground, -1)
    for _ in range(int(rng.integers(1, 5))):
        cx, cy = (int(v) for v in (x, y) + rng.normal(0, 0.3, 2) * radius)
        inner = [max(1, int(v)) for v in rng.uniform(0.1, 0.6, 2) * radius]
        ink = inks[rng.integers(3)]
        if rng.random() < 0.4:
            cv2.ellipse(image, (cx, cy), inner, rng.uniform(0, 180), 0, 360, ink, int(rng.choice([-1, 1, 2])))
        else:
            letters = "".join(chr(c) for c in rng.integers(65, 91, int(rng.integers(1, 4))))
            thick = max(1, int(radius / rng.uniform(5, 15)))
            cv2.putText(
                image,
                letters,
                (cx - inner[0], cy),
                int(rng.integers(0, 5)),
                radius / 30,
                ink,
                thick,
                cv2.LINE_AA,
            )


def texture(size: int, rng: Rng) -> Image:
    """A (size, size, 3) rough surface in two colours and what lies between."""
    value = (noise, tiles, ribs)[rng.choice(3, p=[0.5, 0.25, 0.25])](size, rng)[..., None]
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
    """Lay `count` textured things, and some emblems, over a square picture, in place."""
    for _ in range(count):
        if rng.random() < 0.4:
            emblem(image, rng)
        cv2.copyTo(texture(len(image), rng), outline(len(image), rng), image)
