"""YOLOv5 detection with OpenCV and NumPy alone."""

from .detections import Detections
from .detector import Detector
from .errors import DetectorError, DeviceError, InputError, ModelError
from .model_file import ModelInfo

__all__ = ["Detections", "Detector", "DetectorError", "DeviceError", "InputError", "ModelError", "ModelInfo"]
