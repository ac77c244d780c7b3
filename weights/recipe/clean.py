"""Pictures that no camera took: a code as a file, on a page, in rows; pixel-sharp, quiet zone or none.

They cost a few calls of cv2.resize, so training draws them anew for every batch, see `dataset.py`.
"""

from __future__ import annotations

import cv2
import numpy as np

from runtime.stages.letterbox import letterbox

from . import backgrounds, camera, printing
from .codes import CLEAN_FREQUENCY, Code, Image, Rng, random_code

LARGEST = 2200
"""Pictures have no longer side than this."""
LEAST, LEAST_MODULE = 8.0, 0.7
"""Pixels of the network's input that a code's shorter side and its modules have at least on a page."""
SMALL = 12.0, 40.0
"""Pixels of the input of the shorter sides on a page of small codes, about."""
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""


def symbol(code: Code, scale: int, rng: Rng) -> Image:
    """The symbol with `scale` pixels a module, grey uint8, 0 ink and 255 paper, without quiet zone."""
    rows, columns = code.modules.shape
    width = columns * scale
    if code.class_id == 4:
        height = max(8, round(width / code.aspect))
    elif code.class_id == 3:
        height = rows * max(1, round(width / code.aspect / rows))
    else:
        height = rows * scale
    drawn = np.asarray(cv2.resize(code.modules, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    if code.class_id in (0, 1, 2) and scale >= 4 and rng.random() < 0.06:  # designers' dots
        dots = printing.dots(scale, drawn.shape, float(rng.uniform(0.36, 0.6)))
        drawn = np.where((drawn == 0) & (dots > 0), 0, 255).astype(np.uint8)
    if code.class_id == 0 and min(drawn.shape) > 60 and rng.random() < 0.12:
        ink = 1 - drawn.astype(np.float32) / 255
        printing.logo(ink, rng)
        drawn = (255 - 255 * ink).astype(np.uint8)
    return drawn


def quiet_zone(code: Code, rng: Rng) -> np.ndarray:
    """Modules of paper on the left, right, top and bottom."""
    kind = rng.random()
    if kind < 0.4:
        return np.zeros(4)
    around = np.full(4, float(rng.integers(0, 5)) if kind < 0.8 else rng.uniform(4, 14))
    if code.class_id == 4 and rng.random() < 0.5:
        around *= (rng.uniform(1, 3), rng.uniform(1, 3), rng.integers(2), rng.integers(2))
    elif rng.random() < 0.15:
        around *= rng.uniform(0, 2, 4)
    return around


def tinted(grey: Image, rng: Rng, plain: float = 0.6) -> Image:
    """A grey picture, 0 ink and 255 paper, as BGR: a share of `plain` stays black on white."""
    if rng.random() < plain:
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    ink, paper = (np.zeros(3), np.full(3, 255.0)) if rng.random() < 0.3 else printing.colours(rng)
    if rng.random() < 0.25:
        ink, paper = paper, ink
    share = np.arange(256, dtype=np.float32)[:, None] / 255
    table = np.clip(ink + share * (paper - ink), 0, 255).astype(np.uint8)
    return np.asarray(table[grey], np.uint8)


def with_digits(grey: Image, code: Code, scale: int, rng: Rng) -> tuple[Image, int]:
    """Text under a 1-D code, guard bars between it. Returns the picture and how far the bars reach down."""
    w = grey.shape[1]
    text = code.text if rng.random() < 0.6 else " ".join(code.text)
    tall = float(np.clip(0.9 * w / max(len(text), 4), 5, 12 * scale))
    drop = int(0.5 * tall) if code.guards else 0
    strip = np.full((int(tall * 1.5) + 2, w), 255, np.uint8)
    for start, end in code.guards:
        strip[:drop, start * scale : end * scale] = grey[-1, start * scale : end * scale]
    ink = np.zeros(strip.shape, np.float32)
    printing.put_text(ink, text, rng.uniform(0, 0.1) * w, tall * 1.2, tall * 0.8, 1.0, rng)
    return np.vstack([grey, np.minimum(strip, (255 - 255 * ink).astype(np.uint8))]), drop


def code_file(rng: Rng) -> tuple[Image, int, np.ndarray, int]:
    """What a writer saves: one code and its quiet zone.

    Returns BGR, class id, the symbol's corners (4, 2), pixels a module.
    """
    code = random_code(rng, CLEAN_FREQUENCY)
    side = max(code.modules.shape[1], code.modules.shape[1] / code.aspect)
    scale = int(np.clip(np.exp(rng.uniform(0, np.log(13))), 1, max(1, LARGEST // side)))
    grey = symbol(code, scale, rng)
    h, w = grey.shape
    bottom = h
    if code.text and rng.random() < 0.35:
        grey, drop = with_digits(grey, code, scale, rng)
        bottom = h + drop
    left, right, top, under = (int(v) for v in np.round(quiet_zone(code, rng) * scale))
    grey = cv2.copyMakeBorder(grey, top, under, left, right, cv2.BORDER_CONSTANT, value=255)
    if rng.random() < 0.06:
        cv2.rectangle(grey, (0, 0), (grey.shape[1] - 1, grey.shape[0] - 1), 0, max(1, scale // 2))
    corners = np.array([[0, 0], [w, 0], [w, bottom], [0, bottom]], np.float32)
    corners += left, top
    image = np.asarray(grey, np.uint8)
    if rng.random() < 0.1 and max(image.shape) < 900:
        image, corners = turned(image, corners, rng.uniform(-180, 180))
    return tinted(image, rng), code.class_id, corners.astype(np.float32), scale


def turned(grey: Image, corners: np.ndarray, degrees: float) -> tuple[Image, np.ndarray]:
    """A picture turned by any angle on a white canvas that holds it all, and points in it."""
    h, w = grey.shape
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1)
    c, s = abs(matrix[0, 0]), abs(matrix[0, 1])
    width, height = int(h * s + w * c) + 1, int(h * c + w * s) + 1
    matrix[:, 2] += width / 2 - w / 2, height / 2 - h / 2
    image = cv2.warpAffine(grey, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=255)
    return np.asarray(image, np.uint8), corners @ matrix[:, :2].T + matrix[:, 2]


def single(rng: Rng) -> tuple[Image, np.ndarray]:
    """A picture that is one code: as saved, cut by the frame, by a poor camera. BGR, labels (1, 5)."""
    image, class_id, corners, _ = code_file(rng)
    if rng.random() < 0.5:  # a quarter turn or more
        turns = int(rng.integers(1, 4))
        for _ in range(turns):
            corners = np.stack([corners[:, 1], image.shape[1] - corners[:, 0]], 1)
            image = np.ascontiguousarray(np.rot90(image))
    box = np.concatenate([corners.min(0), corners.max(0)])
    if rng.random() < 0.12:  # a close-up that the frame cuts
        h, w = image.shape[:2]
        cut = rng.uniform(0, 0.3, 4) * (rng.random(4) < 0.5) * (w, h, w, h)
        x1, y1, x2, y2 = (int(v) for v in (cut[0], cut[1], w - cut[2], h - cut[3]))
        image = np.ascontiguousarray(image[y1:y2, x1:x2])
        box = np.clip(box - (x1, y1, x1, y1), 0, np.tile(image.shape[1::-1], 2))
    kind = rng.random()
    if kind < 0.3:  # on a screen or a sheet, recorded with few pixels
        factor = min(1.0, rng.uniform(160, 420) / max(image.shape[:2]))
        h, w = (max(1, round(v * factor)) for v in image.shape[:2])
        image = np.asarray(cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA))
        box = box * factor
        image = camera.photograph_scene(image, float((box[2:] - box[:2]).min()), rng)
    elif kind < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], 1), np.uint8)
    elif kind < 0.48:  # saved by a program that smooths
        factor = rng.uniform(0.5, 1.5)
        h, w = (max(8, round(v * factor)) for v in image.shape[:2])
        box = box * np.tile((w / image.shape[1], h / image.shape[0]), 2)
        image = np.asarray(cv2.resize(image, (w, h), interpolation=int(rng.integers(1, 4))))
    return image, np.array([[class_id, *box]], np.float32)


def ground(h: int, w: int, rng: Rng) -> Image:
    """What a page or a screen shows around codes: white, a colour, words, bars and boxes."""
    kind = rng.random()
    if kind < 0.15:
        page = backgrounds.text_page(max(h, w), rng)[:h, :w].copy()
    elif kind < 0.3:
        page = cv2.resize(backgrounds.photograph(min(h, w), rng), (w, h), interpolation=cv2.INTER_LINEAR)
    else:
        colour = rng.uniform(0, 255, 3) if rng.random() < 0.3 else np.full(3, rng.choice([255, 255, 240, 30]))
        page = np.full((h, w, 3), colour, np.uint8)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 7))):  # panels, buttons, rules, pictures
            x, y = (int(v) for v in rng.uniform(-0.1, 1, 2) * (w, h))
            right, down = x + int(rng.uniform(0.05, 0.6) * w), y + int(rng.uniform(0.01, 0.3) * h)
            shades = tuple(float(v) for v in rng.uniform(0, 255, 3))
            cv2.rectangle(page, (x, y), (right, down), shades, int(rng.choice([-1, -1, 1, 2])))
            if rng.random() < 0.5:
                word, tall = str(rng.choice(printing.WORDS)), max(0.3, (down - y) / 60)
                shade = float(rng.choice([0, 255]))
                cv2.putText(
                    page, word, (x + 3, down - 3), int(rng.integers(5)), tall, (shade,) * 3, 1, cv2.LINE_AA
                )
    return np.asarray(page, np.uint8)


