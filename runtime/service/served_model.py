"""One version of a model in service: a predictor for each worker, and the outputs it offers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..engines.network import Network
from ..model.file import read_model
from ..predictors import classifier, detector
from ..predictors.classifier import Classifier
from ..predictors.detector import Detector
from ..stages.letterbox import GREY
from ..tasks import BoxTask
from ..tasks.model_info import ModelInfo
from ..tasks.read_info import read_info
from .outputs import offered
from .request import SETTINGS


class Stamp(NamedTuple):
    """What changes when a file is replaced or written to."""

    inode: int
    size: int
    changed: int  # in nanoseconds


def stamp(path: Path) -> Stamp:
    """Read a file's stamp. Raises OSError."""
    status = path.stat()
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def digest(path: Path) -> str:
    """Compute a file's SHA-256. Raises OSError."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            sha.update(part)
    return sha.hexdigest()


class Predictor:
    """A detector or classifier, whichever the model file is for, that keeps the network's raw outputs.

    For one thread. heads: of the last record, by the name that the model file gives them, each (1, …).
    """

    def __init__(self, path: Path, **options: Any) -> None:
        file = read_model(path)
        self.info: ModelInfo = read_info(file.metadata, path)
        self.heads: dict[str, np.ndarray] = {}
        self.model: Any
        self._blob: Callable[[np.ndarray], np.ndarray]
        task: Any = self.info.head
        if isinstance(task, BoxTask):
            self.model = Detector(file, load=self._load, **options)
            multiple = self.info.size_multiple if self.model.rect else None
            place = task.prepare(self.model.imgsz, multiple, self.info.fold)
            self._blob, self._stages = lambda image: place(image)[0], detector.STAGES[:2]
        else:
            self.model = Classifier(file, load=self._load, **options)
            cut, side, crop = task.prepare, self.model.imgsz, self.model.crop
            self._blob, self._stages = lambda image: cut(image, side, crop), classifier.STAGES[:2]

    def __call__(self, image: np.ndarray, boxes_only: bool = False) -> Any:
        """Give Detections or a Classification of a BGR image. Raises what the model raises.

        boxes_only: leave out masks and keypoints.
        """
        if isinstance(self.model, Detector):
            self.model.boxes_only = boxes_only
        return self.model(image)

    def forward(self, image: np.ndarray) -> dict[str, float]:
        """Run the network on a BGR image for `heads` alone; nothing is decoded.

        Returns the milliseconds of the two stages. Raises what the model raises.
        """
        clock = [perf_counter()]
        blob = self._blob(image)
        clock.append(perf_counter())
        self._network(blob)
        clock.append(perf_counter())
        return {
            stage: (end - start) * 1000
            for stage, (start, end) in zip(self._stages, pairwise(clock), strict=True)
        }

    def _load(
        self, buffer: np.ndarray, info: ModelInfo, device: str, path: Path
    ) -> Callable[[np.ndarray], list[np.ndarray]]:
        network, names = Network(buffer, info, device, path), info.head.outputs

        def listen(blob: np.ndarray) -> list[np.ndarray]:
            outputs = network(blob)
            self.heads = {name: output[None] for name, output in zip(names, outputs, strict=True)}
            return outputs

        self._network = listen
        return listen


class ServedModel:
    """A model file that was admitted.

    predictors: one for each worker. settings: the values that requests may replace, by name.
    result: what the model says about a grey picture; heads: the names and shapes of its raw outputs there.
    outputs: the names of all that it can be asked for.

    A request keeps its ServedModel until it is answered, so unloading and replacing a model wait for nothing:
    the last request frees it.
    """

    def __init__(self, name: str, number: int, path: Path, workers: int, options: dict[str, Any]) -> None:
        self.name = name
        self.number = number
        self.path = path
        self.stamp = stamp(path)
        self.predictors = [Predictor(path, **options) for _ in range(workers)]
        first = self.predictors[0]
        self.info = first.info
        self.settings = {key: getattr(first.model, key) for key in SETTINGS if hasattr(first.model, key)}
        grey = np.full((*self.info.imgsz, 3), GREY, np.uint8)
        for predictor in self.predictors:  # the first pass prepares the network
            self.result: Any = predictor(grey)
        self.heads = {name: head.shape for name, head in first.heads.items()}
        self.outputs = offered(self.result, self.heads)

    @property
    def names(self) -> Sequence[str]:
        """Class names, by class id."""
        return self.info.names
