"""Other programs that can run the same network, loaded by the Detector in the place of `cv2.dnn`.

Letterbox, decoding and NMS stay the same for all; only the forward pass differs. A backend is a loader, as
the Detector takes it. One that needs more than the model file and a package of its own lives elsewhere and is
handed in by name, as MODULE:NAME.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..engines.load import Forward, Load
from ..engines.network import Network
from ..engines.onnxruntime import OnnxRuntime
from ..errors import DetectorError
from ..predictors.detector import Detector
from ..tasks.model_info import ModelInfo


class AbsentError(DetectorError):
    """A backend cannot take part; the text says why."""


@dataclass(frozen=True)
class Backend:
    """A program that runs networks.

    load: see Detector; it may raise ImportError, or whatever the program raises.
    package: the name of its distribution, to tell its version.
    busy: whether it keeps the processor occupied after a run, so that it gets a run of its own.
    """

    load: Load
    package: str = ""
    busy: bool = False


def _model(path: Path, info: ModelInfo) -> bytes:
    """Give a model file's bytes that declare the input size in use: free, or exactly `info.imgsz`.

    The file declares the size it was made for; OpenCV takes others all the same, most programs don't.
    """
    import onnx

    model = onnx.load(str(path))
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if axis >= 2:
                dim.dim_param = f"{value.name}{axis}"
    if not info.dynamic:
        for axis, side in zip((2, 3), info.imgsz, strict=True):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side // info.fold
    return bytes(model.SerializeToString())


def load_onnxruntime(
    buffer: np.ndarray, info: ModelInfo, device: str, path: Path, spinning: bool = False
) -> Forward:
    """onnxruntime on the CPU, as `--device onnxruntime` loads it."""
    return OnnxRuntime(buffer, info, "onnxruntime", path, spinning)


def load_openvino(buffer: np.ndarray, info: ModelInfo, device: str, path: Path) -> Forward:
    """OpenVINO on the CPU, for lowest latency, and in 32 bits as all others: it would choose 16 itself."""
    import openvino

    config = {
        "INFERENCE_NUM_THREADS": cv2.getNumThreads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    model = core.compile_model(core.read_model(_model(path, info)), "CPU", config)
    request = model.create_infer_request()

    def forward(blob: np.ndarray) -> list[np.ndarray]:
        request.infer([blob])
        return [request.get_output_tensor(i).data[0] for i in range(len(info.task.outputs))]

    return forward


def load_ncnn(buffer: np.ndarray, info: ModelInfo, device: str, path: Path) -> Forward:
    """ncnn on the CPU, with the files that its converter, `pnnx MODEL.onnx`, puts beside the model file."""
    import ncnn

    param, weights = (path.with_suffix(suffix) for suffix in (".ncnn.param", ".ncnn.bin"))
    if not param.is_file() or not weights.is_file():
        raise AbsentError(f"{param.name} and {weights.name} are not beside the model file: make them by pnnx")
    network = ncnn.Net()
    network.opt.num_threads = cv2.getNumThreads()
    network.load_param(str(param))
    network.load_model(str(weights))

    def forward(blob: np.ndarray) -> list[np.ndarray]:
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(blob[0]))
        return [np.array(extractor.extract(f"out{i}")[1]) for i in range(len(info.task.outputs))]

    return forward


# A text stands for a Backend of another room, or another project: it is imported when it is asked for.
BACKENDS: dict[str, Backend | str] = {
    "cv2.dnn": Backend(Network),
    "onnxruntime": Backend(load_onnxruntime, "onnxruntime"),
    "onnxruntime-spinning": Backend(partial(load_onnxruntime, spinning=True), "onnxruntime", busy=True),
    "openvino": Backend(load_openvino, "openvino"),
    "torch": "convert.backend:TORCH",  # with the checkpoint
    "ncnn": Backend(load_ncnn, "ncnn", busy=True),
}


def is_backend(name: str) -> bool:
    """Say whether a name is one: in the table, a model file for OpenCV, or MODULE:NAME of a Backend."""
    return name in BACKENDS or name.endswith(".onnx") or ":" in name


def find(name: str) -> Backend:
    """Look a backend up; the name of a model file stands for OpenCV with that file.

    Raises ImportError if the module that it is in is not there, AbsentError if it is no Backend.
    """
    entry = BACKENDS["cv2.dnn"] if name.endswith(".onnx") else BACKENDS.get(name, name)
    if isinstance(entry, Backend):
        return entry
    module, _, attribute = entry.partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(found, Backend):
        raise AbsentError(f"{entry} is not the MODULE:NAME of a Backend")
    return found


def enter(name: str, weights: str | Path | None, **options: Any) -> Detector:
    """Make a backend's Detector. Raises AbsentError if it is not installed or cannot run the model."""
    try:
        path = name if name.endswith(".onnx") else weights
        backend = Detector(path, load=find(name).load, **options)
        if name != "cv2.dnn":
            backend.warmup()
        return backend
    except DetectorError:
        raise
    except ImportError as error:
        raise AbsentError(f"not installed ({error})") from error
    except Exception as error:  # each of them has errors of its own
        reason = " ".join(str(error).split())[:1000]  # OpenVINO's come to the point late
        raise AbsentError(f"cannot run the model: {reason}") from error


def version(name: str) -> str:
    """Tell a backend's version, or nothing if it has none."""
    package = find(name).package
    if name == "cv2.dnn":
        return cv2.__version__
    try:
        return importlib.metadata.version(package) if package else ""
    except importlib.metadata.PackageNotFoundError:
        return ""