def page(rng: Rng, shape: tuple[int, int], small: bool = False) -> tuple[Image, np.ndarray]:
    """Some codes on a page or a photograph to be scaled to `shape`. BGR, labels (n, 5).

    `small`: all of them are of about the sizes SMALL; else their sizes are any.
    """
    longer = int(rng.uniform(240, 900))
    factor = min(1.0, 1 / rng.uniform(1, 2))
    h, w = (longer, round(longer * factor)) if rng.random() < 0.4 else (round(longer * factor), longer)
    zoom = min(shape[0] / h, shape[1] / w)
    image = ground(h, w, rng)
    labels: list[list[float]] = []
    taken = np.zeros((h, w), bool)
    rows = not small and rng.random() < 0.25
    if small:
        wanted = int(rng.integers(0, 10))
    elif rows:
        wanted = int(rng.integers(6, 25))
    else:
        wanted = int(rng.choice([0, 1, 2, 3, 6, 10], p=[0.14, 0.26, 0.2, 0.2, 0.1, 0.1]))
    for _ in range(wanted * 2):
        if len(labels) == wanted:
            break
        patch, class_id, corners, module = code_file(rng)
        if rng.random() < 0.2:
            corners = np.stack([corners[:, 1], patch.shape[1] - corners[:, 0]], 1)
            patch = np.ascontiguousarray(np.rot90(patch))
        size = corners.max(0) - corners.min(0)
        lowest = float(max(LEAST / size.min(), LEAST_MODULE / module) / zoom)
        highest = (0.3 if rows else 0.9) * min(h / patch.shape[0], w / patch.shape[1])
        if small:
            lowest = max(lowest, SMALL[0] / size.min() / zoom)
            highest = min(highest, max(lowest * 1.3, SMALL[1] / size.min() / zoom))
        if lowest > highest:
            continue
        scale = float(np.exp(rng.uniform(np.log(lowest), np.log(highest))))
        if not (lowest <= 1 <= highest and rng.random() < 0.5):  # else as sharp as it was drawn
            how = cv2.INTER_AREA if scale < 1 else int(rng.integers(0, 2))
            wide, high = max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))
            corners = corners * (wide / patch.shape[1], high / patch.shape[0])
            patch = np.asarray(cv2.resize(patch, (wide, high), interpolation=how))
        high, wide = patch.shape[:2]
        x, y = int(rng.integers(0, w - wide + 1)), int(rng.integers(0, h - high + 1))
        if taken[y : y + high, x : x + wide].any():
            continue
        image[y : y + high, x : x + wide] = patch
        taken[y : y + high, x : x + wide] = True
        corners = corners + np.array([x, y])
        labels.append([class_id, *corners.min(0), *corners.max(0)])
    found = np.array(labels, np.float32).reshape(-1, 5)
    if rng.random() < 0.2:
        sides = found[:, 3:] - found[:, 1:3]
        image = camera.photograph_scene(image, float(sides.min(initial=60)), rng)
    return image, found


