"""The window of `--show`."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from ..errors import InputError
from .interrupt import Interrupt

TITLE = "yolov5-dnn"
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
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise InputError(
                "--show needs an OpenCV with windows; this is a headless build (opencv-python has them)"
            ) from error

    def show(self, image: np.ndarray, still: bool, interrupt: Interrupt) -> bool:
        """Show a picture, a still one until a key is pressed; False if that is Esc or q: no more, please."""
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
