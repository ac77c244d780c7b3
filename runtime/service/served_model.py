"""One version of a model in service: a predictor for each worker, and the outputs it offers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..model.file import ModelFile, read_model
from ..predictors.load import load_model
from ..stages.letterbox import GREY
from ..tasks.model_info import ModelInfo
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

    For one thread. heads: of the last call, by the name that the model file gives them, each (1, …).
    """

    def __init__(self, path: Path | ModelFile, **options: Any) -> None:
        self.model: Any = load_model(path, **options)
        self.info: ModelInfo = self.model.info
        self.heads: dict[str, np.ndarray] = {}

    def __call__(
        self, image: np.ndarray, decode: bool = True, **settings: Any
    ) -> tuple[Any, dict[str, float]]:
        """Give Detections or a Classification of a BGR image, and the milliseconds of each stage.

        Without `decode` only `heads` are made, and None is given. settings: for this call, as the model takes
        them. Raises what the model raises.
        """
        clock = [perf_counter()]
        blob, place = self.model.prepare(image)
        clock.append(perf_counter())
        outputs = self.model.forward(blob)
        clock.append(perf_counter())
        self.heads = {
            name: output[None] for name, output in zip(self.info.task.outputs, outputs, strict=True)
        }
        result: Any = self.model.decode(outputs, place, **settings) if decode else None
        timings: dict[str, float] = dict(zip(self.model.stages, np.diff(clock) * 1000, strict=False))
        return result, timings | (result.timings if decode else {})


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
        file = read_model(path)  # once, however many networks are made of it
        self.predictors = [Predictor(file, **options) for _ in range(workers)]
        first = self.predictors[0]
        self.info = first.info
        self.settings = {key: value for key, value in first.model.settings.items() if key in SETTINGS}
        grey = np.full((*self.info.imgsz, self.info.channels), GREY, np.uint8)
        for predictor in self.predictors:  # the first pass prepares the network
            self.result: Any = predictor(grey)[0]
        self.heads = {name: head.shape for name, head in first.heads.items()}
        self.outputs = offered(self.result, self.heads)

    @property
    def names(self) -> Sequence[str]:
        """Class names, by class id."""
        return self.info.names
