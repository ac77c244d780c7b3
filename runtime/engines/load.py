"""The one place that knows which engine runs on which device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import DeviceError
from ..tasks.model_info import ModelInfo
from . import devices
from .network import Network
from .onnxruntime import PROVIDERS, OnnxRuntime, available_providers, is_installed

DEVICES = tuple(dict.fromkeys((*devices.DEVICES, *PROVIDERS)))

Forward = Callable[[np.ndarray], list[np.ndarray]]
"""From a blob to the image's outputs, see `Network`."""
Load = Callable[[np.ndarray, ModelInfo, str, Path], Forward]
"""From the model file's bytes, what it says, a device and a path for messages to what runs the network."""


def load_network(buffer: np.ndarray, info: ModelInfo, device: str, path: Path) -> Forward:
    """Load a network into the engine of a device: `cv2.dnn`, or onnxruntime for those of its names.

    onnxruntime is the installed package; without it, the engine of that name within OpenCV, if it was built
    with one. Raises DeviceError, which names the devices that can be used, or ModelError.
    """
    if device not in DEVICES:
        raise DeviceError(f"there is no device {device!r}; here you can use {', '.join(usable_devices())}")
    if device in PROVIDERS and (is_installed() or device not in devices.available_devices()):
        return OnnxRuntime(buffer, info, device, path)
    return Network(buffer, info, device, path)


def usable_devices() -> list[str]:
    """Name the devices that OpenCV and the installed onnxruntime, on this machine, can use."""
    return list(dict.fromkeys((*devices.available_devices(), *available_providers())))
