"""What a loaded network says about itself: class names, strides, anchors, the release it may come from."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from . import layers
from .errors import CheckpointError
from .network import Detect, DetectionModel


def class_names(model: DetectionModel) -> list[str]:
    """The names by class index; a class without one is called by its number."""
    names: Any = getattr(model, "names", None)
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        names = {}
    return [readable(str(names.get(i, i))) for i in range(_count(model.detect.nc, "classes"))]


def readable(text: str) -> str:
    """The text without what a terminal would obey or a file could not hold: control and broken characters."""
    text = text.encode("utf-8", "replace").decode()
    return "".join("?" if unicodedata.category(c) == "Cc" else c for c in text)


def strides(detect: Detect) -> list[int]:
    """The stride of each head in pixels."""
    values = torch.as_tensor(detect.stride).float().flatten().tolist()
    if len(values) != detect.nl or any(not 1 <= v <= 1024 or v != int(v) for v in values):
        raise CheckpointError(f"its heads have strides {values}, which makes no sense")
    return [int(v) for v in values]


def anchors_in_pixels(detect: Detect) -> list[np.ndarray]:
    """One float32 array (na, 2) of (width, height) in pixels per head.

    Releases up to v5.0 keep them in the buffer `anchor_grid` and decode with that; later ones multiply
    `anchors`, which all keep in units of the stride.
    """
    grid = dict(detect.named_buffers(recurse=False)).get("anchor_grid")
    shape = (_count(detect.nl, "heads"), _count(detect.na, "anchors"), 2)
    pixels: Tensor
    if grid is not None and grid.numel() == np.prod(shape):
        pixels = grid.float().view(shape)
    else:
        pixels = detect.anchors.float().view(shape) * torch.tensor(strides(detect)).view(-1, 1, 1)
    if not torch.isfinite(pixels).all():
        raise CheckpointError("its anchors are not finite numbers")
    return list(pixels.numpy())


def _count(value: Any, what: str) -> int:
    if type(value) is not int or not 1 <= value <= 100_000:
        raise CheckpointError(f"its number of {what} is {value}, which makes no sense")
    return value


def trained_size(content: Any) -> int | None:
    """The image size that the training options in a checkpoint tell, if they are there (v7.0 writes them)."""
    options = content.get("opt") if isinstance(content, dict) else None
    if not isinstance(options, dict):
        return None
    size = options.get("imgsz", options.get("img_size"))
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return size if type(size) is int and 32 <= size <= 8192 else None


def guess_release(model: DetectionModel, content: Any, names: set[str], legacy: bool) -> str:
    """The YOLOv5 release that the network's build points to; a range where releases build alike."""
    kinds = {type(module) for module in model.modules()}
    detect = model.detect
    if "m" not in detect._modules:
        return "v1.0"
    if "models.yolo.DetectionModel" in names:
        return "v7.0" if isinstance(content, dict) and "git" in content else "v6.2 to v7.0"
    if detect.__dict__.get("anchor_grid") is not None:  # a list; before, it was a buffer
        return "v6.0 to v6.1"
    if layers.SPPF in kinds or (isinstance(model.model[0], layers.Conv) and _kernel(model.model[0]) == 6):
        return "v6.0 to v6.1"
    if nn.Hardswish in kinds:
        return "v3.0 to v3.1"
    if nn.SiLU in kinds or layers.C3 in kinds:
        return "v4.0 to v5.0"
    return "v2.0" if legacy else "v2.0 to v3.0"


def _kernel(conv: layers.Conv) -> int:
    return conv.conv.kernel_size[0]
