"""Drawing what was found on an image. The C++ header does it with the same colours, sizes and places."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..escape import escape
from ..stages.letterbox import to_bgr
from .labels import place_labels
from .marks import Colour, text_colour
from .text import Extent, measure, put_text

MAX_LETTERS = 100  # of a label: measuring and drawing thousands would take seconds

Paint = Callable[[np.ndarray, int, Colour, int], None]
"""Draws, on an image, what belongs to a row, in its colour and in lines of so many pixels."""


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
    *,
    below: Sequence[Paint] = (),
    outline: Paint | None = None,
    above: Sequence[Paint] = (),
    notes: Sequence[str] | None = None,
    line_thickness: int | None = None,
    hide_labels: bool = False,
    hide_conf: bool = False,
) -> np.ndarray:
    """Draw boxes and labels (name and score), and what else is given, on a copy of an image.

    image: uint8, (h, w, 3) BGR, or grey (h, w) or BGRA, which become BGR. xyxy: float32 (n, 4), in pixels of
    the image; scores: float32 (n,); class_ids: int (n,); names: of the classes, by class id. The first rows,
    which should be the best, are drawn last, over the others.

    below, above: what is drawn under and over the boxes; outline: what is drawn instead of an upright box;
    notes: what stands in each label after name and score.
    line_thickness: of the boxes, in pixels; by default `line_width`. hide_labels: draw no labels; hide_conf:
    no scores on them.

    Boxes, contours and points have a rim in black or white, so that they stand off any background. Labels go
    where `place_labels` finds room; they are made smaller, and at last cut, to fit into the image, and where
    there is no room left, the box alone tells the class, by its colour.

    Returns uint8 (h, w, 3).
    """
    canvas = _as_picture(image)
    canvas = canvas.copy() if canvas is image else canvas
    line = line_width(canvas.shape[:2]) if line_thickness is None else line_thickness
    worst_first = range(len(scores) - 1, -1, -1)
    boxes = np.rint(np.clip(xyxy, -(2**15), 2**15)).astype(int).tolist()
    colours = [class_colour(class_id) for class_id in class_ids.tolist()]
    for paint in (*below, outline or _paint_boxes(boxes), *above):
        for i in worst_first:
            paint(canvas, i, colours[i], line)
    if not hide_labels:  # after all else, so that no line crosses a label
        texts = [escape(str(names[class_id]), MAX_LETTERS) for class_id in class_ids.tolist()]
        if not hide_conf:
            texts = [f"{text} {score:.2f}" for text, score in zip(texts, scores.tolist(), strict=True)]
        if notes is not None:
            texts = [f"{text} {escape(note, MAX_LETTERS)}" for text, note in zip(texts, notes, strict=True)]
        _draw_labels(canvas, texts, boxes, colours, line)
    return canvas


def _as_picture(image: np.ndarray) -> np.ndarray:
    """Show the first three channels, or the first, of an image that has not 1, 3 or 4."""
    if image.ndim == 3 and image.shape[2] not in (1, 3, 4):
        image = np.ascontiguousarray(image[:, :, :3] if image.shape[2] > 4 else image[:, :, :1])
    return to_bgr(image)


def _paint_boxes(boxes: Sequence[Sequence[int]]) -> Paint:
    def paint(canvas: np.ndarray, row: int, colour: Colour, line: int) -> None:
        for shade, width in ((text_colour(colour), line + 2), (colour, line)):
            cv2.rectangle(canvas, boxes[row][:2], boxes[row][2:], shade, width)

    return paint


def draw_classes(image: np.ndarray, classes: Sequence[tuple[int, str]]) -> np.ndarray:
    """Write classes, one below the other, into the upper left corner of a copy of an image.

    image: as for `draw`; classes: class id, which gives the colour, and text, the most probable first; those
    for which there is no room are left out.

    Returns uint8 (h, w, 3).
    """
    canvas = _as_picture(image)
    canvas = canvas.copy() if canvas is image else canvas
    image_hw = (canvas.shape[0], canvas.shape[1])
    pad = max(2, text_size(image_hw) // 5)
    top = 0
    for class_id, text in classes:
        fitted = _fit(escape(text, MAX_LETTERS), image_hw, pad)
        _, height = _label_size(fitted[1], pad)
        if top + height > image_hw[0]:
            break
        _draw_label(canvas, fitted, (0, top), class_colour(class_id), pad)
        top += height
    return canvas


def _draw_labels(
    canvas: np.ndarray,
    texts: list[str],
    boxes: list[list[int]],
    colours: list[Colour],
    line: int,
) -> None:
    """Draw filled labels with their texts, the first ones where they like best."""
    image_hw = (canvas.shape[0], canvas.shape[1])
    pad = max(2, text_size(image_hw) // 5)
    fitted = [_fit(text, image_hw, pad) for text in texts]
    sizes = [_label_size(extent, pad) for _, extent, _ in fitted]
    half = line // 2  # of a line lies outside its box
    edges = np.array(boxes, int).reshape(-1, 4) + np.array([-half, -half, half + 1, half + 1])
    for place, label, colour in zip(place_labels(edges, sizes, image_hw), fitted, colours, strict=True):
        if place is not None and label[0]:
            _draw_label(canvas, label, place, colour, pad)


def _label_size(extent: Extent, pad: int) -> tuple[int, int]:
    """Width and height of a label with a text of this extent."""
    return extent.width + 2 * pad, extent.ascent + extent.descent + pad


def _draw_label(
    canvas: np.ndarray, label: tuple[str, Extent, int], place: tuple[int, int], colour: Colour, pad: int
) -> None:
    """Draw a text on its colour; `place` is the label's upper left corner."""
    (text, extent, size), (left, top) = label, place
    width, height = _label_size(extent, pad)
    cv2.rectangle(canvas, place, (left + width - 1, top + height - 1), colour, cv2.FILLED)
    put_text(canvas, text, (left + pad, top + pad // 2 + extent.ascent), size, text_colour(colour))


def _fit(text: str, image_hw: tuple[int, int], pad: int) -> tuple[str, Extent, int]:
    """Make a text small enough, and if need be short enough, for the image. Gives also its letters' size."""
    size = text_size(image_hw)
    extent = measure(text, size)
    while size > 8 and extent.width + 2 * pad > image_hw[1]:
        size -= 1
        extent = measure(text, size)
    while text and extent.width + 2 * pad > image_hw[1]:
        text = text[:-1]
        extent = measure(text, size)
    return text, extent, size
