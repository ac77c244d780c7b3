"""Convert YOLOv5 checkpoints to ONNX files for `cv2.dnn`. Needs the extra `convert`: torch, onnx, onnxsim."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkpoint import load_checkpoint, save_checkpoint
    from .conversion import convert

__all__ = ["convert", "load_checkpoint", "save_checkpoint"]

try:
    __version__ = version("yolov5-dnn")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0"

_ROOMS = {
    "convert": "conversion",
    "load_checkpoint": "checkpoint",
    "save_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import; `python -m convert --help` and a wrong path should not wait for it
    if name in _ROOMS:
        return getattr(import_module(f".{_ROOMS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
