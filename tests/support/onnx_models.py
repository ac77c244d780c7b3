"""Model files made by hand with the onnx package, so small that their answers can be told beforehand.

The network finds red: in each head a convolution as large as its stride averages a cell's pixels, and the
objectness logit is 20 · (red − green) − 10. The four box logits are 0, so that a box sits in the middle of
its cell and is as large as its anchor. The logit of class 0 is 10 − 20 · blue, that of class 1 its negative.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
ANCHORS = (((10.0, 14.0),), ((30.0, 20.0),), ((60.0, 90.0),))
NAMES = ("plain", "bluish")


def red_network(
    strides: Sequence[int] = STRIDES,
    anchors: Sequence[Any] = ANCHORS,
    classes: int = 2,
    imgsz: tuple[int | str, int | str] = ("h", "w"),
    swish: bool = False,
    fold: int = 1,
) -> onnx.ModelProto:
    """Make the network, without metadata.

    With `swish` it passes its input through SiLU first; with `fold` 2 it takes squares of 2 × 2 pixels.
    """
    nodes, weights, outputs = [], [], []
    source = "images"
    if swish:
        nodes.append(helper.make_node("Swish", ["images"], ["activated"], "swish", domain="yolov5_dnn"))
        source = "activated"
    for i, (stride, pairs) in enumerate(zip(strides, anchors, strict=True)):
        kernel, bias = (
            np.zeros((5 + classes, 3, stride, stride), np.float32),
            np.zeros(5 + classes, np.float32),
        )
        kernel[4, 0], kernel[4, 1], bias[4] = 20, -20, -10
        kernel[5, 2], bias[5] = -20, 10
        if classes > 1:
            kernel[6, 2], bias[6] = 20, -10
        kernel /= stride * stride
        kernel = np.concatenate(
            [kernel[:, :, dy::fold, dx::fold] for dx in range(fold) for dy in range(fold)], axis=1
        )
        weights += [
            numpy_helper.from_array(np.tile(kernel, (len(pairs), 1, 1, 1)), f"kernel{i}"),
            numpy_helper.from_array(np.tile(bias, len(pairs)), f"bias{i}"),
        ]
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"kernel{i}", f"bias{i}"],
                [f"out{i}"],
                f"head{i}",
                kernel_shape=[stride // fold] * 2,
                strides=[stride // fold] * 2,
            )
        )
        shape: list[int | str] = ["n", len(pairs) * (5 + classes), f"h{i}", f"w{i}"]
        outputs.append(helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, shape))
    batch = 1 if isinstance(imgsz[0], int) else "n"
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3 * fold * fold, *imgsz])],
        outputs,
        weights,
    )
    opsets = [helper.make_opsetid("", 12)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=7)
    if swish:
        function = helper.make_function(
            "yolov5_dnn",
            "Swish",
            ["x"],
            ["y"],
            [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])],
            opsets,
        )
        opsets.append(helper.make_opsetid("yolov5_dnn", 1))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=[function])
    model.producer_name, model.producer_version = "by hand", "1"
    return model


def metadata(**changes: Any) -> dict[str, str]:
    """Give the metadata that fits `red_network()`, changed as told; a value of None leaves the key out."""
    values = {
        "names": list(NAMES),
        "strides": list(STRIDES),
        "anchors": [[list(pair) for pair in pairs] for pairs in ANCHORS],
        "imgsz": [64, 64],
        "task": "detect",
        "dynamic": True,
        "source": {"file": "red.pt", "sha256": "0" * 64},
        **changes,
    }
    return {key: json.dumps(value) for key, value in values.items() if value is not None}


def write(path: Path, model: onnx.ModelProto | None = None, props: dict[str, str] | None = None) -> Path:
    """Write a model file; by default `red_network()` with its metadata."""
    model = red_network() if model is None else model
    helper.set_model_props(model, metadata() if props is None else props)
    onnx.save(model, str(path))
    return path


def write_channels(path: Path, planes: int, which: int, **changes: Any) -> Path:
    """Write a network of so many input planes that finds a box in every cell with 255 in plane `which`."""
    weights = np.zeros((7, planes, 8, 8), np.float32)
    weights[4:6, which] = 40 / 64  # objectness and the first class
    bias = np.array([0, 0, 0, 0, -20, -20, -20], np.float32)
    tensors = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")]
    nodes = [helper.make_node("Conv", ["images", "w", "b"], ["out0"], kernel_shape=[8, 8], strides=[8, 8])]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, planes, 64, 64])
    gives = helper.make_tensor_value_info("out0", TensorProto.FLOAT, [1, 7, 8, 8])
    graph = helper.make_graph(nodes, "one", [given], [gives], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)])
    model.ir_version = 7
    fixed = {"strides": [8], "anchors": [[[10, 14]]], "size_multiple": None, "dynamic": False}
    return write(path, model, metadata(**fixed, **changes))
