"""The predictor that a model file is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..model.file import ModelFile, read_model
from ..tasks.read_info import read_info
from .classifier import Classifier
from .detector import DEFAULT_MODEL, Detector

PREDICTORS: dict[str, type[Detector] | type[Classifier]] = {"Detector": Detector, "Classifier": Classifier}


def load_model(path: str | Path | ModelFile | None = None, **options: Any) -> Detector | Classifier:
    """Load a model file as what it is for: a Detector, or a Classifier for a file whose task is to classify.

    path: as for those two; without one, the model that comes with the package.
    options: what the class takes: `device` and `imgsz` for both.

    Raises ModelError for the file, DeviceError for the device, InputError for any other argument, TypeError
    for an option that the class does not have.
    """
    file = path if isinstance(path, ModelFile) else read_model(DEFAULT_MODEL if path is None else path)
    given = {key: options.get(key) for key in ("names", "anchors", "strides")}
    return PREDICTORS[read_info(file.metadata, file.path, **given).task.predictor](file, **options)
