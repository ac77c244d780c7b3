"""Convert YOLOv5 checkpoints to ONNX files for `cv2.dnn`. Needs the extra `convert`: torch, onnx, onnxsim."""

from __future__ import annotations

from typing import Any

__all__ = ["Report", "convert"]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import; `python -m convert --help` and a wrong path should not wait for it
    if name in __all__:
        from . import conversion

        return getattr(conversion, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
