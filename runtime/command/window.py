"""The window of `--show`."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from ..errors import InputError
from .interrupt import Interrupt
from .screen import screen_size

TITLE = "yolov5-dnn"
SCREEN_SHARE = 0.85  # of the screen that a window may fill: its frame and the system's bars need room, too
_NEXT_POLL_MS = 100


class Window:
    """Shows pictures, in the main thread, as macOS wants it.

    Raises InputError if this OpenCV, or this session, has no windows.
    """

    def __init__(self) -> None:
        # Without a display, OpenCV's Qt ends the whole process.
        if sys.platform.startswith("linux") and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise InputError("--show needs a display, and this session has none")
        # Qt warns of fonts that opencv-python doesn't bring along. Nothing here is written by Qt.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        self._size: tuple[int, int] | None = None
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise InputError(
                "--show needs an OpenCV with windows; this is a headless build (opencv-python has them)"
            ) from error

    def show(self, image: np.ndarray, still: bool, interrupt: Interrupt) -> bool:
        """Show a picture, a still one until a key is pressed; False if that is Esc or q: no more, please."""
        height, width = image.shape[:2]
        if (width, height) != self._size:  # not for every frame: the user may have chosen another size
            self._size = width, height
            cv2.resizeWindow(TITLE, *window_size((width, height), screen_size()))
        cv2.imshow(TITLE, image)
        key = cv2.waitKey(1)
        while still and key < 0 and self._is_open() and not interrupt.requested:
            key = cv2.waitKey(_NEXT_POLL_MS)
        return key & 0xFF not in (27, ord("q")) and self._is_open()

    @staticmethod
    def _is_open() -> bool:
        return cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1

    def close(self) -> None:
        """Close the window."""
        cv2.destroyAllWindows()


def window_size(picture: tuple[int, int], screen: tuple[int, int]) -> tuple[int, int]:
    """Give the window's width and height: the picture's, scaled down to SCREEN_SHARE of the screen's."""
    scale = min(1.0, *(SCREEN_SHARE * most / side for most, side in zip(screen, picture, strict=True)))
    width, height = (max(1, round(side * scale)) for side in picture)
    return width, height
