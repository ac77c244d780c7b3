"""The Open Inference Protocol over REST ("V2"), with Triton's binary tensors, read and written.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import bad_request, quoted
from .json_text import read_json, write_json
from .outputs import IMAGE_IDS, OUTPUTS, datatype, to_plain
from .request import InferenceRequest, read_settings
from .response import Arrays, join_batch
from .served_model import ServedModel
from .tensors import only_input, read_binary, read_shape, read_values, to_binary

HEADER_LENGTH = "Inference-Header-Content-Length"
MAX_OUTPUTS = 32


@dataclass
class ResponseFormat:
    """How a response is to be written: the client's id, and which outputs it wants in binary."""

    id: str = ""
    binary: bool = False  # those that are not named
    outputs: dict[str, bool] = field(default_factory=dict)


def read_request(
    model: ServedModel, body: bytes, header_length: str | None
) -> tuple[InferenceRequest, ResponseFormat]:
    """Read an inference request; its first `header_length` bytes are JSON. Raises RequestError 400."""
    data = memoryview(body)
    length = len(data)
    if header_length is not None:
        if not header_length.isdecimal() or len(header_length) > 12 or int(header_length) > length:
            raise bad_request(f"{HEADER_LENGTH} must be a number of bytes within the body")
        length = int(header_length)
    header, binary = read_json(data[:length]), data[length:]

    inputs = _objects(header.get("inputs"), "inputs")
    only_input([each.get("name", "") for each in inputs])
    tensor = inputs[0]
    shape, kind = read_shape(tensor.get("shape")), str(tensor.get("datatype"))
    size = parameters_of(tensor).get("binary_data_size")
    if size is not None:
        if isinstance(size, bool) or not isinstance(size, int) or size != len(binary):
            raise bad_request(f"binary_data_size must be the {len(binary)} bytes after the JSON")
        pictures = read_binary(kind, shape, binary)
    elif "data" not in tensor:
        raise bad_request("the input has neither data nor binary_data_size")
    elif len(binary):
        raise bad_request(f"{len(binary)} bytes follow the JSON, and no input is said to be binary")
    else:
        pictures = read_values(kind, shape, tensor["data"])

    parameters = parameters_of(header)
    response_format = ResponseFormat(
        str(header.get("id", ""))[:200], parameters.get("binary_data_output") is True
    )
    if "outputs" in header:
        outputs = _objects(header["outputs"], "outputs")
        if len(outputs) > MAX_OUTPUTS:
            raise bad_request(f"a request has at most {MAX_OUTPUTS} outputs")
        for output in outputs:
            name, options = output.get("name"), parameters_of(output)
            if not isinstance(name, str):
                raise bad_request("each of the outputs must have a name")
            unknown = [key for key in options if key not in ("binary_data",)]
            if unknown:
                raise bad_request(f"outputs have no parameter {quoted(unknown[0])} here")
            response_format.outputs[name] = options.get("binary_data", response_format.binary) is True
    settings = read_settings(parameters, model.settings, model.names)
    return InferenceRequest(
        pictures, list(response_format.outputs) or None, settings, read_timeout(parameters)
    ), response_format


def read_timeout(parameters: dict[str, Any]) -> float | None:
    """Read Triton's parameter `timeout`, in microseconds; gives seconds, None if there is none."""
    value = parameters.get("timeout", 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise bad_request("timeout must be a number of microseconds")
    return min(value, 10**15) / 1e6 or None


def write_response(
    model: ServedModel, response_format: ResponseFormat, results: Sequence[Arrays]
) -> tuple[bytes, int | None]:
    """Write the answer; returns the body, and how many bytes of it are JSON if binary data follow."""
    arrays = join_batch(results, list(response_format.outputs) or None)
    outputs, parts = [], []
    for name in response_format.outputs or arrays:
        array = arrays[name]
        tensor: dict[str, Any] = {"name": name, "datatype": datatype(name), "shape": list(array.shape)}
        if response_format.outputs.get(name, response_format.binary):
            parts.append(to_binary(array))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = to_plain(array.reshape(-1), _text(name))
        outputs.append(tensor)
    response: dict[str, Any] = {"model_name": model.name, "model_version": str(model.number)}
    if response_format.id:
        response["id"] = response_format.id
    text = write_json({**response, "outputs": outputs}).encode()
    return b"".join([text, *parts]), len(text) if parts else None


def _text(name: str) -> Any:
    """Give what makes text for JSON of an output's bytes: base64 of pictures."""
    return (lambda data: base64.b64encode(data).decode()) if name == "annotated" else bytes.decode


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise bad_request(f"{name} must be a list of objects")
    return value


def parameters_of(value: dict[str, Any]) -> dict[str, Any]:
    """Give the parameters of a request, an input or an output. Raises RequestError 400."""
    parameters = value.get("parameters", {})
    if not isinstance(parameters, dict):
        raise bad_request("parameters must be an object")
    return parameters


def model_metadata(model: ServedModel, versions: Sequence[ServedModel]) -> dict[str, Any]:
    """Describe a model: its versions, its input, and every output it can be asked for."""
    return {
        "name": model.name,
        "versions": [str(each.number) for each in versions],
        "platform": "opencv_dnn",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": name, "datatype": datatype(name), "shape": list(shape)}
            for name, shape in output_shapes(model).items()
        ],
    }


def output_shapes(model: ServedModel) -> dict[str, tuple[int, ...]]:
    """Give the shapes of a version's outputs; −1 is any."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name in model.outputs:
        if name == IMAGE_IDS:
            shapes[name] = (-1,)
        elif name in OUTPUTS:
            shapes[name] = (-1, *OUTPUTS[name].shape)
        else:
            channels = model.heads[name][1]
            shapes[name] = (-1, channels, *(-1 for _ in model.heads[name][2:]))
    return shapes


def model_config(model: ServedModel, workers: int) -> dict[str, Any]:
    """Give what Triton calls the model's configuration."""
    types = {"BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "INT32": "TYPE_INT32"}
    return {
        "name": model.name,
        "platform": "opencv_dnn",
        "backend": "opencv_dnn",
        "max_batch_size": 0,
        "input": [{"name": "image", "data_type": "TYPE_STRING", "dims": [-1]}],
        "output": [
            {"name": name, "data_type": types[datatype(name)], "dims": list(shape)}
            for name, shape in output_shapes(model).items()
        ],
        "instance_group": [{"name": model.name, "kind": "KIND_CPU", "count": workers}],
        "parameters": {
            key: {"string_value": json.dumps(value)}
            for key, value in {
                **model.settings,
                "task": model.info.task.name,
                "names": list(model.names),
            }.items()
        },
    }
