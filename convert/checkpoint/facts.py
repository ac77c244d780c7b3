"""What a checkpoint says about its network: class names, the size it was trained for, its release."""

from __future__ import annotations

import unicodedata
import warnings
from typing import Any

from torch import nn

from runtime.stages.letterbox import MAX_SIDE

from ..errors import CheckpointError
from ..layers import C3, SPPF, AnchorFreeDetect, BaseModel, Conv, Detect, KeypointDetect

MAX_NAME = 5000  # letters of a class name


def class_names(model: BaseModel) -> list[str]:
    """Give the names by class index; a class without one is called by its number, with a warning.

    Names are a list, or a dictionary whose keys are the classes' numbers, perhaps written as texts.
    """
    names: Any = getattr(model, "names", None)
    count = model.head.classes()
    if isinstance(names, str) and count == 1:
        names = [names]
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        names = {}
    by_number = {number: name for key, name in names.items() if (number := _number(key)) is not None}
    found = [_class_name(by_number.get(i), i) for i in range(count)]
    missing = [i for i, name in enumerate(found) if name is None]
    if missing:
        which = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        warnings.warn(
            f"the checkpoint has no names for the classes {which}: each is called by its number", stacklevel=2
        )
    if len(names) > count and not missing:
        warnings.warn(
            f"the checkpoint has {len(names)} names for {count} classes: those of 0 to {count - 1} are taken",
            stacklevel=2,
        )
    return [str(i) if name is None else name for i, name in enumerate(found)]


def _number(key: Any) -> int | None:
    """Give the class number that a dictionary's key means; None if it means none."""
    if isinstance(key, str) and key.strip().isascii() and key.strip().isdigit() and len(key) < 10:
        return int(key)
    return key if type(key) is int else None


def _class_name(name: Any, number: int) -> str | None:
    if isinstance(name, list | tuple) and len(name) == 1:
        name = name[0]
    if not isinstance(name, str | int | float):
        return None
    text = readable(str(name))
    if len(text) > MAX_NAME:
        raise CheckpointError(f"the name of its class {number} has {len(text)} letters")
    return text


def readable(text: str) -> str:
    """Replace what a terminal would obey or a file could not hold: control and broken characters."""
    text = text.encode("utf-8", "replace").decode()
    return "".join("?" if unicodedata.category(c) == "Cc" else c for c in text)


def trained_size(content: Any) -> int | None:
    """Find the image size in the training options of a checkpoint, if they are there."""
    if not isinstance(content, dict):
        return None
    options = content.get("opt", content.get("train_args"))
    if not isinstance(options, dict):
        return None
    size = options.get("imgsz", options.get("img_size"))
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return size if type(size) is int and 32 <= size <= MAX_SIDE else None


def release_of(model: BaseModel, content: Any, names: set[str], legacy: bool) -> str:
    """Say which release has made the checkpoint, as far as it can be told."""
    if package := _text(content, "yolov5pip_version"):
        return f"YOLOv5 of the package yolov5 {package}"
    if isinstance(model.head, AnchorFreeDetect):
        yaml = _text(getattr(model, "yaml", None), "yaml_file") or "a network"
        return f"{yaml} of the package ultralytics {_text(content, 'version')}".rstrip()
    if isinstance(model.head, KeypointDetect):
        return "yolov5-face"
    return f"YOLOv5 {_guess(model, content, names, legacy)}, by its build"


def _text(dictionary: Any, key: str) -> str:
    """Give the text under a key, fit to be shown; an empty one if there is none."""
    text = dictionary.get(key) if isinstance(dictionary, dict) else None
    return readable(text)[:40] if isinstance(text, str) else ""


def _guess(model: BaseModel, content: Any, names: set[str], legacy: bool) -> str:
    """Guess the YOLOv5 release from the network's build: a range where releases build alike."""
    kinds = {type(module) for module in model.modules()}
    detect = model.head
    if isinstance(detect, Detect) and "m" not in detect._modules:
        return "v1.0"
    if "models.yolo.SegmentationModel" in names:
        return "v7.0"
    if names & {"models.yolo.DetectionModel", "models.yolo.ClassificationModel"}:
        return "v7.0" if isinstance(content, dict) and "git" in content else "v6.2 to v7.0"
    if detect.__dict__.get("anchor_grid") is not None:  # a list; before, it was a buffer
        return "v6.0 to v6.1"
    if SPPF in kinds or (isinstance(model.model[0], Conv) and _kernel(model.model[0]) == 6):
        return "v6.0 to v6.1"
    if nn.Hardswish in kinds:
        return "v3.0 to v3.1"
    if nn.SiLU in kinds or C3 in kinds:
        return "v4.0 to v5.0"
    return "v2.0" if legacy else "v2.0 to v3.0"


def _kernel(conv: Conv) -> int:
    return conv.conv.kernel_size[0]
