"""The network as OpenCV runs it. What differs between OpenCV's versions is dealt with here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import DeviceError, ModelError, first_line
from ..escape import escape_value
from ..model.buffer import for_onnxruntime, opset_of
from ..tasks.model_info import ModelInfo
from .devices import Device, find_device
from .outputs import in_order, of_the_image


class Network:
    """A loaded network: call it on a blob to get its outputs.

    buffer: the model file's bytes, from `read_model`; device: one of `engines.devices.DEVICES`; path: for
    messages only.

    Raises DeviceError if there is no such device, ModelError if OpenCV cannot load the network or its outputs
    are not those that `info` describes.
    """

    def __init__(self, buffer: np.ndarray, info: ModelInfo, device: str, path: Path) -> None:
        self.info = info
        self.path = path
        if info.task.whole_numbers and (device != "cpu" or not hasattr(cv2.dnn, "ENGINE_CLASSIC")):
            raise ModelError(
                f"{path} chooses its boxes by whole numbers, which OpenCV {cv2.__version__} on the device "
                f"{device} takes for fractions: run it with OpenCV 5 on the cpu, or export it without NMS"
            )
        try:
            self._net = _load(buffer, find_device(device), info)
        except cv2.error as error:
            raise ModelError(
                f"OpenCV {cv2.__version__} cannot load {path}: {first_line(error)}{_newer(buffer)}"
            ) from error
        # OpenCV 4 lists them as the nodes come
        self._outputs = in_order(self._net.getUnconnectedOutLayersNames(), info, path)
        # Kept until a pass has succeeded, for another engine in case that this one fails.
        self._buffer = buffer if self._has_another_engine(device) else None

    def __call__(self, blob: np.ndarray) -> list[np.ndarray]:
        """Run forward: from float32 (1, 3f², H/f, W/f), as `to_blob` gives it, to the image's outputs.

        They come in the order and in the shapes that the task names: a head map is (channels, ny, nx).
        Raises ModelError if OpenCV fails or an output has another shape.
        """
        height, width = (side * self.info.fold for side in blob.shape[2:])
        try:
            outputs = self._forward(blob)
        except cv2.error as error:
            raise ModelError(
                f"OpenCV cannot run {self.path} at {height} × {width}: {first_line(error)}"
            ) from error
        for name, output in zip(self._outputs, outputs, strict=True):
            if output is None:  # as the sigmoid of x · sigmoid(x), which OpenCV 5 makes one layer
                raise ModelError(
                    f"{self.path} has the output {escape_value(name)}, which OpenCV {cv2.__version__} fuses "
                    "with the operators after it; export the network without those, or convert its checkpoint"
                )
        return of_the_image(outputs, self.info, self.path, (height, width))

    def _forward(self, blob: np.ndarray) -> Sequence[np.ndarray]:
        """Run the network; where OpenCV 5's new engine fails at the first pass, in the classic one.

        In 5.0.0 the new one fails on x · conv(x) where the convolution has one channel, as attention has it
        (CBAM), and takes no input of float16 or uint8.
        """
        try:
            self._net.setInput(blob)
            outputs: Sequence[np.ndarray] = self._net.forward(self._outputs)  # in old versions a list
        except cv2.error:
            if self._buffer is None:
                raise
            buffer, self._buffer = self._buffer, None
            net = _load_classic(buffer)
            net.setInput(blob)
            outputs = net.forward(self._outputs)
            self._net = net
            warnings.warn(
                f"OpenCV {cv2.__version__}'s new engine cannot run {self.path}; its classic engine runs it, "
                "which is slower",
                stacklevel=4,
            )
        self._buffer = None
        return outputs

    def _has_another_engine(self, device: str) -> bool:
        """Whether what fails in the engine in use could run in another one, which counts no places."""
        return device == "cpu" and hasattr(cv2.dnn, "ENGINE_CLASSIC") and not self.info.task.whole_numbers


def _newer(buffer: np.ndarray) -> str:
    """Say, of a file that OpenCV 4 cannot read, what can: for the end of a message."""
    if hasattr(cv2.dnn, "ENGINE_CLASSIC"):
        return ""
    return (
        f"; the file is of opset {opset_of(buffer)}: OpenCV 5 reads more, or export it again with --opset 12"
    )


def _load(buffer: np.ndarray, device: Device, info: ModelInfo) -> Any:
    """Make a cv2.dnn.Net for a device."""
    if not hasattr(cv2.dnn, "ENGINE_CLASSIC"):
        net = cv2.dnn.readNetFromONNX(buffer)
    elif device.name == "cpu":
        keep_freed_memory()
        net = cv2.dnn.readNetFromONNX(buffer)
    elif device.name == "onnxruntime":
        return _load_onnxruntime(for_onnxruntime(buffer, info.dynamic))
    else:
        net = _load_classic(buffer)
    net.setPreferableBackend(device.backend)
    if device.target != cv2.dnn.DNN_TARGET_CPU:  # that one is set already, and OpenCV 5 warns when told again
        net.setPreferableTarget(device.target)
    return net


@lru_cache(1)
def keep_freed_memory() -> None:
    """Tell glibc to keep large buffers that are freed for the next ones that are asked for.

    OpenCV 5's new engine asks for its intermediate maps anew in each forward pass. By default glibc takes
    buffers of that size from the system and gives them back, and each of their pages is zeroed again when it
    is touched: 3952 page faults a pass of yolov5n at 640 × 640, and 6 to 12 % of the time (`SPEED.md`). The
    process takes no more memory for it. Other systems' C libraries have no such switch, and need none here.

    glibc before 2.35 takes no threshold above 32 MB. Without one, the other limit is left alone, too: setting
    either stops glibc from raising both by itself.
    """
    m_trim_threshold, m_mmap_threshold = -1, -3  # malloc.h
    if mallopt(m_mmap_threshold, 1 << 30) or mallopt(m_mmap_threshold, 32 << 20):
        mallopt(m_trim_threshold, (1 << 31) - 1)


def mallopt(parameter: int, value: int) -> bool:
    """Set one of glibc's parameters for memory. Returns False if it, or another system, does not take it."""
    import ctypes

    try:
        return bool(ctypes.CDLL("libc.so.6").mallopt(parameter, value))
    except (OSError, AttributeError):
        return False


def _load_classic(buffer: np.ndarray) -> Any:
    """Load into OpenCV 5's classic engine, the one that runs on other devices than the CPU."""
    with _as_file(buffer) as path:
        net = cv2.dnn.readNetFromONNX(path, engine=cv2.dnn.ENGINE_CLASSIC)
    # Only the classic one calls its layers so.
    if not any(name.startswith("onnx_node!") for name in net.getLayerNames()):
        raise DeviceError("OpenCV loads the network into its new engine, which runs on the CPU only")
    return net


def _load_onnxruntime(buffer: np.ndarray) -> Any:
    """Load into onnxruntime, as an engine of OpenCV 5. It takes as many threads as there are cores."""
    with _as_file(buffer) as path:
        net = cv2.dnn.readNetFromONNX(path, engine=cv2.dnn.ENGINE_ORT)
        net.finalizeNet()  # reads the file, which otherwise waits for the first forward pass
    return net


@contextmanager
def _as_file(buffer: np.ndarray) -> Iterator[str]:
    """Give the path of a file of these bytes, which is there for a while.

    OpenCV 5.0 heeds the choice of an engine only when it reads a file itself; with bytes it silently takes
    the new engine, or refuses. The model file is not that file: it could have changed since it was checked.
    """
    import tempfile  # with its own imports it would delay every start by some percent

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        buffer.tofile(path)
        yield str(path)
