"""A model of Triton's Python backend: what `python -m runtime.serve export-triton` puts beside a model.onnx.

It runs in Triton's process, whose Python must have this package.
https://github.com/triton-inference-server/python_backend
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from runtime.service.errors import RequestError
from runtime.service.request import InferenceRequest, check_count, read_settings
from runtime.service.response import infer, join_batch
from runtime.service.served_model import ServedModel

MAX_PIXELS = 50_000_000


class TritonPythonModel:
    """What Triton makes for each instance of the model."""

    def initialize(self, arguments: dict[str, str]) -> None:
        """Load the version's model file."""
        folder, number = Path(arguments["model_repository"]), arguments["model_version"]
        path = folder / number / "model.onnx"
        self.model = ServedModel(arguments["model_name"], int(number), path, 1, {})

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer requests, one after the other."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        image, pixels = (triton.get_input_tensor_by_name(request, name) for name in ("image", "pixels"))
        try:
            if (image is None) == (pixels is None):
                raise RequestError(400, "a request has one input, image or pixels")
            pictures = [pixels.as_numpy()] if pixels is not None else image.as_numpy().reshape(-1).tolist()
            check_count(len(pictures))
            parameters = json.loads(request.parameters() or "{}")
            settings = read_settings(parameters, self.model.settings, self.model.names)
            outputs = list(request.requested_output_names())
            inference = InferenceRequest(pictures, outputs, settings)
            results, _ = infer(self.model, 0, inference, math.inf, MAX_PIXELS)
            arrays = join_batch(results, outputs)
        except RequestError as error:
            return triton.InferenceResponse(error=triton.TritonError(error.text))
        tensors = [triton.Tensor(name, np.ascontiguousarray(array)) for name, array in arrays.items()]
        return triton.InferenceResponse(output_tensors=tensors)
