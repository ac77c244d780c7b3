"""Other programs that can run the same network, put into the Detector in the place of `cv2.dnn`.

Letterbox, decoding and NMS stay the same for all; only the forward pass differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..detector import Detector
from ..errors import DetectorError

Forward = Callable[[np.ndarray], list[np.ndarray]]


class AbsentError(DetectorError):
    """A contestant cannot take part; the text says why."""


def _model(detector: Detector) -> bytes:
    """Give a model file's bytes, with a free input size if the detector makes use of it.

    The file declares the size it was made for; OpenCV takes others all the same, most programs don't.
    """
    if detector._stride is None:
        return detector.path.read_bytes()
    import onnx

    model = onnx.load(str(detector.path))
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}{axis}"
    return bytes(model.SerializeToString())


class OnnxRuntime(Detector):
    """onnxruntime on the CPU, its threads asleep between runs, so as not to slow the next contestant."""

    spinning = False

    def _load(self, buffer: np.ndarray, device: str) -> Forward:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cv2.getNumThreads()
        options.log_severity_level = 3
        if not self.spinning:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(_model(self), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda blob: [output[0] for output in session.run(None, {name: blob})]


class OnnxRuntimeSpinning(OnnxRuntime):
    """onnxruntime as it comes: between runs its threads wait busily for a while."""

    spinning = True
    busy = True


class OpenVino(Detector):
    """OpenVINO on the CPU, for lowest latency, and in 32 bits as all others: it would choose 16 itself."""

    def _load(self, buffer: np.ndarray, device: str) -> Forward:
        import openvino

        config = {
            "INFERENCE_NUM_THREADS": cv2.getNumThreads(),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        model = core.compile_model(core.read_model(_model(self)), "CPU", config)
        request = model.create_infer_request()

        def forward(blob: np.ndarray) -> list[np.ndarray]:
            request.infer([blob])
            return [request.get_output_tensor(i).data[0] for i in range(len(self.info.strides))]

        return forward


class Torch(Detector):
    """PyTorch on the CPU, with the checkpoint that the model file was made from, which must lie beside it."""

    busy = True

    def _load(self, buffer: np.ndarray, device: str) -> Forward:
        import torch

        from convert import load_checkpoint

        source = self.info.source or {}
        name = source.get("file")
        if not name:
            raise AbsentError("the model file does not name its checkpoint")
        path = self.path.parent / Path(name).name
        if not path.is_file():
            raise AbsentError(f"the checkpoint {path} is not there")
        if hashlib.sha256(path.read_bytes()).hexdigest() != source.get("sha256"):
            raise AbsentError(f"{path} is another checkpoint than the one the model file was made from")
        if self.info.fold != 1:
            raise AbsentError("the model file takes a folded input, the checkpoint does not")
        torch.set_num_threads(cv2.getNumThreads())
        network = load_checkpoint(path).model

        def forward(blob: np.ndarray) -> list[np.ndarray]:
            with torch.inference_mode():
                return [output[0].numpy() for output in network(torch.from_numpy(blob))]

        return forward


class Ncnn(Detector):
    """ncnn on the CPU, with the files that its converter, `pnnx MODEL.onnx`, puts beside the model file."""

    busy = True

    def _load(self, buffer: np.ndarray, device: str) -> Forward:
        import ncnn

        param, weights = (self.path.with_suffix(suffix) for suffix in (".ncnn.param", ".ncnn.bin"))
        if not param.is_file() or not weights.is_file():
            raise AbsentError(
                f"{param.name} and {weights.name} are not beside the model file: make them by pnnx"
            )
        network = ncnn.Net()
        network.opt.num_threads = cv2.getNumThreads()
        network.load_param(str(param))
        network.load_model(str(weights))

        def forward(blob: np.ndarray) -> list[np.ndarray]:
            extractor = network.create_extractor()
            extractor.input("in0", ncnn.Mat(blob[0]))
            return [np.array(extractor.extract(f"out{i}")[1]) for i in range(len(self.info.strides))]

        return forward


# Contestants that are `busy` keep the processor occupied after a run, so they get a run of their own.
CONTESTANTS: dict[str, type[Detector]] = {
    "cv2.dnn": Detector,
    "onnxruntime": OnnxRuntime,
    "onnxruntime-spinning": OnnxRuntimeSpinning,
    "openvino": OpenVino,
    "torch": Torch,
    "ncnn": Ncnn,
}


def is_busy(name: str) -> bool:
    """Tell whether a contestant would slow down whoever comes after it."""
    return getattr(kind_of(name), "busy", False)


def kind_of(name: str) -> type[Detector]:
    """Find a contestant's class; the name of a model file stands for OpenCV with that file."""
    return Detector if name.endswith(".onnx") else CONTESTANTS[name]


def enter(name: str, weights: str | Path | None, **options: Any) -> Detector:
    """Make a contestant. Raises AbsentError if its package is not installed or it cannot run the model."""
    try:
        contestant = kind_of(name)(name if name.endswith(".onnx") else weights, **options)
        if name != "cv2.dnn":
            contestant.warmup()
        return contestant
    except DetectorError:
        raise
    except ImportError as error:
        raise AbsentError(f"not installed ({error})") from error
    except Exception as error:  # each of them has errors of its own
        reason = " ".join(str(error).split())[:1000]  # OpenVINO's come to the point late
        raise AbsentError(f"cannot run the model: {reason}") from error


def version(name: str) -> str:
    """Tell a contestant's version."""
    if name == "cv2.dnn":
        return cv2.__version__
    if name.endswith(".onnx"):
        return ""
    import importlib.metadata

    package = name.removesuffix("-spinning")
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
