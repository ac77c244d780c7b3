"""What is drawn of one box beside its outline: a mask, keypoints."""

from __future__ import annotations

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red, 0 to 255

MASK_OPACITY = 0.4
# Left and right are told apart by colour.
LEFT, RIGHT, MIDDLE = (255, 176, 0), (0, 110, 255), (255, 255, 255)  # blue, orange, white
FIVE_POINTS = (
    LEFT,
    RIGHT,
    MIDDLE,
    LEFT,
    RIGHT,
)  # eyes, nose, corners of the mouth, as yolov5-face orders them


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever reads better: black on more than half of white's luma (BT.601)."""
    blue, green, red = background
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 127.5 else (255, 255, 255)


def draw_mask(canvas: np.ndarray, left: int, top: int, mask: np.ndarray, colour: Colour, line: int) -> None:
    """Tint the pixels of a mask and draw its contour."""
    if not mask.any():
        return
    part = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
    tinted = cv2.addWeighted(part, 1 - MASK_OPACITY, np.full_like(part, colour), MASK_OPACITY, 0)
    cv2.copyTo(tinted, mask.astype(np.uint8), part)
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top)
    )
    for shade, width in ((text_colour(colour), line + 2), (colour, line)):
        cv2.drawContours(canvas, contours, -1, shade, width)


def draw_keypoints(canvas: np.ndarray, points: np.ndarray, colour: Colour, line: int) -> None:
    """Draw a disc for each point: five in the colours of left, right and middle, others in the class's."""
    colours = FIVE_POINTS if len(points) == 5 else (colour,) * len(points)
    for (x, y), shade in zip(points.tolist(), colours, strict=True):
        centre = round(x), round(y)
        cv2.circle(canvas, centre, line + 2, text_colour(shade), cv2.FILLED, cv2.LINE_AA)
        cv2.circle(canvas, centre, line, shade, cv2.FILLED, cv2.LINE_AA)
