"""The network as the installed package onnxruntime runs it: an optional engine beside `cv2.dnn`."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import DeviceError, ModelError, first_line
from ..model.buffer import SIDES, for_onnxruntime
from ..tasks.model_info import ModelInfo
from .outputs import in_order, of_the_image

# device: its execution provider, https://onnxruntime.ai/docs/execution-providers/
PROVIDERS = {
    "onnxruntime": "CPUExecutionProvider",
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
    "onnxruntime-openvino": "OpenVINOExecutionProvider",
    "onnxruntime-directml": "DmlExecutionProvider",
    "onnxruntime-coreml": "CoreMLExecutionProvider",
}


class OnnxRuntime:
    """A network loaded by onnxruntime: call it on a blob to get its outputs, as `Network`.

    buffer: the model file's bytes, from `read_model`; device: one of PROVIDERS; path: for messages only. It
    takes as many threads as OpenCV may use. spinning: whether they keep their cores busy for a while after a
    run, in case there is another: faster in a loop of nothing else, slower beside other work.

    Raises DeviceError if the package is not installed, or lacks the provider or cannot start it; ModelError
    if it cannot load the network, or its outputs are not those that `info` describes.
    """

    def __init__(
        self, buffer: np.ndarray, info: ModelInfo, device: str, path: Path, spinning: bool = False
    ) -> None:
        onnxruntime = _package(device)
        self.info = info
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cv2.getNumThreads()
        options.log_severity_level = 4  # what is fatal; the rest is raised as well
        if not spinning:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not info.dynamic:  # some providers are faster, or run at all, if they know the size in advance
            for name, side in zip(SIDES, info.imgsz, strict=True):
                options.add_free_dimension_override_by_name(name, side // info.fold)
        provider = PROVIDERS[device]
        try:
            self._session = onnxruntime.InferenceSession(
                for_onnxruntime(buffer, dynamic=True).tobytes(), options, providers=[provider]
            )
        except Exception as error:  # it has a class of its own for each kind
            raise ModelError(f"onnxruntime cannot load {path}: {first_line(error)}") from error
        if self._session.get_providers()[0] != provider:  # it would go on with another one
            raise DeviceError(
                f"onnxruntime {onnxruntime.__version__} has {provider}, but cannot start it on this machine"
            )
        self._session.disable_fallback()
        self._input = self._session.get_inputs()[0].name
        self._outputs = in_order([each.name for each in self._session.get_outputs()], info, path)

    def __call__(self, blob: np.ndarray) -> list[np.ndarray]:
        """Run forward: from float32 (1, 3f², H/f, W/f), as `to_blob` gives it, to the image's outputs.

        They come in the order and in the shapes that the task names: a head map is (channels, ny, nx).
        Raises ModelError if onnxruntime fails or an output has another shape.
        """
        height, width = (side * self.info.fold for side in blob.shape[2:])
        try:
            outputs = self._session.run(self._outputs, {self._input: blob})
        except Exception as error:
            raise ModelError(
                f"onnxruntime cannot run {self.path} at {height} × {width}: {first_line(error)}"
            ) from error
        return of_the_image(outputs, self.info, self.path, (height, width))


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("onnxruntime") is not None


def available_providers() -> list[str]:
    """Name the devices that the installed package offers; none if it is not installed."""
    if not is_installed():
        return []
    offered = importlib.import_module("onnxruntime").get_available_providers()
    return [device for device, provider in PROVIDERS.items() if provider in offered]


def _package(device: str) -> Any:
    """Import onnxruntime and make sure that it offers a device. Raises DeviceError."""
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise DeviceError(
            f"the device {device!r} needs the package onnxruntime, which is not installed "
            f"({first_line(error)}); install it with: pip install onnxruntime"
        ) from error
    if PROVIDERS[device] not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"this onnxruntime ({onnxruntime.__version__}) cannot use the device {device!r}; "
            f"it can use {', '.join(available_providers())}"
        )
    return onnxruntime
