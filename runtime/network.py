"""The network as OpenCV runs it. What differs between OpenCV's versions is dealt with here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .devices import Device
from .errors import DeviceError, ModelError
from .model_file import ModelInfo


class Network:
    """A loaded network: call it on a blob to get the raw head maps.

    buffer: the model file's bytes, from `read_model`; path: for messages only.

    Raises ModelError if OpenCV cannot load the network or its outputs are not those that `info` describes.
    """

    def __init__(self, buffer: np.ndarray, info: ModelInfo, device: Device, path: Path) -> None:
        self.info = info
        self.path = path
        try:
            self._net = _load(buffer, device)
        except cv2.error as error:
            raise ModelError(f"OpenCV {cv2.__version__} cannot load {path}: {_reason(error)}") from error
        found = list(self._net.getUnconnectedOutLayersNames())
        if len(found) != len(info.strides):
            raise ModelError(
                f"{path} has {len(found)} outputs, but strides and anchors for {len(info.strides)}"
            )
        named = [f"out{i}" for i in range(len(found))]
        self._outputs = named if set(named) == set(found) else found  # OpenCV 4 lists them as the nodes come

    def __call__(self, blob: np.ndarray) -> list[np.ndarray]:
        """Run forward: the float32 (1, 3f², H/f, W/f) of `to_blob` to one (channels, ny, nx) per stride.

        Raises ModelError if OpenCV fails or a head map has not the shape that the ModelInfo asks for.
        """
        height, width = (side * self.info.fold for side in blob.shape[2:])
        try:
            self._net.setInput(blob)
            outputs = self._net.forward(self._outputs)  # a tuple in new versions, a list in old ones
        except cv2.error as error:
            raise ModelError(
                f"OpenCV cannot run {self.path} at {height} × {width}: {_reason(error)}"
            ) from error
        heads = []
        for output, stride, anchors in zip(outputs, self.info.strides, self.info.anchors, strict=True):
            channels = len(anchors) * (5 + len(self.info.names))
            shape = (1, channels, height // stride, width // stride)
            if output.shape != shape:
                raise ModelError(
                    f"{self.path} gives an output of shape {output.shape} where {len(anchors)} anchors, "
                    f"{len(self.info.names)} classes and the stride {stride} make {shape}"
                )
            heads.append(output[0])
        return heads


def _load(buffer: np.ndarray, device: Device) -> Any:
    """Make a cv2.dnn.Net for a device."""
    if device.name == "cpu" or not hasattr(cv2.dnn, "ENGINE_CLASSIC"):
        net = cv2.dnn.readNetFromONNX(buffer)
    else:
        net = _load_classic(buffer)
    net.setPreferableBackend(device.backend)
    if device.target != cv2.dnn.DNN_TARGET_CPU:  # that one is set already, and OpenCV 5 warns when told again
        net.setPreferableTarget(device.target)
    return net


def _load_classic(buffer: np.ndarray) -> Any:
    """Load into OpenCV 5's classic engine, the one that runs on other devices than the CPU.

    OpenCV 5.0 heeds the choice of an engine only when it reads a file itself; with bytes it silently takes
    the new engine. So the bytes, which differ from the model file's, are put into a file for it.
    """
    import tempfile  # with its own imports it would delay every start by some percent

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        buffer.tofile(path)
        net = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
    if not any(
        name.startswith("onnx_node!") for name in net.getLayerNames()
    ):  # what only the classic one does
        raise DeviceError("OpenCV loads the network into its new engine, which runs on the CPU only")
    return net


def _reason(error: cv2.error) -> str:
    """Find the telling part of an OpenCV error, which comes with paths and line numbers of its own source."""
    return (str(getattr(error, "err", "") or error).strip().splitlines() or ["for an unknown reason"])[0]
