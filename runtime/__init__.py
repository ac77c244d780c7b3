"""YOLOv5 detection with OpenCV and NumPy alone."""

from .detections import Detections
from .detector import Detector
from .errors import DetectorError, DeviceError, InputError, ModelError
from .model_file import ModelInfo

__version__ = "1.0.0"

__all__ = ["Detections", "Detector", "DetectorError", "DeviceError", "InputError", "ModelError", "ModelInfo"]
