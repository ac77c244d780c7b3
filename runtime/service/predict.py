"""Pictures as they are, in a POST's body or a form's files: what `curl -F` and `curl --data-binary` send."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import RequestError, bad_request, quoted
from .request import InferenceRequest, check_count, read_settings
from .served_model import ServedModel

# What says nothing, and what curl says by itself of --data-binary.
PLAIN = ("", "application/octet-stream", "application/x-www-form-urlencoded")
MAX_PARTS = 200
_BOUNDARY = re.compile(r'boundary="?([^";\r\n]{1,70})', re.IGNORECASE)
_FLAGS = {"1": True, "true": True, "0": False, "false": False}


def read_request(
    model: ServedModel, body: bytes, content_type: str, query: Mapping[str, str]
) -> tuple[InferenceRequest, bool]:
    """Read pictures, with the thresholds of the address's query.

    Returns the request, and whether the picture with what was found drawn into it is wanted: `annotated=1`.
    Raises RequestError: 400, and 415 for a body that is no picture.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        pictures = _files(body, content_type)
    elif kind in PLAIN or kind.startswith("image/"):
        pictures = [body]
    else:
        raise RequestError(
            415, f"send a picture's file, or a form with such files, not {quoted(kind)}; JSON goes to …/infer"
        )
    check_count(len(pictures))
    parameters: dict[str, Any] = dict(query)
    annotated = _flag("annotated", parameters.pop("annotated", "0"))
    for key in ("conf_thres", "iou_thres", "max_det", "top"):
        if key in parameters:
            parameters[key] = _number(key, parameters[key])
    if "agnostic_nms" in parameters:
        parameters["agnostic_nms"] = _flag("agnostic_nms", parameters["agnostic_nms"])
    settings = read_settings(parameters, model.settings, model.names)
    if annotated and len(pictures) > 1:
        raise bad_request("annotated=1 gives one picture; send one")
    return InferenceRequest(pictures, ["annotated"] if annotated else None, settings), annotated


def _files(body: bytes, content_type: str) -> Sequence[bytes]:
    """Read the files of a form (RFC 7578); its other fields are passed over."""
    match = _BOUNDARY.search(content_type)
    if not match:
        raise bad_request("the form's Content-Type has no boundary")
    parts = (b"\r\n" + body).split(b"\r\n--" + match[1].encode("latin-1", "replace"), MAX_PARTS + 1)
    if len(parts) > MAX_PARTS:
        raise bad_request(f"the form has more than {MAX_PARTS} fields")
    files = []
    for part in parts[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and b"filename" in head[:4096].lower():
            files.append(content)
    if not files:
        raise bad_request("the form holds no file: curl -F file=@picture.jpg sends one")
    return files


def _number(key: str, text: str) -> Any:
    try:
        value = json.loads(text[:30])
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request(f"{key} must be a number, not {quoted(text)}")
    return value


def _flag(key: str, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise bad_request(f"{key} must be 1 or 0, not {quoted(text)}")
    return _FLAGS[text.lower()]
