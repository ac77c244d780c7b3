"""SiLU as one node that OpenCV takes for its own layer, in a file that stays ONNX for everybody else."""

from __future__ import annotations

import onnx
from onnx import helper

DOMAIN = "yolov5_dnn"
FUNCTION_IR_VERSION = 8  # the first that has functions in a model


def use_swish(model: onnx.ModelProto) -> None:
    """Replace every x·sigmoid(x) by one node `Swish`, a function that the model defines in these terms.

    So the file stays ONNX that anybody can run. The runtime hides the node's domain from OpenCV, which then
    takes it for its own layer of that name (`runtime.model.file`) and computes it within the convolution
    before it.
    """
    graph = model.graph
    sigmoids = {node.output[0]: node for node in graph.node if node.op_type == "Sigmoid"}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    nodes = []
    replaced = set()
    for node in graph.node:
        for x, gate in (tuple(node.input), tuple(reversed(node.input))) if node.op_type == "Mul" else ():
            if gate in sigmoids and readers[gate] == 1 and sigmoids[gate].input[0] == x:
                replaced.add(gate)
                node = helper.make_node("Swish", [x], list(node.output), node.name, domain=DOMAIN)
                break
        nodes.append(node)
    if not replaced:
        return
    kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes if n.output[0] not in replaced]
    del graph.node[:]
    graph.node.extend(kept)
    body = [helper.make_node("Sigmoid", ["x"], ["gate"]), helper.make_node("Mul", ["x", "gate"], ["y"])]
    opset = next(entry for entry in model.opset_import if not entry.domain)
    model.functions.append(helper.make_function(DOMAIN, "Swish", ["x"], ["y"], body, [opset]))
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    model.ir_version = FUNCTION_IR_VERSION
