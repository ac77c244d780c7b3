"""The classifier: crop → network → softmax, on one image after the other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import ClassVar, overload

import numpy as np

from ..engines.load import Load, load_network
from ..errors import InputError
from ..model.file import ModelFile, read_model
from ..results.classification import Classification
from ..stages.crop import CROPS
from ..stages.letterbox import GREY, to_bgr
from ..tasks import Classify
from ..tasks.model_info import ModelInfo, input_size
from ..tasks.read_info import read_info
from .settings import positive

STAGES = ("crop", "forward", "softmax")  # crop with the conversion to floats


class Classifier:
    """A YOLOv5 classifier, ready to be called on images.

    >>> classifier = Classifier("yolov5n-cls.onnx")
    >>> classifier(cv2.imread("apple.jpg")).top(3)

    The stages of a call, for those who want to do something in between:

    >>> blob, place = classifier.prepare(image)
    >>> outputs = classifier.forward(blob)  # the logits, as the only one
    >>> classification = classifier.decode(outputs, place)

    path: a model file made by `python -m convert`, or a ModelFile from `read_model`, which is not read again.
    device: one of `runtime.engines.load.DEVICES`.
    imgsz: the side of the square that the image's middle is scaled to; by default the model's own. Only a
        model of free input size takes another, rounded up to a multiple of its size_multiple.
    crop: how images are cut, one of `stages.crop.CROPS`; by default as the model file says, which is as
        YOLOv5 v7.0 cuts them, also for networks that v6.2 trained: a checkpoint does not tell the two apart.
    top: how many classes a result shows, writes and draws.
    load: what loads the network, see Detector.

    A classifier may be called from several threads: a lock lets one call through at a time; `prepare`,
    `forward` and `decode` do not lock.

    Attributes: `path`, the model file; `info`, the ModelInfo; `names`, of the classes; `device`, its name;
    `imgsz`, the side in use; `crop`; `settings`, what a call may replace, with its values: `top`.

    Raises ModelError for the file, DeviceError for the device, InputError for any other argument.
    """

    stages: ClassVar = STAGES

    def __init__(
        self,
        path: str | Path | ModelFile,
        *,
        device: str = "cpu",
        imgsz: int | Sequence[int] | None = None,
        crop: str | None = None,
        top: int = 5,
        load: Load = load_network,
    ) -> None:
        """Read a model file and load its network; the class says what each argument is and what is raised."""
        file = path if isinstance(path, ModelFile) else read_model(path)
        self.path = file.path
        self.info: ModelInfo = read_info(file.metadata, self.path)
        self._task = self.info.require(Classify, "classifier", self.path)
        if crop not in (None, *CROPS):
            raise InputError(f"crop must be {' or '.join(CROPS)}, not {crop!r}")
        self.crop = crop or self._task.crop
        self.names = self.info.names
        height, width = input_size(imgsz, self.info, free=self.info.dynamic)
        if height != width:
            raise InputError(f"a classifier's input is square, not {height} × {width}")
        file.check_input(self.info.input_shape((height, width)))
        self.imgsz = height
        self.settings = {"top": positive(top, "top")}
        self.device = device
        self._network = load(file.buffer, replace(self.info, imgsz=(height, width)), device, self.path)
        self._lock = threading.Lock()

    def warmup(self) -> None:
        """Run once on a grey image: the first pass prepares the network."""
        self(np.full((self.imgsz, self.imgsz, 3), GREY, np.uint8))

    @overload
    def __call__(self, image: np.ndarray, *, top: int | None = None) -> Classification: ...

    @overload
    def __call__(self, image: Sequence[np.ndarray], *, top: int | None = None) -> list[Classification]: ...

    def __call__(
        self, image: np.ndarray | Sequence[np.ndarray], *, top: int | None = None
    ) -> Classification | list[Classification]:
        """Classify one image, or each of a list.

        image: BGR, uint8 (h, w, 3); also (h, w), (h, w, 1), (h, w, 4) BGRA, and uint16.
        top: how many classes are shown; by default as the Classifier was made.
        Returns a Classification, or a list of them. Raises InputError for anything that is not an image,
        ModelError if the network doesn't fit its metadata or its output is not a number.
        """
        single = not isinstance(image, list | tuple)
        images = [to_bgr(image)] if single else [to_bgr(each) for each in image]
        with self._lock:
            results = [self._classify(each, top) for each in images]
        return results[0] if single else results

    def prepare(self, image: np.ndarray) -> tuple[np.ndarray, None]:
        """Cut an image to the network's input.

        image: as for a call. Returns the blob, float32 (1, 3, side, side), and None: no place is needed to
        decode classes. Raises InputError for what is not an image.
        """
        return self._task.prepare(to_bgr(image), self.imgsz, self.crop), None

    def forward(self, blob: np.ndarray) -> list[np.ndarray]:
        """Run the network on a blob. Gives its output, the logits, float32 (classes,). Raises ModelError."""
        return self._network(blob)

    def decode(
        self, outputs: Sequence[np.ndarray], place: None = None, *, top: int | None = None
    ) -> Classification:
        """Turn the logits into probabilities, with the timing of this stage alone.

        Raises InputError for a wrong `top`, ModelError if the logits are not numbers.
        """
        start = perf_counter()
        found = self._task.classification(outputs)
        found.shown = self.settings["top"] if top is None else positive(top, "top")
        found.timings = {STAGES[2]: (perf_counter() - start) * 1000}
        return found

    def _classify(self, image: np.ndarray, top: int | None) -> Classification:
        start = perf_counter()
        blob, place = self.prepare(image)
        prepared = perf_counter()
        outputs = self.forward(blob)
        done = perf_counter()
        found = self.decode(outputs, place, top=top)
        before = dict(zip(STAGES, ((prepared - start) * 1000, (done - prepared) * 1000), strict=False))
        found.timings = {**before, **found.timings}
        return found
