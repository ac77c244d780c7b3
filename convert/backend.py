"""PyTorch as a backend of `python -m runtime.bench --against torch`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from runtime.benchmark.backends import AbsentError, Backend
from runtime.tasks.model_info import ModelInfo


def load_torch(
    buffer: np.ndarray, info: ModelInfo, device: str, path: Path
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """PyTorch on the CPU, with the checkpoint that the model file was made from, which must lie beside it."""
    import torch

    from .checkpoint import load_checkpoint

    source = info.source or {}
    name = source.get("file")
    if not name:
        raise AbsentError("the model file does not name its checkpoint")
    checkpoint = path.parent / Path(name).name
    if not checkpoint.is_file():
        raise AbsentError(f"the checkpoint {checkpoint} is not there")
    if hashlib.sha256(checkpoint.read_bytes()).hexdigest() != source.get("sha256"):
        raise AbsentError(f"{checkpoint} is another checkpoint than the one the model file was made from")
    if info.fold != 1:
        raise AbsentError("the model file takes a folded input, the checkpoint does not")
    torch.set_num_threads(cv2.getNumThreads())
    network = load_checkpoint(checkpoint).model

    def forward(blob: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [output[0].numpy() for output in network(torch.from_numpy(blob))]

    return forward


TORCH = Backend(load_torch, "torch", busy=True)