def photograph(rng: Rng) -> tuple[Image, np.ndarray]:
    """Most of a photograph without codes, or several side by side. BGR, labels (0, 5)."""
    across, down = (1, 1) if rng.random() < 0.5 else (int(v) for v in rng.integers(1, 5, 2))
    rows = []
    for _ in range(down):
        tiles = [part_of_photograph(rng) for _ in range(across)]
        if across * down > 1:
            side = int(480 / max(across, down))
            tiles = [cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA) for tile in tiles]
        rows.append(np.hstack(tiles))
    return np.vstack(rows), np.zeros((0, 5), np.float32)


def part_of_photograph(rng: Rng) -> Image:
    """Most of a photograph, perhaps mirrored, BGR."""
    pictures = backgrounds.photographs()
    image = pictures[rng.integers(len(pictures))]
    h, w = image.shape[:2]
    high, wide = (int(v * rng.uniform(0.4, 1)) for v in (h, w))
    y, x = int(rng.integers(0, h - high + 1)), int(rng.integers(0, w - wide + 1))
    image = image[y : y + high, x : x + wide]
    return np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)


def plain(rng: Rng) -> tuple[Image, np.ndarray]:
    """A picture of nearly nothing: one colour, a gradient, a few flat areas. BGR, labels (0, 5)."""
    height, width = (int(v) for v in np.exp(rng.uniform(np.log(40), np.log(600), 2)))
    kind = rng.random()
    if kind < 0.3:
        image = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    elif kind < 0.6:  # two or four corners of any colours, and what lies between them
        corners = rng.uniform(0, 255, (2, 2, 3)).astype(np.float32)
        if rng.random() < 0.5:
            corners[:, 1] = corners[:, 0]
        if rng.random() < 0.5:
            corners = np.ascontiguousarray(corners.transpose(1, 0, 2))
        image = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    else:
        image = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
        for _ in range(int(rng.integers(1, 7))):
            first, second = (tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * (width, height)) for _ in "ab")
            shade = tuple(float(v) for v in rng.integers(0, 256, 3))
            if rng.random() < 0.6:
                cv2.rectangle(image, first, second, shade, -1)
            else:
                cv2.circle(
                    image, first, int(rng.uniform(0.05, 0.7) * min(height, width)), shade, -1, cv2.LINE_AA
                )
    if rng.random() < 0.3:
        image = camera.photograph_scene(image, 60.0, rng)
    return np.asarray(image, np.uint8), np.zeros((0, 5), np.float32)


def fit(image: Image, labels: np.ndarray, shape: tuple[int, int]) -> tuple[Image, np.ndarray]:
    """A picture and its labels on a canvas of `shape` (h, w), placed there as the runtime does it."""
    canvas, placement = letterbox(image, shape)
    boxes = labels[:, 1:] * placement.scale + np.tile((placement.pad_x, placement.pad_y), 2)
    boxes = np.clip(boxes, 0, np.tile(shape[::-1], 2))
    return canvas, np.column_stack([labels[:, 0], boxes]).astype(np.float32)
