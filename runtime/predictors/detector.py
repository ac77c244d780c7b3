"""The detector: letterbox → network → decode → NMS, on one image after the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

import numpy as np

from ..engines.load import Load, load_network
from ..errors import NOT_FINITE, InputError, ModelError
from ..model.file import ModelFile, read_model
from ..results.detections import Detections
from ..stages.letterbox import GREY, Placement, to_channels
from ..stages.nms import nms
from ..tasks import BoxTask
from ..tasks.model_info import ModelInfo, input_size
from ..tasks.read_info import read_info
from .settings import Settings, check_settings
from .tiles import MIN_TILE, merge_windows, tile_windows

if TYPE_CHECKING:
    from typing_extensions import Unpack  # of the standard library from Python 3.11 on

STAGES = ("letterbox", "forward", "decode", "nms")  # letterbox with the conversion to floats
DEFAULT_MODEL = Path(__file__).resolve().parents[2] / "weights" / "codes.onnx"


class Place(NamedTuple):
    """Where an image lies on the network's input, and its own size, (h, w)."""

    placement: Placement
    image_hw: tuple[int, int]


class Detector:
    """A YOLOv5 network, ready to be called on images.

    >>> detector = Detector("yolov5n.onnx")
    >>> detections = detector(cv2.imread("bus.jpg"))
    >>> detections = detector(cv2.imread("bus.jpg"), conf_thres=0.5, classes=["person"])  # this call alone

    The stages of a call, for those who want to do something in between:

    >>> blob, place = detector.prepare(image)
    >>> outputs = detector.forward(blob)  # raw, in the order of `detector.info.task.outputs`
    >>> detections = detector.decode(outputs, place, conf_thres=0.5)

    path: a model file made by `python -m convert`, or a ModelFile from `read_model`, which is not read again;
        without one, the model that comes with the package.
    device: one of `runtime.engines.load.DEVICES`.
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
    detect at the same time need a detector each. `prepare`, `forward` and `decode` do not lock: they are for
    one thread at a time.

    Attributes: `path`, the model file; `info`, the ModelInfo; `names`, of the classes; `device`, its name;
    `imgsz`, (height, width) in use; `rect`, whether rectangles are made use of; `tiles`; `network`, what
    `load` gave; `settings`, what a call may replace, with its values; `stages`, the names of `timings`.

    Raises ModelError for the file, DeviceError for the device, InputError for any other argument.
    """

    stages: ClassVar = STAGES

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
        load: Load = load_network,
    ) -> None:
        """Read a model file and load its network; the class says what each argument is and what is raised."""
        file = path if isinstance(path, ModelFile) else read_model(DEFAULT_MODEL if path is None else path)
        self.path = file.path
        self.info: ModelInfo = read_info(file.metadata, self.path, names, anchors, strides)
        self._task = self.info.require(
            BoxTask,  # type: ignore[type-abstract]  # nothing is made of it
            "model to detect with",
            self.path,
        )
        self.names = self.info.names
        self.settings = check_settings(
            {
                "conf_thres": self._task.conf_thres if conf_thres is None else conf_thres,
                "iou_thres": self._task.iou_thres if iou_thres is None else iou_thres,
                "max_det": max_det,
                "classes": classes,
                "agnostic_nms": agnostic_nms,
                "multi_label": multi_label,
                "boxes_only": False,
            },
            self.names,
        )
        if tiles is not None and (isinstance(tiles, bool) or not isinstance(tiles, int) or tiles < MIN_TILE):
            raise InputError(f"tiles must be a whole number of at least {MIN_TILE} pixels, not {tiles!r}")
        self.tiles = tiles

        has_metadata = "imgsz" in file.metadata
        self.imgsz = input_size(imgsz, self.info, free=self.info.dynamic or not has_metadata)
        file.check_input(self.info.input_shape(self.imgsz))
        self.rect = rect and self.info.dynamic
        multiple = self.info.size_multiple if self.rect else None
        self._letterbox = self._task.prepare(self.imgsz, multiple, self.info.fold)
        self.device = device
        used = replace(self.info, imgsz=self.imgsz, dynamic=self.rect)
        self.network = load(file.buffer, used, device, self.path)
        self._lock = threading.Lock()

    def warmup(self) -> None:
        """Run once on a grey image of the full input size.

        The first forward pass of a size prepares the network, which takes milliseconds on a CPU and up to a
        minute on other devices.
        """
        self(np.full((*self.imgsz, self.info.channels), GREY, np.uint8))

    @overload
    def __call__(self, image: np.ndarray, **settings: Unpack[Settings]) -> Detections: ...

    @overload
    def __call__(self, image: Sequence[np.ndarray], **settings: Unpack[Settings]) -> list[Detections]: ...

    def __call__(
        self, image: np.ndarray | Sequence[np.ndarray], **settings: Unpack[Settings]
    ) -> Detections | list[Detections]:
        """Detect in one image, or in each of a list.

        image: BGR, uint8 (h, w, 3); also (h, w), (h, w, 1), (h, w, 4) BGRA, and uint16; for a model of one
            channel, too, which gets it in grey. For a model of another number of channels,
            `detector.info.channels`, (h, w, channels) as they are.
        settings: for this call alone, see Settings; what is not given is as the Detector was made.
        Returns Detections, or a list of them. Raises InputError for anything that is not an image and for a
        wrong setting, ModelError if the network doesn't fit its metadata.
        """
        used = check_settings({**self.settings, **settings}, self.names)
        single = not isinstance(image, list | tuple)
        channels = self.info.channels
        images = [to_channels(each, channels) for each in ([image] if single else image)]
        with self._lock:
            detect = self._in_tiles if self.tiles else self._whole
            results = [detect(each, used) for each in images]
        return results[0] if single else results

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, Place]:
        """Letterbox an image into the network's input.

        image: as for a call. Returns the blob, float32 (1, 3f², H/f, W/f), whose memory the next `prepare`
        writes to, and where the image lies on it. Raises InputError for what is not an image.
        """
        image = to_channels(image, self.info.channels)
        blob, placement = self._letterbox(image)
        return blob, Place(placement, (image.shape[0], image.shape[1]))

    def forward(self, blob: np.ndarray) -> list[np.ndarray]:
        """Run the network on a blob. Gives its outputs, each without its first axis. Raises ModelError."""
        return self.network(blob)

    def decode(self, outputs: Sequence[np.ndarray], place: Place, **settings: Unpack[Settings]) -> Detections:
        """Find the boxes in the network's outputs and choose among them: decode, NMS, back to the image.

        place: what `prepare` gave for the image; settings: as for a call. The timings of what is returned
        have these stages alone. Raises InputError for a wrong setting, ModelError for outputs that are not
        numbers.
        """
        return self._decode(outputs, place, check_settings({**self.settings, **settings}, self.names))

    def _in_tiles(self, image: np.ndarray, settings: Settings) -> Detections:
        """Detect in the whole of a BGR image and in its tiles; timings are the sums of all."""
        image_hw = (image.shape[0], image.shape[1])
        windows = tile_windows(image_hw, self.tiles or 0)
        parts = [self._whole(image[top:bottom, left:right], settings) for left, top, right, bottom in windows]
        if len(parts) == 1:
            return parts[0]
        start = perf_counter()
        merged = merge_windows(
            parts, windows, image_hw, settings["iou_thres"], settings["max_det"], settings["agnostic_nms"]
        )
        merged.timings["nms"] += (perf_counter() - start) * 1000
        return merged

    def _whole(self, image: np.ndarray, settings: Settings) -> Detections:
        """Run the four stages on a BGR image."""
        start = perf_counter()
        blob, place = self.prepare(image)
        prepared = perf_counter()
        outputs = self.forward(blob)
        done = perf_counter()
        detections = self._decode(outputs, place, settings)
        before = dict(zip(STAGES, ((prepared - start) * 1000, (done - prepared) * 1000), strict=False))
        detections.timings = {**before, **detections.timings}
        return detections

    def _decode(self, outputs: Sequence[np.ndarray], place: Place, settings: Settings) -> Detections:
        start = perf_counter()
        candidates = self._task.decode(outputs, settings["conf_thres"], settings["multi_label"])
        if settings["classes"] is not None:
            candidates = candidates[np.isin(candidates.class_ids, settings["classes"])]
        decoded = perf_counter()

        chosen = nms(candidates, settings["iou_thres"], settings["max_det"], settings["agnostic_nms"])
        kept = candidates[chosen]
        if not all(np.isfinite(column).all() for column in (kept.xyxy, kept.scores, kept.extra)):
            raise ModelError(NOT_FINITE)
        if settings["boxes_only"]:
            detections = self._task.boxes(kept, *place)
        else:
            detections = self._task.detections(kept, outputs, *place)
        milliseconds = (decoded - start) * 1000, (perf_counter() - decoded) * 1000
        detections.timings = dict(zip(STAGES[2:], milliseconds, strict=True))
        return detections
