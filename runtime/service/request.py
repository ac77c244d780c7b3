"""What a request asks of a model, whatever protocol it came by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from ..errors import InputError
from ..inputs.image_file import decode_image
from ..inputs.image_header import read_header
from .errors import RequestError, bad_request, quoted

MAX_IMAGES = 64  # in one request
MAX_DETECTIONS = 10_000  # for max_det

SETTINGS = ("conf_thres", "iou_thres", "max_det", "classes", "agnostic_nms", "top")
# Parameters that clients of the Open Inference Protocol and Triton send, and that change nothing here.
_IGNORED = {
    "priority", "sequence_id", "sequence_start", "sequence_end", "binary_data_output", "timeout",
    "triton_enable_empty_final_response",
}  # fmt: skip


@dataclass
class InferenceRequest:
    """Pictures, and what is wanted of them.

    pictures: encoded files, or RGB pixels as uint8 (h, w, 3).
    outputs: the names of what is to be sent; None: what the model gives by itself.
    settings: thresholds and such that replace the model's for this request, from `read_settings`.
    seconds: how long the client waits for the answer, if it said so.
    """

    pictures: Sequence[bytes | np.ndarray]
    outputs: list[str] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None


def read_settings(
    parameters: Mapping[str, Any], known: Collection[str], names: Sequence[str]
) -> dict[str, Any]:
    """Check a request's parameters against those of the model and its class names.

    Leaves out what changes nothing.

    Raises RequestError 400 for a bad value or an unknown parameter: a typing error would go unnoticed.
    """
    settings: dict[str, Any] = {}
    for key, value in parameters.items():
        if key in _IGNORED:
            continue
        if key not in known:
            raise bad_request(f"the model has no parameter {quoted(key)}; it has {', '.join(known)}")
        if key in ("conf_thres", "iou_thres"):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise bad_request(f"{key} must be a number from 0 to 1")
            settings[key] = float(value)
        elif key in ("max_det", "top"):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_DETECTIONS:
                raise bad_request(f"{key} must be a whole number from 1 to {MAX_DETECTIONS}")
            settings[key] = value
        elif key == "agnostic_nms":
            if not isinstance(value, bool):
                raise bad_request("agnostic_nms must be true or false")
            settings[key] = value
        elif key == "classes":
            settings[key] = _read_classes(value, names)
    return settings


def _read_classes(value: Any, names: Sequence[str]) -> list[int]:
    """Read names and numbers of classes: a list, one of them, or, as protocols know no lists, "a,b,3"."""
    if isinstance(value, str) and value not in names:
        value = [part.strip() for part in value.split(",")]
    wanted = value if isinstance(value, list) else [value]
    ids: set[int] = set()
    for each in wanted:
        if isinstance(each, str) and each in names:
            ids.update(i for i, name in enumerate(names) if name == each)
        elif not isinstance(each, bool | float) and str(each).isdecimal() and int(str(each)[:9]) < len(names):
            ids.add(int(each))
        else:
            raise bad_request(f"there is no class {quoted(each)}; the model has 0 to {len(names) - 1}")
    return sorted(ids)


def read_picture(picture: bytes | np.ndarray, max_pixels: int) -> np.ndarray:
    """Give a picture's pixels, BGR, uint8 (h, w, 3), upright.

    Raises RequestError 400 for what is no picture, 413 for one of more pixels. Only formats whose size can be
    told before decoding are taken: JPEG, PNG, WebP, BMP, GIF and TIFF.
    """
    if isinstance(picture, np.ndarray):
        if picture.shape[0] * picture.shape[1] > max_pixels:
            raise RequestError(413, f"the picture has more than {max_pixels} pixels")
        return cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    header = read_header(picture)
    if header is None:
        raise bad_request("the image is not a JPEG, PNG, WebP, BMP, GIF or TIFF file, or a damaged one")
    if header.width * header.height > max_pixels:
        text = f"the picture has {header.width} x {header.height} pixels, more than {max_pixels}"
        raise RequestError(413, text)
    try:
        return decode_image(picture, max_pixels)
    except InputError as error:
        raise bad_request(f"the image cannot be decoded: {error}") from error


def check_count(count: int) -> None:
    """Raise RequestError 400 unless that many pictures may come in one request."""
    if not 1 <= count <= MAX_IMAGES:
        raise bad_request(f"a request has 1 to {MAX_IMAGES} images, not {count}")
