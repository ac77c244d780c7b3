"""TensorFlow Serving's REST dialect ("V1"), read and written.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import bad_request, quoted
from .json_text import read_base64, read_json, write_json
from .outputs import datatype, to_plain
from .request import InferenceRequest, check_count, read_settings
from .response import Arrays, join_batch
from .served_model import ServedModel
from .tensors import INPUTS, read_pixels
from .v2 import MAX_OUTPUTS, output_shapes, parameters_of

# Beyond TensorFlow Serving's own: which outputs are wanted, and the thresholds.
_KEYS = {"instances", "inputs", "signature_name", "fetch", "parameters"}


def read_request(model: ServedModel, body: bytes) -> tuple[InferenceRequest, bool]:
    """Read a predict request: by `instances`, a list with a picture each, or by `inputs`, one named list.

    A picture is {"b64": text}, an encoded file, or nested lists of RGB pixels (h, w, 3); either may stand
    under the name `image`. Returns the request, and whether the answer is wanted by instance.
    Raises RequestError 400.
    """
    request = read_json(body)
    unknown = request.keys() - _KEYS
    if unknown:
        raise bad_request(
            f"a predict request has no {quoted(min(unknown))}; it may have {', '.join(sorted(_KEYS))}"
        )
    if ("instances" in request) == ("inputs" in request):
        raise bad_request("a predict request has either instances or inputs")
    by_instance = "instances" in request
    values = request["instances" if by_instance else "inputs"]
    if not by_instance:
        values = _unnamed(values)
        if not isinstance(values, list | np.ndarray) or _depth(values) == 3:
            values = [values]
    if isinstance(values, np.ndarray):
        values = list(values)
    if not isinstance(values, list):
        raise bad_request("instances must be a list")
    check_count(len(values))
    fetch = request.get("fetch")
    if fetch is not None and not (
        isinstance(fetch, list)
        and 0 < len(fetch) <= MAX_OUTPUTS
        and all(isinstance(name, str) for name in fetch)
    ):
        raise bad_request("fetch must be a list of outputs' names")
    settings = read_settings(parameters_of(request), model.settings, model.names)
    return InferenceRequest([_read_picture(value) for value in values], fetch, settings), by_instance


def write_response(request: InferenceRequest, by_instance: bool, results: Sequence[Arrays]) -> bytes:
    """Write the answer: `predictions`, an object for each instance, or `outputs`, each for all of them."""
    if by_instance:
        return write_json({"predictions": [_values(each) for each in results]}).encode()
    return write_json({"outputs": _values(join_batch(results, request.outputs))}).encode()


def _values(arrays: Arrays) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, array in arrays.items():
        if name == "annotated":
            values[name] = [{"b64": base64.b64encode(data).decode()} for data in array.tolist()]
        else:
            values[name] = to_plain(array, bytes.decode)
    return values


def _read_picture(value: Any) -> bytes | np.ndarray:
    value = _unnamed(value)
    if isinstance(value, dict):
        if value.keys() != {"b64"}:
            raise bad_request('an encoded image is {"b64": text}')
        return read_base64(value["b64"])
    if isinstance(value, list | np.ndarray):
        pixels = read_pixels(value)
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise bad_request(f"pixels have the shape [h, w, 3], not {list(pixels.shape)}")
        return pixels
    raise bad_request('an image is {"b64": text} or nested lists of pixels')


def _unnamed(value: Any) -> Any:
    """Take a picture from under the input's name."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in INPUTS:
        return next(iter(value.values()))
    return value


def _depth(value: Any) -> int:
    """Count how many lists are nested along the first elements, up to four."""
    if isinstance(value, np.ndarray):
        return value.ndim
    depth = 0
    while isinstance(value, list) and value and depth < 4:
        value, depth = value[0], depth + 1
    return depth


def status(versions: Sequence[ServedModel]) -> dict[str, Any]:
    """Give the status of a model's versions, newest first, as TensorFlow Serving does."""
    return {
        "model_version_status": [
            {
                "version": str(model.number),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for model in reversed(versions)
        ]
    }


def metadata(model: ServedModel) -> dict[str, Any]:
    """Give a model's signature, as TensorFlow Serving does."""
    types = {"BYTES": "DT_STRING", "FP32": "DT_FLOAT", "INT32": "DT_INT32"}

    def tensor(name: str, kind: str, shape: Sequence[int]) -> dict[str, Any]:
        dim = [{"size": str(axis), "name": ""} for axis in shape]
        return {"dtype": types[kind], "tensor_shape": {"dim": dim, "unknown_rank": False}, "name": name}

    signature = {
        "inputs": {"image": tensor("image", "BYTES", [-1])},
        "outputs": {
            name: tensor(name, datatype(name), shape) for name, shape in output_shapes(model).items()
        },
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": str(model.number)},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
