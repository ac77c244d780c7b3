"""The messages of the Open Inference Protocol over gRPC: their messages, read and written."""

from __future__ import annotations

from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2 as pb

from . import v2
from .errors import bad_request
from .outputs import datatype
from .request import InferenceRequest, read_settings
from .response import Arrays, join_batch
from .served_model import ServedModel
from .tensors import only_input, read_binary, read_shape, read_values, to_binary

STEP = 1 << 14  # numbers that are read at once


def read_request(model: ServedModel, request: Any) -> InferenceRequest:
    """Turn a ModelInferRequest into an InferenceRequest. Raises RequestError 400."""
    only_input([tensor.name for tensor in request.inputs])
    tensor = request.inputs[0]
    shape = read_shape(list(tensor.shape))
    raw = request.raw_input_contents
    if raw:
        if len(raw) != 1:
            raise bad_request(f"there are {len(raw)} raw contents for one input")
        pictures = read_binary(tensor.datatype, shape, memoryview(raw[0]))
    elif tensor.datatype == "BYTES":
        values = tensor.contents.bytes_contents
        if len(shape) != 1 or shape[0] != len(values):
            raise bad_request(f"a BYTES tensor has {len(values)} elements where its shape is {list(shape)}")
        pictures = list(values)
    else:
        pictures = read_values(tensor.datatype, shape, _read_numbers(tensor.contents.uint_contents))
    if len(request.outputs) > v2.MAX_OUTPUTS:
        raise bad_request(f"a request has at most {v2.MAX_OUTPUTS} outputs")
    parameters = {
        key: getattr(value, value.WhichOneof("parameter_choice") or "bool_param")
        for key, value in request.parameters.items()
    }
    outputs = [output.name for output in request.outputs] or None
    return InferenceRequest(
        pictures,
        outputs,
        read_settings(parameters, model.settings, model.names),
        v2.read_timeout(parameters),
    )


def write_response(model: ServedModel, request: Any, results: list[Arrays]) -> Any:
    """Turn results into a ModelInferResponse."""
    outputs = [output.name for output in request.outputs]
    arrays = join_batch(results, outputs or None)
    response = pb.ModelInferResponse(
        model_name=model.name, model_version=str(model.number), id=request.id[:200]
    )
    for name in outputs or arrays:
        response.outputs.add(name=name, datatype=datatype(name), shape=arrays[name].shape)
        response.raw_output_contents.append(to_binary(arrays[name]))
    return response


def _read_numbers(values: Any) -> np.ndarray:
    """Read a repeated field of whole numbers as uint8, in steps that do not keep other threads waiting."""
    parts = [np.array(values[start : start + STEP]) for start in range(0, len(values), STEP)]
    if not parts or any(part.max() > 255 for part in parts):
        raise bad_request("pixels must be whole numbers from 0 to 255")
    return np.concatenate([part.astype(np.uint8) for part in parts])
