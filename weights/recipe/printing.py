"""From modules to a printed label: ink, dots, damage, quiet zone, the words around it, colours."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .codes import Code, Image, Rng

Array = np.ndarray
"""A float32 picture."""
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
WORDS = (
    "NET WT 12 OZ",
    "ISBN 0-201-3105",
    "$44.99",
    "Best before",
    "LOT 4411",
    "MADE IN",
    "Shipping",
    "Part No.",
    "SN",
    "FRAGILE",
    "Ingredients:",
    "sugar, salt, water",
    "www.",
    "Scan me",
    "Ticket",
    "Paid",
    "Energy 210 kcal",
    "Visit us",
    "Item",
    "Qty 3",
    "Recycle",
    "Keep dry",
    "REF",
    "Batch",
    "Serial number",
    "Total",
    "Thank you",
    "2026-05-14",
    "the quick brown",
    "A4",
    "Gate 12",
    "Seat 14C",
    "Rev. B",
    "Warning",
    "Distributed by",
)


class Label(NamedTuple):
    """A printed label: colours, opacity, and where in it the symbol lies."""

    image: Image
    """(h, w, 3) uint8."""
    alpha: Image
    """(h, w) uint8: 255 where the label covers what is under it."""
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 of the symbol in the label, without quiet zone and text."""


def render(code: Code, size: int, rng: Rng) -> Array:
    """The symbol as ink coverage, float32 (h, w) with 1 = ink; `size` is its longer side in pixels."""
    wide = code.aspect >= 1
    width = size if wide else max(4, round(size * code.aspect))
    height = max(4, round(size / code.aspect)) if wide else size
    ink: np.ndarray = (255 - code.modules).astype(np.float32) / 255
    rows, columns = ink.shape
    scale = int(np.clip(np.ceil(size / max(rows, columns)), 1, 12))
    if code.class_id == 4:
        ink = cv2.resize(ink, (columns * scale, max(height, 4)), interpolation=cv2.INTER_NEAREST)
    else:
        scale = max(scale, 3)
        vertical = max(1, round(columns * scale / code.aspect / rows))
        ink = np.kron(ink, np.ones((vertical, scale), np.float32))
        if code.class_id in (0, 1, 2) and scale >= 4 and rng.random() < 0.1:
            ink *= dots(scale, ink.shape, float(rng.uniform(0.36, 0.55)))
        if code.class_id == 0 and rng.random() < 0.07:
            logo(ink, rng)
    if rng.random() < 0.3 and scale >= 3:  # ink spreads, or does not reach the edges
        kernel = np.ones((1 if code.class_id == 4 else 2, 2), np.uint8)
        ink = cv2.dilate(ink, kernel) if rng.random() < 0.6 else cv2.erode(ink, kernel)
    if rng.random() < 0.3:
        damage(ink, rng)
    return cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA)


