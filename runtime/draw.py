"""Drawing boxes and their labels on an image. The C++ header does it with the same colours and sizes."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from .letterbox import to_bgr
from .text import measure, put_text

Colour = tuple[int, int, int]  # blue, green, red, 0 to 255


def class_colour(class_id: int) -> Colour:
    """Give a class its colour.

    Hues step by the golden ratio, which spreads any number of classes evenly; three shades take turns,
    because hues come close to each other after 5, 8, 13, … steps. In HSV: hue = (0.57 + 0.618034 · id) mod 1;
    saturation, value = (0.85, 1), (0.6, 1), (0.9, 0.75) for id mod 3 = 0, 1, 2; each channel is rounded to
    the nearest of 0 to 255.
    """
    hue = (0.57 + 0.618034 * class_id) % 1
    saturation, value = ((0.85, 1.0), (0.6, 1.0), (0.9, 0.75))[class_id % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(blue * 255), round(green * 255), round(red * 255)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever reads better: black on more than half of white's luma (BT.601)."""
    blue, green, red = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 127.5 else (255, 255, 255)


def line_width(image_hw: tuple[int, int]) -> int:
    """Width of the boxes' lines in pixels: a 300th of the mean of height and width, at least 2."""
    return max(2, round(sum(image_hw) / 2 / 300))


def text_size(image_hw: tuple[int, int]) -> int:
    """Height of the labels' letters in pixels: a 50th of the mean of height and width, at least 12."""
    return max(12, round(sum(image_hw) / 2 / 50))


def draw(
    image: np.ndarray,
    xyxy: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    names: Sequence[str],
) -> np.ndarray:
    """Draw boxes and labels (name and score) on a copy of an image.

    image: uint8, (h, w, 3) BGR, or grey (h, w) or BGRA, which become BGR. xyxy: float32 (n, 4), in pixels of
    the image; scores: float32 (n,); class_ids: int (n,); names: of the classes, by class id. The first boxes,
    which should be the best, are drawn last, over the others.

    A label sits on top of its box, or inside where there is no room, and never leaves the image: it is made
    smaller, and at last cut, to fit.

    Returns uint8 (h, w, 3).
    """
    canvas = to_bgr(image)
    canvas = canvas.copy() if canvas is image else canvas
    line = line_width(canvas.shape[:2])
    worst_first = range(len(scores) - 1, -1, -1)
    boxes = [tuple(round(edge) for edge in box) for box in xyxy.tolist()]
    colours = [class_colour(class_id) for class_id in class_ids.tolist()]
    for i in worst_first:
        cv2.rectangle(canvas, boxes[i][:2], boxes[i][2:], colours[i], line)
    for i in worst_first:  # after all boxes, so that no line crosses a label
        label = f"{names[class_ids[i]]} {scores[i]:.2f}"
        _draw_label(canvas, label, boxes[i][:2], colours[i], line)
    return canvas


def _draw_label(canvas: np.ndarray, label: str, corner: tuple[int, int], colour: Colour, line: int) -> None:
    """Draw a filled label whose lower left corner is the box's upper left one, room permitting."""
    height, width = canvas.shape[:2]
    size = text_size((height, width))
    pad = max(2, size // 5)
    extent = measure(label, size)
    while size > 8 and extent.width + 2 * pad > width:
        size -= 1
        extent = measure(label, size)
    while label and extent.width + 2 * pad > width:
        label = label[:-1]
        extent = measure(label, size)
    label_w, label_h = extent.width + 2 * pad, extent.ascent + extent.descent + pad
    if not label or label_h > height:
        return
    left = min(max(corner[0] - line // 2, 0), width - label_w)
    top = corner[1] - line // 2 - label_h
    if top < 0:  # no room above the box
        top = min(max(corner[1], 0), height - label_h)
    cv2.rectangle(canvas, (left, top), (left + label_w - 1, top + label_h - 1), colour, cv2.FILLED)
    put_text(canvas, label, (left + pad, top + pad // 2 + extent.ascent), size, text_colour(colour))
