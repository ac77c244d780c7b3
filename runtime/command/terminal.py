"""What the commands have in common about the terminal: one line for each thing, none by other programs."""

from __future__ import annotations

import os
import sys
from typing import Any

import cv2

from ..escape import escape


def print_any_name() -> None:
    """Let letters that the terminal has not, as in names of files and classes, come out escaped: no error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def silence_opencv() -> None:
    """OpenCV and FFmpeg log each file that they cannot read; a command says it in one line of its own."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        logging = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 and 4
        logging.setLogLevel(0)


def show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    """Show what a library warns of in one line; takes the place of `warnings.showwarning`."""
    warn(str(message))


def warn(text: str) -> None:
    """Say, in one line, something that should be known although it stops nothing."""
    print(f"warning: {escape(text, 1000)}", file=sys.stderr, flush=True)
