"""The detector: letterbox → network → decode → NMS, on one image after the other."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, overload

import numpy as np

from ..engines.network import Network
from ..errors import NOT_FINITE, InputError, ModelError
from ..model.file import ModelFile, read_model
from ..results.detections import Detections
from ..stages.letterbox import GREY, to_bgr
from ..stages.nms import nms
from ..tasks import BoxTask
from ..tasks.model_info import ModelInfo, input_size, wrong_user
from ..tasks.read_info import read_info
from .tiles import MIN_TILE, merge_windows, tile_windows

STAGES = ("letterbox", "forward", "decode", "nms")  # letterbox with the conversion to floats
DEFAULT_MODEL = Path(__file__).resolve().parents[2] / "weights" / "codes.onnx"

Load = Callable[[np.ndarray, ModelInfo, str, Path], Callable[[np.ndarray], list[np.ndarray]]]


class Detector:
    """A YOLOv5 network, ready to be called on images.

    >>> detector = Detector("yolov5n.onnx")
    >>> detections = detector(cv2.imread("bus.jpg"))

    path: a model file made by `python -m convert`, or a ModelFile from `read_model`, which is not read again;
        without one, the model that comes with the package.
    device: one of `runtime.engines.devices.DEVICES`.
    imgsz: the size to letterbox to, a number or (height, width), rounded up to multiples of the model's
        size_multiple; by default the model's own. Only a model of free input size takes another.
    conf_thres: boxes must score above it, 0 to 1; by default what is usual for the model's task: 0.25, or
        0.6 for keypoints.
    iou_thres: boxes of one class that overlap more lose the worse one, 0 to 1; by default 0.45, or 0.7
        for models without anchors, 0.5 for keypoints.
    max_det: the most boxes an image may have.
    classes: names or numbers of the only classes to look for.
    agnostic_nms: let boxes of different classes suppress each other, too.
    multi_label: give a box every class that scores high enough, not just the best: what evaluations do.
    rect: letterbox to the smallest rectangle that the network takes; otherwise to the whole of `imgsz`, as a
        model of fixed input size always does.
    tiles: look at the whole image and also at overlapping tiles of so many pixels a side: for objects that
        would be too small for the network if a large image were scaled down to its input. The model's input
        size is a good choice; a forward pass for each tile is the price.
    names, anchors, strides: replace the model file's; all three serve a file without metadata. Anchors are,
        for each output, (w, h) pairs in pixels.
    load: what loads the network: called with the model file's bytes, the ModelInfo (its `imgsz` and `dynamic`
        those that this detector makes use of), the device and the path, it gives what is then called with
        each blob, float32 (1, 3f², H/f, W/f), and gives the list of the outputs, each without its first axis.

    A detector may be called from several threads: a lock lets one call through at a time. Threads that shall
    detect at the same time need a detector each.

    Attributes: `path`, the model file; `info`, the ModelInfo; `names`, of the classes; `device`, its name;
    `imgsz`, (height, width) in use; `rect`, whether rectangles are made use of; `tiles`; `network`, what
    `load` gave; and those that may be set between calls: `conf_thres`, `iou_thres`, `max_det`,
    `classes` (numbers, or None), `agnostic_nms`, `multi_label`, and `boxes_only`: leave out masks and
    keypoints, and the time that they take.

    Raises ModelError for the file, DeviceError for the device, InputError for any other argument.
    """

    def __init__(
        self,
        path: str | Path | ModelFile | None = None,
        *,
        device: str = "cpu",
        imgsz: int | Sequence[int] | None = None,
        conf_thres: float | None = None,
        iou_thres: float | None = None,
        max_det: int = 1000,
        classes: Sequence[int | str] | None = None,
        agnostic_nms: bool = False,
        multi_label: bool = False,
        rect: bool = True,
        tiles: int | None = None,
        names: Sequence[str] | None = None,
        anchors: Sequence[Any] | None = None,
        strides: Sequence[int] | None = None,
        load: Load = Network,
    ) -> None:
        """Read a model file and load its network; the class says what each argument is and what is raised."""
        file = path if isinstance(path, ModelFile) else read_model(DEFAULT_MODEL if path is None else path)
        self.path = file.path
        self.info: ModelInfo = read_info(file.metadata, self.path, names, anchors, strides)
        if not isinstance(self.info.head, BoxTask):
            raise wrong_user(self.path, "no model to detect with", self.info)
        self._task = self.info.head
        self.names = self.info.names
        self.conf_thres = _share(self._task.conf_thres if conf_thres is None else conf_thres, "conf_thres")
        self.iou_thres = _share(self._task.iou_thres if iou_thres is None else iou_thres, "iou_thres")
        if isinstance(max_det, bool) or not isinstance(max_det, int) or max_det < 1:
            raise InputError(f"max_det must be a whole number of at least 1, not {max_det!r}")
        self.max_det = max_det
        self.classes = _class_ids(classes, self.info.names)
        self.agnostic_nms = agnostic_nms
        if tiles is not None and (isinstance(tiles, bool) or not isinstance(tiles, int) or tiles < MIN_TILE):
            raise InputError(f"tiles must be a whole number of at least {MIN_TILE} pixels, not {tiles!r}")
        self.tiles = tiles
        self.multi_label = multi_label
        self.boxes_only = False

        has_metadata = "imgsz" in file.metadata
        self.imgsz = input_size(imgsz, self.info, free=self.info.dynamic or not has_metadata)
        file.check_input(self.info.input_shape(self.imgsz))
        self.rect = rect and self.info.dynamic
        multiple = self.info.size_multiple if self.rect else None
        self._prepare = self._task.prepare(self.imgsz, multiple, self.info.fold)
        self.device = device
        used = replace(self.info, imgsz=self.imgsz, dynamic=self.rect)
        self.network = load(file.buffer, used, device, self.path)
        self._lock = threading.Lock()

    def warmup(self) -> None:
        """Run once on a grey image of the full input size.

        The first forward pass of a size prepares the network, which takes milliseconds on a CPU and up to a
        minute on other devices.
        """
        self(np.full((*self.imgsz, 3), GREY, np.uint8))

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
            results = [self._detect_tiles(each) if self.tiles else self._detect(each) for each in images]
        return results[0] if single else results

    def _detect_tiles(self, image: np.ndarray) -> Detections:
        """Detect in the whole of a BGR image and in its tiles; timings are the sums of all."""
        image_hw = (image.shape[0], image.shape[1])
        windows = tile_windows(image_hw, self.tiles or 0)
        parts = [self._detect(image[top:bottom, left:right]) for left, top, right, bottom in windows]
        if len(parts) == 1:
            return parts[0]
        start = perf_counter()
        merged = merge_windows(parts, windows, image_hw, self.iou_thres, self.max_det, self.agnostic_nms)
        merged.timings["nms"] += (perf_counter() - start) * 1000
        return merged

    def _detect(self, image: np.ndarray) -> Detections:
        """Run the four stages on a BGR image."""
        image_hw = (image.shape[0], image.shape[1])
        clock = [perf_counter()]

        blob, placement = self._prepare(image)
        clock.append(perf_counter())

        outputs = self.network(blob)
        clock.append(perf_counter())

        candidates = self._task.decode(outputs, self.conf_thres, self.multi_label)
        if self.classes is not None:
            candidates = candidates[np.isin(candidates.class_ids, self.classes)]
        clock.append(perf_counter())

        kept = candidates[nms(candidates, self.iou_thres, self.max_det, self.agnostic_nms)]
        if not all(np.isfinite(column).all() for column in (kept.xyxy, kept.scores, kept.extra)):
            raise ModelError(NOT_FINITE)
        if self.boxes_only:
            detections = self._task.boxes(kept, placement, image_hw)
        else:
            detections = self._task.detections(kept, outputs, placement, image_hw)
        clock.append(perf_counter())

        milliseconds = ((end - start) * 1000 for start, end in pairwise(clock))
        detections.timings = dict(zip(STAGES, milliseconds, strict=True))
        return detections


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
