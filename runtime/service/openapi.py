"""What the OpenAPI document says about the requests that look at pictures."""

from __future__ import annotations

from typing import Any

from .outputs import IMAGE_IDS, OUTPUTS

SUMMARY = """A YOLOv5 model behind an address. Clients of the Open Inference Protocol (KServe, Triton) use the
addresses under /v2, those of TensorFlow Serving the ones under /v1. The page at [/](/) shows both at work."""

_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "conf_thres": {"type": "number", "minimum": 0, "maximum": 1},
        "iou_thres": {"type": "number", "minimum": 0, "maximum": 1},
        "max_det": {"type": "integer", "minimum": 1},
        "classes": {"description": "names and numbers; in V2 as one text, divided by commas"},
        "agnostic_nms": {"type": "boolean"},
    },
}
_OUTPUTS = ", ".join((*OUTPUTS, IMAGE_IDS, "out0 …"))


def _body(schema: dict[str, Any], example: dict[str, Any], binary: bool = False) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": schema, "example": example}}
    if binary:
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    return {"requestBody": {"required": True, "content": content}}


INFER = _body(
    {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "inputs": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {
                    "type": "object",
                    "required": ["name", "datatype", "shape"],
                    "properties": {
                        "name": {"enum": ["image", "pixels"]},
                        "datatype": {"enum": ["BYTES", "UINT8"]},
                        "shape": {"type": "array", "items": {"type": "integer"}},
                        "data": {"type": "array", "items": {}},
                    },
                },
            },
            "outputs": {
                "description": f"only these: {_OUTPUTS}",
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}}},
            },
        },
    },
    {
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["the file in base64"]}],
        "outputs": [{"name": "boxes"}, {"name": "scores"}, {"name": "names"}],
        "parameters": {"conf_thres": 0.25},
    },
    binary=True,
)
PREDICT = _body(
    {
        "type": "object",
        "properties": {
            "instances": {"type": "array", "items": {}},
            "inputs": {},
            "signature_name": {"type": "string"},
            "fetch": {"description": f"only these: {_OUTPUTS}", "type": "array", "items": {"type": "string"}},
            "parameters": _PARAMETERS,
        },
    },
    {"instances": [{"b64": "the file in base64"}], "fetch": ["boxes", "names"]},
)
PICTURES = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
            },
        },
    },
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("annotated", *_PARAMETERS["properties"])
    ],
}
