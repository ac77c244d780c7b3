"""YOLOv5 detection with OpenCV and NumPy alone.

The core's rooms, each importing only those before it: stages (functions over arrays), drawing, results,
model (the model file), tasks (what a task changes), engines, predictors. Around it, a room for each thing
that commands do: inputs, outputs, command (what all of them share), evaluation, benchmark, service. And the
commands, a file each: detect, classify, evaluate, bench, serve, bulk, info. The C++ headers and the
JavaScript files are the core's twins.
"""

import sys

from .start import end_on_interrupt, is_command

if is_command():
    end_on_interrupt()

from .program import prepare_process

if is_command():
    prepare_process()

try:
    import cv2  # noqa: F401 - its failure is told here, once for all
except ImportError as error:
    reason = (
        f"OpenCV cannot be loaded ({error}): install opencv-python-headless, which needs no libGL, "
        f"in place of any other opencv-python"
    )
    if is_command():
        print(f"error: {reason}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(reason) from error

from .errors import DetectorError, DeviceError, InputError, ModelError
from .predictors.classifier import Classifier
from .predictors.detector import Detector
from .predictors.load import load_model
from .results.classification import Classification
from .results.detections import Detection, Detections
from .tasks.model_info import ModelInfo

__version__ = "2.0.0"

__all__ = [
    "Classification",
    "Classifier",
    "Detection",
    "Detections",
    "Detector",
    "DetectorError",
    "DeviceError",
    "InputError",
    "ModelError",
    "ModelInfo",
    "__version__",
    "load_model",
]
