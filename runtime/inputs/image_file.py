"""Reading picture files, whatever their name and whatever is in them.

OpenCV's own `imread` takes no Chinese names on Windows, so Python reads the files and OpenCV decodes them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError, first_line
from ..program import MAX_PIXELS
from .image_header import read_header

# Whether .avif, .gif and .jp2 are decoded depends on the OpenCV build; where not, that is reported.
IMAGE_SUFFIXES = {
    ".avif", ".bmp", ".dib", ".gif", ".hdr", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",
    ".pgm", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
}  # fmt: skip
MAX_FILE_BYTES = 1 << 29


def read_image(path: Path, max_pixels: int = MAX_PIXELS, channels: int = 3) -> np.ndarray:
    """Read a picture as uint8 (h, w, 3), BGR, upright.

    The pixels are what `cv2.imread` gives, because that is what YOLOv5 is trained on: grey becomes BGR, alpha
    is dropped, 16 bits become 8, CMYK is converted. The EXIF orientation is applied also where the installed
    OpenCV does not do it.

    channels: that the model takes, `ModelInfo.channels`. For 1 and 3 the picture comes as BGR; for any other
    number as it is in the file, (h, w, n), uint8 or uint16, with its alpha.

    Raises InputError, which names the file, if it cannot be read, is no picture, or is larger than
    MAX_FILE_BYTES or `max_pixels`.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(f"it has {size} bytes, more than the {MAX_FILE_BYTES} that are read")
        return decode_image(path.read_bytes(), max_pixels, channels)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS, channels: int = 3) -> np.ndarray:
    """Decode the contents of a picture file; see `read_image`."""
    if not data:
        raise InputError("it is empty")
    header = read_header(data)
    if header is None:
        raise InputError("not a picture, or one whose size cannot be read from its header")
    check_size(header.width, header.height, max_pixels)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if channels in (1, 3) else cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as error:  # OpenCV's own limits on width, height and pixels
        reason = first_line(error)
        if "CV_IO_MAX_IMAGE" in reason:
            reason = "it has more pixels than OpenCV accepts"
        raise InputError(f"OpenCV does not decode it: {reason}") from error
    if image is None:
        raise InputError("not a picture, or one in a format that this OpenCV does not decode, or damaged")
    check_size(image.shape[1], image.shape[0], max_pixels)
    return _upright(image, header.orientation)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Check a picture's size, or that of a video's frames. Raises InputError if it has too many pixels."""
    if width * height > max_pixels:
        raise InputError(f"its {width}x{height} pixels are more than the {max_pixels} that are decoded")


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation: which way the camera was held (Exif 2.32, tag 0x0112)."""
    if orientation == 2:
        return cv2.flip(image, 1)
    if orientation == 3:
        return cv2.rotate(image, cv2.ROTATE_180)
    if orientation == 4:
        return cv2.flip(image, 0)
    if orientation == 5:
        return cv2.transpose(image)
    if orientation == 6:
        return cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE)
    if orientation == 7:
        return cv2.rotate(cv2.transpose(image), cv2.ROTATE_180)
    if orientation == 8:
        return cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE)
    return image
