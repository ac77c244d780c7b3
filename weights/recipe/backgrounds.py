"""What codes lie on, and what is mistaken for them: photographs, surfaces, text pages, regular patterns."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from .codes import Image, Rng
from .printing import WORDS, put_text


@cache
def photographs() -> tuple[Image, ...]:
    """The photographs inside the wheels of scikit-image and scikit-learn, as BGR.

    Also those of the folder that the environment variable CODES_PHOTOGRAPHS names, see `photographs.py`.
    """
    import skimage.data
    import sklearn.datasets

    folder = Path(skimage.data.__file__).parent
    names = (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "cell.png",
        "chelsea.png",
        "clock_motion.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "retina.jpg",
        "rocket.jpg",
        "page.png",
        "text.png",
        "color.png",
    )
    pictures = [cv2.imread(str(folder / name)) for name in names if (folder / name).exists()]
    pictures += [
        np.ascontiguousarray(image[..., ::-1]) for image in sklearn.datasets.load_sample_images().images
    ]
    more = os.environ.get("CODES_PHOTOGRAPHS")
    pictures += [cv2.imread(str(path)) for path in sorted(Path(more).iterdir())] if more else []
    return tuple(np.asarray(picture, np.uint8) for picture in pictures if picture is not None)


def photograph(size: int, rng: Rng) -> Image:
    """A square cut-out of a photograph, at any scale, turned and recoloured."""
    pictures = photographs()
    picture = pictures[rng.integers(len(pictures))]
    h, w = picture.shape[:2]
    side = int(min(h, w) * rng.uniform(0.2, 1))
    y, x = int(rng.integers(0, h - side + 1)), int(rng.integers(0, w - side + 1))
    cut = picture[y : y + side, x : x + side]
    cut = cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)
    cut = np.rot90(cut, int(rng.integers(4)))
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    if rng.random() < 0.3:
        cut = cut[..., rng.permutation(3)]
    return np.ascontiguousarray(cut)


def surface(size: int, rng: Rng) -> Image:
    """A nearly plain surface: paper, plastic, cloth, metal, with a gradient and some grain."""
    base = (
        rng.uniform(0, 255, 3)
        if rng.random() < 0.5
        else np.full(3, rng.uniform(0, 255)) + rng.uniform(-12, 12, 3)
    )
    corners = (base + rng.uniform(-40, 40) * rng.uniform(-1, 1, (2, 2, 1))).astype(np.float32)
    image = cv2.resize(
        np.broadcast_to(corners, (2, 2, 3)).copy(), (size, size), interpolation=cv2.INTER_LINEAR
    )
    if rng.random() < 0.6:
        for cells in (5, 21, 80):
            stretch = max(2, int(cells * (rng.uniform(0.1, 1) if rng.random() < 0.3 else 1)))
            grain = rng.normal(0, rng.uniform(0, 9), (cells, stretch)).astype(np.float32)
            image += cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def paper(size: int, rng: Rng) -> Image:
    """A sheet of paper or a page of a book, lit unevenly, perhaps with its edge in view."""
    image = np.full((size, size, 3), rng.uniform(120, 255), np.float32) + rng.uniform(-6, 6, 3).astype(
        np.float32
    )
    if rng.random() < 0.4:
        a, b = rng.uniform(0, size, 2)
        outside = np.array([[0, a], [size, b], [size, size + 9], [0, size + 9]], np.int32)
        cv2.fillPoly(image, [outside], [float(rng.uniform(0, 255))] * 3, cv2.LINE_AA)
        image = np.rot90(image, int(rng.integers(4)))
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))


def leaves(size: int, rng: Rng) -> Image:
    """Overlapping shapes of all sizes, plain or textured ("dead leaves"): the edges of an untidy room."""
    image = surface(size, rng)
    for _ in range(int(rng.integers(8, 45))):
        radius = float(np.clip(0.03 / rng.uniform(0.03, 1), 0.02, 0.4)) * size
        centre = rng.uniform(0, size, 2)
        mask = np.zeros((size, size), np.uint8)
        if rng.random() < 0.35:
            axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
            cv2.ellipse(mask, [int(v) for v in centre], axes, rng.uniform(0, 180), 0, 360, 255, -1)
        else:
            rectangle = (
                tuple(centre),
                (radius * 2, radius * rng.uniform(0.2, 2)),
                float(rng.uniform(0, 180)),
            )
            cv2.fillPoly(mask, [cv2.boxPoints(rectangle).astype(np.int32)], 255)
        if rng.random() < 0.25:
            cv2.copyTo(pattern(size, rng) if rng.random() < 0.5 else photograph(size, rng), mask, image)
        else:
            colour = rng.uniform(0, 255, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0, 255))
            image[mask > 0] = colour.astype(np.uint8)
    return image


def text_page(size: int, rng: Rng) -> Image:
    """Lines of words, in columns, dark on light or light on dark."""
    ink = np.zeros((size, size), np.float32)
    height = rng.uniform(5, 26)
    y = rng.uniform(0, 2) * height
    indent = rng.uniform(0, 0.2) * size
    while y < size:
        gap = height * rng.uniform(1.4, 2.2)
        y += gap
        if rng.random() < 0.1:
            y += gap
        tall = height * (1 if rng.random() < 0.9 else rng.uniform(1, 2.5))
        if rng.random() < 0.92:
            put_text(ink, " ".join(rng.choice(WORDS, 7)), indent, y, tall, float(rng.uniform(0.6, 1)), rng)
        elif rng.random() < 0.5:
            cv2.line(ink, (int(indent), int(y)), (size - int(indent), int(y)), 0.8, 1)
    paper = surface(size, rng).astype(np.float32)
    colour = rng.uniform(0, 90) if paper.mean() > 110 else rng.uniform(170, 255)
    image = paper + ink[..., None] * (colour - paper)
    return np.clip(image, 0, 255).astype(np.uint8)


def pattern(size: int, rng: Rng) -> Image:
    """A regular pattern that is no code: grids, stripes, checkers, windows, keys, bricks, rulers, books."""
    kind = rng.integers(11)
    period = float(np.exp(rng.uniform(np.log(3), np.log(60))))
    y, x = np.mgrid[:size, :size].astype(np.float32)
    value: np.ndarray
    if kind == 0:  # stripes of one period
        value = np.asarray((x % period) < period * rng.uniform(0.2, 0.8), np.float32)
    elif kind == 1:  # checkerboard
        value = ((x // period + y // period) % 2).astype(np.float32)
    elif kind == 2:  # grid of lines
        thick = rng.uniform(0.08, 0.3) * period
        value = np.asarray(
            ((x % period) < thick) | ((y % (period * rng.uniform(0.6, 1.6))) < thick), np.float32
        )
    elif kind == 3:  # windows in a wall
        period = max(period, 10)
        lit = rng.uniform(0, 1, (size, size)).astype(np.float32)[: size // 8 + 2, : size // 8 + 2]
        cell = lit[(y // (period * 1.3)).astype(int) % lit.shape[0], (x // period).astype(int) % lit.shape[1]]
        inside = ((x % period) > period * 0.3) & ((y % (period * 1.3)) > period * 0.4)
        value = np.where(inside, cell, rng.uniform(0, 1)).astype(np.float32)
    elif kind == 4:  # bricks
        row = y // (period * 0.5)
        joint = ((y % (period * 0.5)) < period * 0.07) | (
            ((x + row % 2 * period / 2) % period) < period * 0.07
        )
        shade = rng.uniform(0.4, 0.7, (64, 64)).astype(np.float32)
        value = np.where(
            joint, 0.95, shade[row.astype(int) % 64, ((x + row % 2 * period / 2) // period).astype(int) % 64]
        )
    elif kind == 5:  # blinds, smooth waves
        value = (0.5 + 0.5 * np.sin(y * (2 * np.pi / period))).astype(np.float32)
    elif kind == 6:  # keyboard
        return keyboard(size, max(period, 14), rng)
    elif kind == 7:  # books on a shelf, bar charts: bars of many widths and shades
        widths = rng.uniform(3, 3 + period, 400).cumsum()
        index = np.searchsorted(widths, np.arange(size))
        shades = (
            rng.uniform(0, 1, (401, 3))
            if rng.random() < 0.6
            else np.repeat(rng.uniform(0, 1, (401, 1)), 3, 1)
        )
        top = rng.uniform(0, 0.35, 401) * size * (rng.random() < 0.7)
        image = np.where((y > top[index][None])[..., None], shades[index][None], rng.uniform(0, 1, 3))
        return np.asarray(image * 255, np.uint8)
    elif kind == 8:  # ruler: ticks of three lengths
        number = (x // max(period, 4)).astype(int)
        length = np.where(number % 10 == 0, 0.5, np.where(number % 5 == 0, 0.35, 0.2)) * size * 0.6
        value = np.asarray(((x % max(period, 4)) < max(1.0, period * 0.15)) & (y < length), np.float32)
    elif kind == 9:  # blocks of grey levels: mosaics, pixelated faces, crosswords
        cells = int(np.clip(size / max(period, 6), 3, 40))
        levels = rng.random((cells, cells), np.float32)
        if rng.random() < 0.25:
            levels = (levels > rng.uniform(0.8, 0.93)).astype(np.float32)
        value = cv2.resize(levels, (size, size), interpolation=cv2.INTER_NEAREST)
        if rng.random() < 0.5:
            value[((x % (size / cells)) < 1.5) | ((y % (size / cells)) < 1.5)] = 0
    else:  # concentric squares and circles: targets, dials, drains, frames
        centre = rng.uniform(0.2, 0.8, 2) * size
        dx, dy = np.abs(x - centre[0]), np.abs(y - centre[1])
        distance = np.hypot(dx, dy) if rng.random() < 0.6 else np.maximum(dx, dy)
        value = np.asarray((distance % max(period, 8)) < max(period, 8) * rng.uniform(0.2, 0.7), np.float32)
    dark, light = (
        rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(0, 255)) for _ in range(2)
    )
    return np.asarray(np.clip(dark + value[..., None] * (light - dark), 0, 255), np.uint8)


def keyboard(size: int, period: float, rng: Rng) -> Image:
    """Rows of keys with a letter on each."""
    image = np.full((size, size), rng.integers(256), np.uint8)
    key, ink = (int(v) for v in rng.integers(0, 256, 2))
    letters = rng.integers(48, 91, (64, 64))
    for row, top in enumerate(np.arange(0, size, period)):
        for column, left in enumerate(np.arange(-(row % 2) * period / 3, size, period)):
            a, b = (int(left), int(top)), (int(left + period * 0.85), int(top + period * 0.85))
            cv2.rectangle(image, a, b, key, -1)
            at = (int(left + period * 0.25), int(top + period * 0.6))
            letter = chr(letters[row % 64, column % 64])
            cv2.putText(image, letter, at, cv2.FONT_HERSHEY_SIMPLEX, period / 60, ink, 1, cv2.LINE_AA)
    return np.repeat(image[..., None], 3, 2)


def background(size: int, rng: Rng) -> Image:
    """A (size, size, 3) uint8 BGR picture without a code in it."""
    maker = (photograph, surface, leaves, text_page, pattern)[rng.choice(5, p=[0.34, 0.26, 0.16, 0.16, 0.08])]
    return maker(size, rng)
