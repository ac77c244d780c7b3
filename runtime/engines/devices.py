"""The devices that OpenCV's networks may run on, by name."""

from __future__ import annotations

import re
from typing import NamedTuple

import cv2

from ..errors import DeviceError


class Device(NamedTuple):
    """A device's name, and its backend and target as `cv2.dnn` numbers them."""

    name: str
    backend: int
    target: int


# name: backend, target, as the constants are called in cv2.dnn. Builds lack some of them.
_CONSTANTS = {
    "cpu": ("DNN_BACKEND_OPENCV", "DNN_TARGET_CPU"),
    "cpu-fp16": ("DNN_BACKEND_OPENCV", "DNN_TARGET_CPU_FP16"),
    "opencl": ("DNN_BACKEND_OPENCV", "DNN_TARGET_OPENCL"),
    "opencl-fp16": ("DNN_BACKEND_OPENCV", "DNN_TARGET_OPENCL_FP16"),
    "cuda": ("DNN_BACKEND_CUDA", "DNN_TARGET_CUDA"),
    "cuda-fp16": ("DNN_BACKEND_CUDA", "DNN_TARGET_CUDA_FP16"),
    "openvino": ("DNN_BACKEND_INFERENCE_ENGINE", "DNN_TARGET_CPU"),
    "openvino-gpu": ("DNN_BACKEND_INFERENCE_ENGINE", "DNN_TARGET_OPENCL"),
    "openvino-gpu-fp16": ("DNN_BACKEND_INFERENCE_ENGINE", "DNN_TARGET_OPENCL_FP16"),
    "vulkan": ("DNN_BACKEND_VKCOM", "DNN_TARGET_VULKAN"),
    "timvx": ("DNN_BACKEND_TIMVX", "DNN_TARGET_NPU"),
    "cann": ("DNN_BACKEND_CANN", "DNN_TARGET_NPU"),
    "onnxruntime": ("DNN_BACKEND_OPENCV", "DNN_TARGET_CPU"),  # an engine within OpenCV 5, if built with it
}

DEVICES = tuple(_CONSTANTS)


def available_devices() -> list[str]:
    """Name the devices that this OpenCV, on this machine, can use."""
    return [name for name in DEVICES if _available(name)]


def find_device(name: str) -> Device:
    """Look a device up and make sure that it can be used: OpenCV itself would fall back to the CPU.

    Raises DeviceError, naming the devices that can be used.
    """
    if name not in _CONSTANTS:
        raise DeviceError(
            f"there is no device {name!r}; this OpenCV can use {', '.join(available_devices())}"
        )
    if not _available(name):
        raise DeviceError(
            f"this OpenCV ({cv2.__version__}) cannot use the device {name!r}; "
            f"it can use {', '.join(available_devices())}"
        )
    backend, target = _CONSTANTS[name]
    return Device(name, getattr(cv2.dnn, backend), getattr(cv2.dnn, target))


def _available(name: str) -> bool:
    backend, target = (getattr(cv2.dnn, constant, None) for constant in _CONSTANTS[name])
    if name == "onnxruntime":  # a build without it has the engine's name all the same, and takes another one
        return hasattr(cv2.dnn, "ENGINE_ORT") and bool(
            re.search(r"ONNX Runtime: +YES", cv2.getBuildInformation())
        )
    return backend is not None and target is not None and target in cv2.dnn.getAvailableTargets(backend)
