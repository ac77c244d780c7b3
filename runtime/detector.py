"""The detector: letterbox → network → decode → NMS, on one image after the other."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, overload

import numpy as np

from .decode import decode
from .detections import Detections
from .devices import find_device
from .errors import InputError
from .letterbox import letterbox, letterbox_shape, to_bgr, to_blob, unletterbox
from .model_file import MAX_SIDE, ModelInfo, check_input, read_info, read_model
from .network import Network
from .nms import nms

DEFAULT_MODEL = Path(__file__).resolve().parent.parent / "weights" / "codes.onnx"


class Detector:
    """A YOLOv5 network, ready to be called on images.

    >>> detector = Detector("yolov5n.onnx")
    >>> detections = detector(cv2.imread("bus.jpg"))

    path: a model file made by `python -m convert`; without one, the model that comes with the package.
    device: one of `runtime.devices.DEVICES`.
    imgsz: the size to letterbox to, a number or (height, width), rounded up to multiples of the largest
        stride; by default the model's own. Only a model of free input size takes another.
    conf_thres: boxes must score above it, 0 to 1.
    iou_thres: boxes of one class that overlap more lose the worse one, 0 to 1.
    max_det: the most boxes an image may have.
    classes: names or numbers of the only classes to look for.
    agnostic_nms: let boxes of different classes suppress each other, too.
    multi_label: give a box every class that scores high enough, not just the best: what evaluations do.
    names, anchors, strides: replace the model file's; all three serve a file without metadata. Anchors are,
        for each output, (w, h) pairs in pixels.

    A detector may be called from several threads: a lock lets one call through at a time. Threads that shall
    detect at the same time need a detector each.

    Attributes: `path`, the model file; `info`, the ModelInfo; `device`, its name; `imgsz`, (height, width) in
    use; `timings`, milliseconds that the last call spent in each stage: letterbox (with the conversion to
    float), forward, decode and nms.

    Raises ModelError for the file, DeviceError for the device, InputError for any other argument.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        device: str = "cpu",
        imgsz: int | Sequence[int] | None = None,
        conf_thres: float = 0.25,
        iou_thres: float = 0.45,
        max_det: int = 1000,
        classes: Sequence[int | str] | None = None,
        agnostic_nms: bool = False,
        multi_label: bool = False,
        names: Sequence[str] | None = None,
        anchors: Sequence[Any] | None = None,
        strides: Sequence[int] | None = None,
    ) -> None:
        self.path = DEFAULT_MODEL if path is None else Path(path)
        buffer, metadata = read_model(self.path)
        self.info: ModelInfo = read_info(metadata, self.path, names, anchors, strides)
        self.conf_thres = _share(conf_thres, "conf_thres")
        self.iou_thres = _share(iou_thres, "iou_thres")
        if isinstance(max_det, bool) or not isinstance(max_det, int) or max_det < 1:
            raise InputError(f"max_det must be a whole number of at least 1, not {max_det!r}")
        self.max_det = max_det
        self.classes = _class_ids(classes, self.info.names)
        self.agnostic_nms = agnostic_nms
        self.multi_label = multi_label

        has_metadata = "imgsz" in metadata
        self.imgsz = _input_size(imgsz, self.info, free=self.info.dynamic or not has_metadata)
        if self.imgsz[0] > self.info.imgsz[0] or self.imgsz[1] > self.info.imgsz[1]:
            fold = self.info.fold
            check_input(buffer, (1, 3 * fold * fold, *(side // fold for side in self.imgsz)), self.path)
        self._stride = max(self.info.strides) if self.info.dynamic else None
        self._bytes, self._floats = np.empty((2, 0), np.uint8), np.empty(0, np.float32)
        self.device = device
        self._network = self._load(buffer, device)
        self._lock = threading.Lock()
        self.timings: dict[str, float] = {}

    def _load(self, buffer: np.ndarray, device: str) -> Callable[[np.ndarray], list[np.ndarray]]:
        """Load what computes head maps from a blob. The benchmark puts other programs in its place."""
        return Network(buffer, self.info, find_device(device), self.path)

    def warmup(self) -> None:
        """Run once on a grey image of the full input size.

        The first forward pass of a size prepares the network, which takes milliseconds on a CPU and up to a
        minute on other devices.
        """
        self(np.full((*self.imgsz, 3), 114, np.uint8))

    @overload
    def __call__(self, image: np.ndarray) -> Detections: ...

    @overload
    def __call__(self, image: Sequence[np.ndarray]) -> list[Detections]: ...

    def __call__(self, image: np.ndarray | Sequence[np.ndarray]) -> Detections | list[Detections]:
        """Detect in one image, or in each of a list.

        image: BGR, uint8 (h, w, 3); also (h, w), (h, w, 1), (h, w, 4) BGRA, and uint16.
        Returns Detections, or a list of them. Raises InputError for anything that is not an image, ModelError
        if the network doesn't fit its metadata.
        """
        single = not isinstance(image, list | tuple)
        images = [to_bgr(image)] if single else [to_bgr(each) for each in image]
        with self._lock:
            timings = dict.fromkeys(("letterbox", "forward", "decode", "nms"), 0.0)
            results = [self._detect(each, timings) for each in images]
            self.timings = timings
        return results[0] if single else results

    def _detect(self, image: np.ndarray, timings: dict[str, float]) -> Detections:
        """Run the four stages on a BGR image and add to each one's milliseconds."""
        image_hw = (image.shape[0], image.shape[1])
        clock = [perf_counter()]

        canvas, blob, planes = self._buffers(*letterbox_shape(image_hw, self.imgsz, self._stride))
        _, placement = letterbox(image, self.imgsz, self._stride, out=canvas)
        to_blob(canvas, self.info.fold, out=blob, planes=planes)
        clock.append(perf_counter())

        heads = self._network(blob)
        clock.append(perf_counter())

        xyxy, scores, class_ids = decode(
            heads, self.info.anchors, self.info.strides, self.conf_thres, self.multi_label
        )
        if self.classes is not None:
            wanted = np.isin(class_ids, self.classes)
            xyxy, scores, class_ids = xyxy[wanted], scores[wanted], class_ids[wanted]
        clock.append(perf_counter())

        keep = nms(xyxy, scores, class_ids, self.iou_thres, self.max_det, self.agnostic_nms)
        boxes = unletterbox(xyxy[keep], placement, image_hw)
        clock.append(perf_counter())

        for stage, start, end in zip(timings, clock, clock[1:], strict=False):
            timings[stage] += (end - start) * 1000
        return Detections(boxes, scores[keep], class_ids[keep], self.info.names)

    def _buffers(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the canvas, the blob and the planes for an input size, from memory that all calls share."""
        size, fold = height * width * 3, self.info.fold
        if self._floats.size < size:
            self._bytes, self._floats = np.empty((2, size), np.uint8), np.empty(size, np.float32)
        shape = (3 * fold * fold, height // fold, width // fold)
        return (
            self._bytes[0, :size].reshape(height, width, 3),
            self._floats[:size].reshape(1, *shape),
            self._bytes[1, :size].reshape(shape),
        )


def _share(value: float, name: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not 0 <= share <= 1:
        raise InputError(f"{name} must be a number from 0 to 1, not {value!r}")
    return share


def _class_ids(classes: Sequence[int | str] | None, names: tuple[str, ...]) -> list[int] | None:
    """Turn names and numbers of classes into numbers."""
    if classes is None:
        return None
    ids = []
    for each in [classes] if isinstance(classes, str) else classes:
        if isinstance(each, str) and each in names:
            ids += [i for i, name in enumerate(names) if name == each]
        elif str(each).isdecimal() and int(each) < len(names):
            ids.append(int(each))
        else:
            raise InputError(
                f"there is no class {each!r}; the model has 0 to {len(names) - 1}: {', '.join(names[:100])}"
            )
    return ids


def _input_size(imgsz: int | Sequence[int] | None, info: ModelInfo, free: bool) -> tuple[int, int]:
    """Choose the size (h, w) to letterbox to."""
    if imgsz is None:
        return info.imgsz
    try:
        sides = [operator.index(side) for side in (imgsz if isinstance(imgsz, Sequence) else [imgsz])]
    except TypeError:
        sides = []
    if len(sides) == 1:
        sides *= 2
    if len(sides) != 2 or not all(0 < side <= MAX_SIDE for side in sides):
        raise InputError(f"imgsz must be one or two whole numbers from 1 to {MAX_SIDE}, not {imgsz!r}")
    stride = max(info.strides)
    height, width = (math.ceil(side / stride) * stride for side in sides)
    if (height, width) != info.imgsz and not free:
        raise InputError(
            f"this model takes {info.imgsz[0]} × {info.imgsz[1]} only, not {height} × {width}; convert its "
            f"checkpoint with --imgsz {height} {width}, or with --focus conv for a free size"
        )
    return height, width
