"""The messages of the Open Inference Protocol over gRPC: their words and ours."""

from __future__ import annotations

from typing import Any

from tritonclient.grpc import service_pb2 as pb

from . import v2
from .errors import bad
from .outputs import datatype
from .request import Question, read_settings
from .response import Arrays, together
from .served_model import Version
from .tensors import only_input, read_binary, read_shape, read_values, to_binary


def read_request(version: Version, request: Any) -> Question:
    """Turn a ModelInferRequest into a question. Raises RequestError 400."""
    only_input([tensor.name for tensor in request.inputs])
    tensor = request.inputs[0]
    shape = read_shape(list(tensor.shape))
    raw = request.raw_input_contents
    if raw:
        if len(raw) != 1:
            raise bad(f"there are {len(raw)} raw contents for one input")
        pictures = read_binary(tensor.datatype, shape, memoryview(raw[0]))
    elif tensor.datatype == "BYTES":
        values = tensor.contents.bytes_contents
        if len(shape) != 1 or shape[0] != len(values):
            raise bad(f"a BYTES tensor has {len(values)} elements where its shape is {list(shape)}")
        pictures = list(values)
    else:
        pictures = read_values(tensor.datatype, shape, list(tensor.contents.uint_contents))
    if len(request.outputs) > v2.MAX_OUTPUTS:
        raise bad(f"a request has at most {v2.MAX_OUTPUTS} outputs")
    parameters = {
        key: getattr(value, value.WhichOneof("parameter_choice") or "bool_param")
        for key, value in request.parameters.items()
    }
    outputs = [output.name for output in request.outputs] or None
    return Question(
        pictures,
        outputs,
        read_settings(parameters, version.settings, version.names),
        v2.read_timeout(parameters),
    )


def write_answer(version: Version, request: Any, answers: list[Arrays]) -> Any:
    """Turn answers into a ModelInferResponse."""
    outputs = [output.name for output in request.outputs]
    arrays = together(answers, outputs or None)
    response = pb.ModelInferResponse(
        model_name=version.name, model_version=str(version.number), id=request.id[:200]
    )
    for name in outputs or arrays:
        response.outputs.add(name=name, datatype=datatype(name), shape=arrays[name].shape)
        response.raw_output_contents.append(to_binary(arrays[name]))
    return response
