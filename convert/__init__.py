"""Convert YOLOv5 checkpoints to ONNX files for `cv2.dnn`. Needs the extra `convert`: torch, onnx, onnxsim."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime import __version__

    from .checkpoint import load_checkpoint, save_checkpoint
    from .conversion import convert

__all__ = ["__version__", "convert", "load_checkpoint", "save_checkpoint"]

_ROOMS = {
    "__version__": "runtime",
    "convert": "convert.conversion",
    "load_checkpoint": "convert.checkpoint",
    "save_checkpoint": "convert.checkpoint",
}


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import; `python -m convert --help` and a wrong path should not wait for it.
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