def dots(scale: int, shape: tuple[int, ...], radius: float) -> Array:
    """A mask that makes every module a dot of `radius` (in modules), as dot-peen markers and designers do."""
    y, x = np.mgrid[:scale, :scale] + 0.5 - scale / 2
    disc = (x * x + y * y <= (radius * scale) ** 2).astype(np.float32)
    return np.tile(disc, (shape[0] // scale + 1, shape[1] // scale + 1))[: shape[0], : shape[1]]


def logo(ink: Array, rng: Rng) -> None:
    """Cover the middle of the symbol, in place."""
    h, w = ink.shape
    r = rng.uniform(0.08, 0.15)
    y1, y2, x1, x2 = (int(v) for v in (h * (0.5 - r), h * (0.5 + r), w * (0.5 - r), w * (0.5 + r)))
    ink[y1:y2, x1:x2] = 0
    cv2.circle(ink, (w // 2, h // 2), int(r * 0.8 * w), float(rng.uniform(0.2, 1)), -1)


def damage(ink: Array, rng: Rng) -> None:
    """Scratches, dead printer rows, blots and worn patches, in place."""
    h, w = ink.shape
    kind = rng.integers(4)
    if kind == 0:  # scratches
        for _ in range(rng.integers(1, 6)):
            a, b = (tuple(int(v) for v in rng.uniform(0, (w, h))) for _ in range(2))
            cv2.line(ink, a, b, float(rng.random() < 0.3), max(1, h // 60))
    elif kind == 1:  # rows or columns the print head misses
        for _ in range(rng.integers(1, 4)):
            at, thick = int(rng.integers(h)), max(1, h // 80)
            if rng.random() < 0.7:
                ink[at : at + thick] = 0
            else:
                ink[:, int(rng.integers(w)) :][:, :thick] = 0
    elif kind == 2:  # blots
        for _ in range(rng.integers(1, 5)):
            centre = tuple(int(v) for v in rng.uniform(0, (w, h)))
            cv2.circle(
                ink, centre, max(1, int(min(h, w) * rng.uniform(0.01, 0.07))), float(rng.random() < 0.4), -1
            )
    else:  # worn ink
        noise = cv2.resize(rng.random((9, 9), np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
        ink *= np.clip(1.6 - noise * rng.uniform(0.6, 1.4), 0, 1)


def colours(rng: Rng) -> tuple[Array, Array]:
    """(ink, paper) as BGR float32: mostly black on white, some coloured, some inverted."""
    kind = rng.random()
    if kind < 0.6:
        ink, paper = np.full(3, rng.uniform(0, 60)), np.full(3, rng.uniform(170, 255))
    elif kind < 0.78:
        ink, paper = rng.uniform(0, 80, 3), rng.uniform(140, 255, 3)
    elif kind < 0.92:  # a pale or strong colour as paper, or a coloured ink
        ink, paper = rng.uniform(0, 120, 3), rng.uniform(120, 255, 3)
        while abs(float(ink.mean() - paper.mean())) < 70:
            ink, paper = rng.uniform(0, 140, 3), rng.uniform(90, 255, 3)
    else:
        paper, ink = rng.uniform(0, 80, 3), rng.uniform(150, 255, 3)
    return ink.astype(np.float32), paper.astype(np.float32)


def put_text(canvas: Array, text: str, x: float, y: float, height: float, value: float, rng: Rng) -> None:
    """Write `text` with its baseline at (x, y), `height` pixels tall, in place."""
    font = int(rng.choice(FONTS))
    scale = height / (10 if font == cv2.FONT_HERSHEY_PLAIN else 22)
    thick = max(1, round(height / rng.uniform(7, 14)))
    top, bottom = max(0, int(y - 1.5 * height) - 2), min(canvas.shape[0], int(y + 0.6 * height) + 3)
    if bottom <= top:
        return
    strip = np.zeros((bottom - top, canvas.shape[1]), np.uint8)
    cv2.putText(strip, text, (int(x), int(y) - top), font, scale, 255, thick, cv2.LINE_AA)
    np.maximum(canvas[top:bottom], strip * np.float32(value / 255), out=canvas[top:bottom])


def label(code: Code, size: int, rng: Rng) -> Label:
    """Print the code on a label (or on nothing: then only ink and quiet zone cover the background)."""
    symbol = render(code, size, rng)
    h, w = symbol.shape
    module = max(1.0, w / code.modules.shape[1])
    quiet = module * (rng.uniform(0.3, 1.5) if rng.random() < 0.3 else rng.uniform(1.5, 6))
    if code.class_id == 4:
        quiet *= 2
    quiet = max(1.0, min(quiet, 0.4 * size))
    left, right, top, bottom = (quiet * rng.uniform(0.8, 1.3) for _ in range(4))
    if code.class_id in (3, 4) and rng.random() < 0.5:
        top, bottom = top * 0.3, bottom * 0.3
    words = rng.random() < 0.45 and size >= 24
    if words:  # room for text on some sides
        left, right, top, bottom = (
            side + (rng.uniform(0.1, 0.9) * max(h, 0.3 * w) if rng.random() < 0.5 else 0)
            for side in (left, right, top, bottom)
        )
    digits = bool(code.text) and size >= 24 and rng.random() < 0.75
    digit_height = min(0.11 * w, 0.3 * h) * rng.uniform(0.6, 1.1)
    if digits:
        bottom += digit_height * 1.3
    canvas = np.zeros((int(top + h + bottom), int(left + w + right)), np.float32)
    x, y = int(left), int(top)
    canvas[y : y + h, x : x + w] = symbol
    box_bottom = float(y + h)
    if digits:
        drop = digit_height * 0.5
        if code.guards:
            for start, end in code.guards:
                a, b = (x + round(v * w / code.modules.shape[1]) for v in (start, end))
                canvas[y + h : y + h + int(drop), a:b] = symbol[-1:, a - x : b - x]
        text = code.text if rng.random() < 0.6 else " ".join(code.text)
        font_height = digit_height * 0.75
        for_width = w * 1.05 / max(1, len(text)) / 0.95
        put_text(
            canvas,
            text,
            x + rng.uniform(-0.06, 0.1) * w,
            box_bottom + digit_height * 1.05,
            min(font_height, for_width),
            1,
            rng,
        )
        if code.guards:
            box_bottom += int(drop)
    if words:
        surround_with_words(canvas, (x, y, x + w, box_bottom + digit_height * 1.2 * digits), rng)
    if rng.random() < 0.12:
        cv2.rectangle(
            canvas, (0, 0), (canvas.shape[1] - 1, canvas.shape[0] - 1), 1.0, max(1, int(module * 0.5))
        )
    ink, paper = colours(rng)
    image = paper + canvas[..., None] * (ink - paper)
    if rng.random() < 0.2:  # paper fibres
        image += rng.normal(0, rng.uniform(2, 8), (*canvas.shape, 1)).astype(np.float32)
    alpha = np.full(canvas.shape, 255, np.uint8)
    if rng.random() < 0.15:
        alpha = rounded(canvas.shape, min(canvas.shape) * rng.uniform(0.05, 0.12))
    return Label(
        np.clip(image, 0, 255).astype(np.uint8), alpha, (float(x), float(y), float(x + w), box_bottom)
    )


def surround_with_words(canvas: Array, keep: tuple[float, float, float, float], rng: Rng) -> None:
    """Print words into the room around `keep` (x1, y1, x2, y2), in place."""
    h, w = canvas.shape
    x1, y1, x2, y2 = (int(v) for v in keep)
    for a, b, c, d in ((0, 0, w, y1 - 2), (0, y2 + 2, w, h), (0, y1, x1 - 2, y2), (x2 + 2, y1, w, y2)):
        room = canvas[max(b, 0) : d, max(a, 0) : c]
        if min(room.shape) < 8 or rng.random() < 0.25:
            continue
        size = rng.uniform(5, max(7, min(28, room.shape[0] * 0.7)))
        at = size * 1.2
        while at < room.shape[0]:
            line = " ".join(rng.choice(WORDS, 4))
            put_text(
                room, line, rng.uniform(1, 0.3 * room.shape[1]), at, size, float(rng.uniform(0.6, 1)), rng
            )
            at += size * rng.uniform(1.3, 2.2)


def rounded(shape: tuple[int, ...], radius: float) -> Image:
    """A mask of a rectangle with round corners."""
    r = max(1, int(radius))
    mask = np.zeros(shape[:2], np.uint8)
    h, w = shape[:2]
    cv2.rectangle(mask, (r, 0), (w - r - 1, h), 255, -1)
    cv2.rectangle(mask, (0, r), (w, h - r - 1), 255, -1)
    for centre in ((r, r), (w - r - 1, r), (r, h - r - 1), (w - r - 1, h - r - 1)):
        cv2.circle(mask, centre, r, 255, -1)
    return mask
