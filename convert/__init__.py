"""Convert YOLOv5 checkpoints to ONNX files for `cv2.dnn`. Needs the extra `convert`: torch, onnx, onnxsim."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime import __version__

if TYPE_CHECKING:
    from .checkpoint import load_checkpoint, save_checkpoint
    from .conversion import convert

__all__ = ["__version__", "convert", "load_checkpoint", "save_checkpoint"]

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
