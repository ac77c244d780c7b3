"""Draw a short clip to try tracking on: printed codes that cross the picture.

python samples/draw_clip.py clip.avi
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

SIZE, FRAMES, RATE = (640, 480), 60, 15.0  # width and height in pixels; a number; frames a second
# y of the middle, and x of the middle in the first and in the last frame
PATHS = ((100, 80, 560), (250, 560, 80), (390, 60, 240))


def frame(number: int) -> np.ndarray:
    """Draw one frame: uint8 (480, 640, 3), BGR."""
    canvas = np.full((SIZE[1], SIZE[0], 3), (150, 165, 170), np.uint8)
    canvas[::40] = canvas[:, ::40] = (140, 155, 160)
    for i, (y, first, last) in enumerate(PATHS):
        code = cv2.resize(
            cv2.QRCodeEncoder.create().encode(f"parcel {i}"), (84, 84), interpolation=cv2.INTER_NEAREST
        )
        label = cv2.copyMakeBorder(code, 12, 12, 12, 12, cv2.BORDER_CONSTANT, value=255)
        x = round(first + (last - first) * number / (FRAMES - 1))
        top, left = y - label.shape[0] // 2, x - label.shape[1] // 2
        canvas[top : top + label.shape[0], left : left + label.shape[1]] = label[:, :, None]
    return canvas


def main() -> None:
    """Write the clip."""
    parser = argparse.ArgumentParser(description="Draw a clip of three codes that cross the picture.")
    parser.add_argument("clip", type=Path, help="the .avi to write")
    clip = parser.parse_args().clip
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), RATE, SIZE)
    for number in range(FRAMES):
        writer.write(frame(number))
    writer.release()


if __name__ == "__main__":
    main()
