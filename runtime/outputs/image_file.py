"""Writing picture files, whatever their name.

OpenCV's own `imwrite` takes no Chinese names on Windows, so OpenCV encodes pictures and Python writes them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError, first_line
from ..inputs.image_file import IMAGE_SUFFIXES
from .atomic import write_atomic


def can_write(suffix: str) -> bool:
    """Say whether this OpenCV writes pictures of that kind."""
    try:
        return suffix.lower() in IMAGE_SUFFIXES and bool(cv2.haveImageWriter(f"picture{suffix}"))
    except cv2.error:
        return False


def write_image(path: Path, image: np.ndarray) -> None:
    """Write a picture in the format that the suffix of `path` names.

    Raises InputError if the picture does not fit the format, OSError if the file cannot be written.
    """
    try:
        encoded, data = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise InputError(f"cannot write {path}: {first_line(error)}") from error
    if not encoded:
        raise InputError(f"cannot write {path}: this OpenCV does not encode it")
    write_atomic(path, data.data)
